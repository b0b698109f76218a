/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeps from timer tick to timer tick and sees that none is missing: what another VM does must not show
 * here. Command line: ticks=N; eoi, to end interrupts by KVM's word in memory where the hypervisor offers
 * that.
 */
#include "lib/guest.h"

#define VECTOR     0x40
#define DIVIDE_1   0xb
#define PER_SECOND 1000
#define EOI_MSR    0x4b564d04u

const char guest_name[] = "neighbour";

static volatile uint32_t ticks;
static volatile uint64_t came;
static volatile uint32_t eoi_word ALIGNED(4);

static void tick(struct trap_frame *frame)
{
    (void)frame;
    came = rdtsc();
    ticks++;
    if (eoi_word & 1)
        eoi_word &= ~1u;
    else
        apic_write(APIC_EOI, 0);
}

/* The timer runs at the TSC's rate here, so a count works in either mode. */
static void arm(bool deadline, uint64_t due, uint32_t period)
{
    if (deadline)
        wrmsr(TSC_DEADLINE_MSR, due);
    else
        apic_write(APIC_TIMER_INITIAL, period);
}

void guest_main(const struct boot_info *info)
{
    uint32_t wanted = boot_number(info, "ticks", 200), period = (uint32_t)tsc_hz() / PER_SECOND;
    uint32_t early = 0, worst = 0;
    bool deadline = has_tsc_deadline(), wrong = false;

    on_interrupt(VECTOR, tick);
    apic_enable();
    if (boot_word(info, "eoi"))
        wrmsr(EOI_MSR, (uint32_t)&eoi_word | 1);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_1);
    apic_write(APIC_LVT_TIMER, (deadline ? LVT_DEADLINE : LVT_ONE_SHOT) | VECTOR);
    say("%u ticks of %u by %s", (unsigned)wanted, (unsigned)period, deadline ? "deadline" : "count");
    for (uint32_t i = 0; i < wanted; i++) {
        uint64_t due = rdtsc() + period;

        arm(deadline, due, period);
        wait_change(&ticks, i);
        if (ticks != i + 1)
            wrong = true;
        if (came < due)
            early++;
        else if (came - due > worst)
            worst = (uint32_t)(came - due);
    }
    check(ticks == wanted && !wrong, "%u ticks of %u came", (unsigned)ticks, (unsigned)wanted);
    check(early == 0 || !deadline, "%u came early, the latest %u late", (unsigned)early, (unsigned)worst);
}
