/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of a mixed load: how often it does what the command line says until the time-stamp counter has gone
 * on for so long. ticks=N, in millions; settle=N as in worker.c; delay=N, thousands of ticks before all that;
 * and one of compute, copy (16 KiB of memory), ports (ten writes that exit) and ping (an IPI to the second
 * CPU and one back; both wait in HLT).
 */
#include "lib/second_cpu.h"

#define MILLION     1000000u
#define PING_VECTOR 0x51
#define NOBODY      0xe0 /* a port */
#define WORDS       4096u

const char guest_name[] = "mixed";

static uint32_t from[WORDS], to[WORDS];
static volatile uint32_t pongs;

static void compute(void)
{
    uint32_t left = 1000;

    __asm__ volatile("1:\tdecl %0\n\tjnz 1b" : "+r"(left));
}

static void copy(void)
{
    const void *source = from;
    void *target = to;
    uint32_t count = WORDS;

    __asm__ volatile("rep movsl" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
}

static void ports(void)
{
    for (unsigned i = 0; i < 10; i++)
        outb(NOBODY, 0);
}

static void answer(struct trap_frame *frame)
{
    (void)frame;
    apic_write(APIC_EOI, 0);
    if (this_cpu() == 0)
        pongs++;
    else
        apic_send_icr(0, PING_VECTOR);
}

static void wait_for_pings(void)
{
    apic_enable();
    for (;;)
        __asm__ volatile("sti\n\thlt" : : : "memory");
}

static void ping(void)
{
    uint32_t before = pongs;

    apic_send_icr(1, PING_VECTOR);
    wait_change(&pongs, before);
}

static const struct kind {
    const char *word;
    void (*once)(void);
} kinds[] = {{"compute", compute}, {"copy", copy}, {"ports", ports}, {"ping", ping}};

static const struct kind *kind_of(const struct boot_info *info)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (boot_word(info, kinds[i].word))
            return &kinds[i];
    }
    check(false, "what to do, expected one of compute, copy, ports, ping");
    finish();
}

static uint32_t count(void (*once)(void), uint64_t ticks)
{
    uint64_t start = rdtsc();
    uint32_t done = 0;

    while (rdtsc() - start < ticks) {
        once();
        done++;
    }
    return done;
}

void guest_main(const struct boot_info *info)
{
    const struct kind *kind = kind_of(info);
    uint64_t settle = (uint64_t)boot_number(info, "settle", 0) * MILLION;
    uint32_t done;

    apic_enable();
    on_interrupt(PING_VECTOR, answer);
    if (kind->once == ping && !second_cpu_run(wait_for_pings)) {
        check(false, "the second CPU starts");
        return;
    }
    count(compute, (uint64_t)boot_number(info, "delay", 0) * 1000);
    count(kind->once, settle);
    done = count(kind->once, (uint64_t)boot_number(info, "ticks", 100) * MILLION);
    count(kind->once, settle);
    check(done > 0, "%s %u times", kind->word, (unsigned)done);
    say("%s %u times", kind->word, (unsigned)done);
}
