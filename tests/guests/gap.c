/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at the TSC without end, with a timer tick of its own, and says what the longest stand-still was and
 * how much of the time was lost to such of more than 100 microseconds. Command line: ms=N, for so long; hz=N
 * ticks a second, 0 none; most=N, the longest stand-still that will do, in TSC ticks.
 */
#include "lib/guest.h"

#define VECTOR   0x40
#define DIVIDE_1 0xb

const char guest_name[] = "gap";

static volatile uint32_t ticks;

static void tick(struct trap_frame *frame)
{
    (void)frame;
    ticks++;
    apic_write(APIC_EOI, 0);
}

void guest_main(const struct boot_info *info)
{
    uint32_t ms = boot_number(info, "ms", 1000), hz = boot_number(info, "hz", 1000),
             most = boot_number(info, "most", 0), khz = (uint32_t)tsc_hz() / 1000, longest = 0, gaps = 0,
             lost = 0;
    uint64_t start, last, now;

    on_interrupt(VECTOR, tick);
    apic_enable();
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_1);
    apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
    if (hz)
        apic_write(APIC_TIMER_INITIAL, (uint32_t)tsc_hz() / hz);
    interrupts_on();
    start = last = rdtsc();
    while (last - start < (uint64_t)ms * khz) {
        now = rdtsc();
        if (now - last > longest)
            longest = (uint32_t)(now - last);
        if (now - last > khz / 10) {
            lost += (uint32_t)(now - last) / (khz / 1000);
            gaps++;
        }
        last = now;
    }
    interrupts_off();
    say("in %u ms: %u ticks came, longest stand-still %u ticks of the TSC, %u over 100 us, %u us lost in "
        "them",
        (unsigned)ms, (unsigned)ticks, (unsigned)longest, gaps, (unsigned)lost);
    if (hz)
        check(ticks + 2 >= hz / 1000 * ms, "no tick is missing");
    if (most)
        check(longest <= most, "no stand-still of more than %u ticks of the TSC", (unsigned)most);
}
