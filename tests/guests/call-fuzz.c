/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All calls with random arguments, from two CPUs at once, the same ones in every run: each returns, none
 * changes memory that it was not given, and the neighbours do not notice. Arguments are numbers that are good
 * for something more often than chance has it.
 */
#include "lib/guest.h"

#include "hypercall/abi.h"
#include "lib/hypercall.h"
#include "lib/second_cpu.h"

#define ROUNDS 20000
#define OURS   0x400000u /* 64 KiB that calls may write to, and a mark on either side */
#define SIZE   0x10000u
#define MARK   0x5afe5afeu

const char guest_name[] = "call-fuzz";

static volatile uint32_t interrupts, done[2], errors[2];
static volatile bool other_done;

static void count(struct trap_frame *frame)
{
    (void)frame;
    interrupts++;
    apic_write(APIC_EOI, 0);
}

static uint32_t random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 16);
}

/* What PROTECT takes away would end this VM; the fuzz of it has its own guest (protect.c). */
static uint32_t pick_number(uint64_t *state)
{
    uint32_t r = random(state), number = SKERRY_CALL_NOP + r % 13;

    if (number == SKERRY_CALL_PROTECT)
        return random(state);
    return r >> 8 & 3 ? number : r % 16;
}

static uint32_t pick_argument(uint64_t *state)
{
    uint32_t r = random(state);

    switch (random(state) % 8) {
    case 0: return r % 4;
    case 1: return r % 256;
    case 2: return 1u << r % 32;
    case 3: return UINT32_MAX - r % 32;
    case 4: return 0xfef00000u + r % 0x100000;
    default: return OURS + r % (SIZE - 1024);
    }
}

/* An address in memory that is not for the calls is moved into what is. */
static uint32_t harmless(uint32_t number, unsigned position, uint32_t value)
{
    bool address =
        (position == 0 && (number == SKERRY_CALL_VM_INFO || number == SKERRY_CALL_CONSOLE_WRITE)) ||
        (position == 1 && number == SKERRY_CALL_CHANNEL);

    if (address && value < 0xd0000000u)
        return OURS + value % (SIZE - 1024);
    if (number == SKERRY_CALL_CONSOLE_WRITE && position == 1 && value % 64)
        return value % 3 ? 0 : SKERRY_CONSOLE_MAX + 1 + value; /* or all we hear is noise */
    return value;
}

static void fuzz(unsigned cpu, uint64_t state)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t number = pick_number(&state), arguments[4];

        for (unsigned a = 0; a < 4; a++)
            arguments[a] = harmless(number, a, pick_argument(&state));
        if (hypercall(number, arguments[0], arguments[1], arguments[2], arguments[3]) < 0)
            errors[cpu]++;
        done[cpu]++;
    }
}

static void other(void)
{
    apic_enable();
    interrupts_on();
    fuzz(1, 0x5eed5eed5eed5eed);
    other_done = true;
    for (;;)
        __asm__ volatile("hlt");
}

static bool marked(void)
{
    const uint32_t *low = (const uint32_t *)(OURS - 4096), *high = (const uint32_t *)(OURS + SIZE);

    for (unsigned i = 0; i < 1024; i++) {
        if (low[i] != MARK || high[i] != MARK)
            return false;
    }
    return true;
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    apic_enable();
    for (unsigned v = 32; v < 256; v++)
        on_interrupt(v, count);
    on_interrupt(NMI, count);
    for (unsigned i = 0; i < 1024; i++) {
        ((uint32_t *)(OURS - 4096))[i] = MARK;
        ((uint32_t *)(OURS + SIZE))[i] = MARK;
    }
    memset((void *)OURS, '.', SIZE);
    check(second_cpu_run(other), "the other CPU runs");
    interrupts_on();
    fuzz(0, 0x0123456789abcdef);
    while (!other_done)
        __asm__ volatile("pause");
    interrupts_off();
    say("%u interrupts", (unsigned)interrupts);
    check(done[0] == ROUNDS && done[1] == ROUNDS, "%u calls of each CPU, %u and %u refused", ROUNDS,
          (unsigned)errors[0], (unsigned)errors[1]);
    check(errors[0] > ROUNDS / 4 && errors[0] < ROUNDS, "some were refused and some not");
    check(marked(), "nothing else was written");
}
