/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two VMs with a channel, and what a third does to them: the one with `ring` on its command line rings each
 * 20 ms and says how long the other took to answer, which waits in HLT.
 */
#include "lib/guest.h"
#include "lib/hypercall.h"

#include "hypercall/abi.h"

#define VECTOR 0x71u
#define RINGS  20
#define MOST   4000 /* microseconds: a slice or two of each that shares the CPU */

const char guest_name[] = "ear";

static volatile uint32_t *const shared = (volatile uint32_t *)SKERRY_CHANNEL_BASE;
static volatile uint32_t rung;

static void on_bell(struct trap_frame *frame)
{
    (void)frame;
    rung++;
    apic_write(APIC_EOI, 0);
}

static void wait_until(uint64_t tsc)
{
    while (rdtsc() < tsc)
        ;
}

/* Microseconds until it answers; UINT32_MAX: within 200 ms it does not. */
static uint32_t ring(uint32_t khz)
{
    uint64_t start = rdtsc();
    uint32_t before = shared[0];

    hypercall(SKERRY_CALL_DOORBELL, 0, 0, 0, 0);
    while (shared[0] == before) {
        if (rdtsc() - start > (uint64_t)200 * khz)
            return UINT32_MAX;
    }
    return (uint32_t)(rdtsc() - start) / (khz / 1000);
}

void guest_main(const struct boot_info *info)
{
    uint32_t khz = (uint32_t)tsc_hz() / 1000, worst = 0;

    apic_enable();
    on_interrupt(VECTOR, on_bell);
    if (!boot_word(info, "ring")) {
        hypercall(SKERRY_CALL_LISTEN, 0, VECTOR, 0, 0);
        say("listens");
        for (;;) {
            wait_change(&rung, rung);
            shared[0]++;
        }
    }
    while (hypercall(SKERRY_CALL_DOORBELL, 0, 0, 0, 0))
        ;
    for (unsigned i = 0; i < RINGS; i++) {
        uint64_t start = rdtsc();
        uint32_t took = ring(khz);

        worst = took > worst ? took : worst;
        wait_until(start + (uint64_t)20 * khz);
    }
    check(worst < MOST, "%u rings answered, the latest after %u us", RINGS, (unsigned)worst);
}
