/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two VMs that a channel connects: one adds to a number in the shared page and rings, the other does the same
 * in its handler. Command line: first, for the one that begins; rings=N; bell, to ring without end until the
 * other one has gone and come back; ear, to listen without end.
 */
#include "lib/guest.h"

#include "hypercall/abi.h"
#include "lib/hypercall.h"

#define VECTOR 0x71u

const char guest_name[] = "channel";

static struct skerry_channel channel;
static volatile uint32_t *shared;
static volatile uint32_t rung;

static void answer(struct trap_frame *frame)
{
    (void)frame;
    rung++;
    apic_write(APIC_EOI, 0);
}

static int32_t call(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    return hypercall(number, a, b, c, 0);
}

static void meet(void)
{
    check(call(SKERRY_CALL_CHANNEL, 0, (uint32_t)&channel, sizeof(channel)) == (int32_t)sizeof(channel) &&
              channel.page == SKERRY_CHANNEL_BASE && channel.name[0] == 'p' && channel.name[4] == 0,
          "channel %s at %x", channel.name, (unsigned)channel.page);
    check(call(SKERRY_CALL_LISTEN, 0, 3, 0) == SKERRY_EINVAL &&
              call(SKERRY_CALL_LISTEN, 0, 256, 0) == SKERRY_EINVAL &&
              call(SKERRY_CALL_LISTEN, 0, VECTOR, 5) == SKERRY_ENOENT &&
              call(SKERRY_CALL_LISTEN, 1, VECTOR, 0) == SKERRY_ENOENT,
          "a bad vector, vCPU or channel is refused");
    check(call(SKERRY_CALL_LISTEN, 0, VECTOR, 0) == 0, "listens");
    do
        call(SKERRY_CALL_CHANNEL, 0, (uint32_t)&channel, sizeof(channel));
    while (!channel.listening);
}

/* Rings until the call says OUTCOME. */
static void ring_until(int32_t outcome)
{
    while (call(SKERRY_CALL_DOORBELL, 0, 0, 0) != outcome)
        ;
}

static void be_bell(void)
{
    ring_until(0);
    say("rings");
    ring_until(SKERRY_EPIPE);
    say("rings in vain");
    ring_until(0);
    check(shared[1] != 0, "rings again, %u rings were heard", (unsigned)shared[1]);
}

static NORETURN void be_ear(void)
{
    for (;;) {
        wait_change(&rung, rung);
        shared[1]++;
    }
}

void guest_main(const struct boot_info *info)
{
    uint32_t rings = boot_number(info, "rings", 1000), before;
    bool first = boot_word(info, "first");

    apic_enable();
    on_interrupt(VECTOR, answer);
    meet();
    shared = (volatile uint32_t *)(uint32_t)channel.page;
    if (boot_word(info, "ear"))
        be_ear();
    if (boot_word(info, "bell")) {
        be_bell();
        return;
    }
    if (first)
        shared[0] = 0;
    for (uint32_t i = 0; i < rings; i++) {
        before = rung;
        if (!first && before == i)
            wait_change(&rung, before);
        shared[0]++;
        if (call(SKERRY_CALL_DOORBELL, 0, 0, 0) != 0)
            check(false, "the other end does not listen, ring %u", (unsigned)i);
        if (first && rung == before)
            wait_change(&rung, before);
    }
    if (first)
        check(shared[0] == 2 * rings, "%u times there and back", (unsigned)rings);
    check(rung == rings, "%u rings", (unsigned)rung);
    check(call(SKERRY_CALL_LISTEN, 0, 0, 0) == 0, "listens no longer");
}
