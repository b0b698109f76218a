/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What firmware leaves behind, and the chips that systems rely on when they know nothing of their machine:
 * data areas, CMOS, MTRRs, the 8254, ACPI's timer, the keyboard controller, the flags of the clock. "pulse"
 * ends with a reset by the keyboard controller.
 */
#include "lib/guest.h"
#include "lib/second_cpu.h"

#define MTRR_DEF_TYPE 0x2ff
#define PIT_HZ        1193182u
#define PM_TIMER      0x608
#define PM_TIMER_HZ   3579545u

const char guest_name[] = "firmware";

static volatile uint32_t second_mtrrs;

static uint32_t word_at(uint32_t address)
{
    uint16_t value;

    __asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(address));
    return value;
}

static uint8_t cmos(uint8_t index)
{
    outb(0x70, index);
    return inb(0x71);
}

static void set_cmos(uint8_t index, uint8_t value)
{
    outb(0x70, index);
    outb(0x71, value);
}

static void check_data_areas(void)
{
    uint32_t base = word_at(0x413), ebda = word_at(0x40e) << 4;

    check(word_at(0x400) == 0x3f8, "COM1 is at %x", (unsigned)word_at(0x400));
    check(base == 639 && ebda == base * 1024, "%u KiB of base memory, extended data area at %x",
          (unsigned)base, (unsigned)ebda);
    check((word_at(ebda) & 0xff) == 1, "it has 1 KiB");
}

static void check_cmos(const struct boot_info *info)
{
    uint32_t extended = (memory_end(info) - 0x100000) >> 10, said = cmos(0x17) | (uint32_t)cmos(0x18) << 8;

    check(said == extended, "CMOS says %u KiB behind the first MiB", (unsigned)said);
    check((cmos(0x15) | cmos(0x16) << 8) == 639, "and the base memory");
}

static void check_mtrrs(void)
{
    uint32_t first = (uint32_t)rdmsr(MTRR_DEF_TYPE);

    check(first == 0xc06, "MTRRs are on, write-back: %x", (unsigned)first);
}

static void on_second_cpu(void)
{
    second_mtrrs = (uint32_t)rdmsr(MTRR_DEF_TYPE);
    stop();
}

static bool near(uint32_t value, uint32_t wanted)
{
    return value > wanted - wanted / 20 && value < wanted + wanted / 20;
}

/* Ticks of the TSC in 20 ms by counter 2, as it is done everywhere; and ACPI's timer meanwhile. */
static void check_timers(void)
{
    uint32_t count = PIT_HZ / 50, wanted = (uint32_t)tsc_hz() / 50, pm, ticks, turns = 0, refreshes = 0;
    uint8_t before, port;
    uint64_t start;

    outb(0x61, (uint8_t)((inb(0x61) & ~2) | 1));
    outb(0x43, 0xb0);
    outb(0x42, (uint8_t)count);
    outb(0x42, (uint8_t)(count >> 8));
    start = rdtsc();
    pm = inl(PM_TIMER);
    before = inb(0x61);
    while (!((port = inb(0x61)) & 0x20) && turns < 10000000) {
        refreshes += (port ^ before) >> 4 & 1;
        before = port;
        turns++;
    }
    pm = inl(PM_TIMER) - pm;
    ticks = (uint32_t)(rdtsc() - start);
    check(near(ticks, wanted), "%u ticks of the TSC in 20 ms of the 8254, by CPUID %u", (unsigned)ticks,
          (unsigned)wanted);
    check(near(pm, PM_TIMER_HZ / 50), "%u ticks of ACPI's timer", (unsigned)pm);
    check(refreshes > 10, "memory is refreshed (%u times seen)", (unsigned)refreshes);
    check(((inl(PM_TIMER) ^ (uint32_t)inw(PM_TIMER + 2) << 16) & 0xff000000) == 0,
          "its upper half as a word");
}

static void check_keyboard(void)
{
    unsigned turns = 0;

    for (; (inb(0x64) & 1) && turns < 100; turns++)
        inb(0x60);
    check(turns < 100, "the output buffer empties");
    check(!(inb(0x64) & 2), "the input buffer is empty");
    outb(0x64, 0xaa);
    check(inb(0x60) == 0x55, "its self-test is good");
}

/* All flags, for somewhat more than a second, without an interrupt for any. */
static void check_clock(void)
{
    uint64_t end;
    unsigned progress = 0, updates = 0, alarms = 0, periods = 0;

    for (unsigned i = 1; i < 6; i += 2)
        set_cmos((uint8_t)i, 0xff);
    cmos(12);
    for (end = rdtsc() + (uint32_t)tsc_hz() / 20 * 21; rdtsc() < end;) {
        uint8_t flags = cmos(12);

        updates += flags >> 4 & 1;
        alarms += flags >> 5 & 1;
        periods += flags >> 6 & 1;
        progress += cmos(10) >> 7;
    }
    check(progress > 0, "an update in progress is seen");
    check(updates == 1 || updates == 2, "updates end (%u)", updates);
    check(alarms == updates, "alarms (%u)", alarms);
    check(periods > 500 && periods < 1100, "periodic flags (%u)", periods);
}

void guest_main(const struct boot_info *info)
{
    if (boot_word(info, "pulse")) {
        check_keyboard();
        uart_drain();
        outb(0x64, 0xfe);
        check(false, "still here");
        return;
    }
    check_data_areas();
    check_cmos(info);
    check_mtrrs();
    apic_enable();
    check(second_cpu_run(on_second_cpu), "the second CPU starts");
    wait_change(&second_mtrrs, 0);
    check(second_mtrrs == 0xc06, "its MTRRs, too: %x", (unsigned)second_mtrrs);
    check_timers();
    check_keyboard();
    check_clock();
}
