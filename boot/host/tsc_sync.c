/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/tsc_sync.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"

#define LEAF_7_EBX_TSC_ADJUST BIT(1)
#define TURNS                 4000 /* a cache line that goes to and fro: less than a millisecond */

static bool known, changed; /* the boot CPU has the MSR; the CPU that starts had another value in it */
static uint64_t wanted;

static struct {
    unsigned turn;
    uint64_t last, worst; /* whose turn it is has them */
} meeting;

static bool read_adjust(uint64_t *value)
{
    return cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & LEAF_7_EBX_TSC_ADJUST) &&
           rdmsr_safe(IA32_TSC_ADJUST, value);
}

void tsc_sync_expect(void)
{
    known = read_adjust(&wanted);
    memset(&meeting, 0, sizeof(meeting));
}

void tsc_sync_adjust(void)
{
    uint64_t before, now;

    changed = known && read_adjust(&before) && before != wanted && wrmsr_safe(IA32_TSC_ADJUST, wanted) &&
              read_adjust(&now) && now == wanted;
}

/* Not before what stands before it has happened (SDM volume 2, "RDTSC"). */
static uint64_t rdtsc_behind(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return rdtsc();
}

/* The one that starts has the even turns: behind the boot CPU's last one it is done, too. */
static void compare(unsigned parity)
{
    uint64_t now;

    for (unsigned turn = parity; turn < TURNS; turn += 2) {
        while (__atomic_load_n(&meeting.turn, __ATOMIC_ACQUIRE) != turn)
            cpu_pause();
        now = rdtsc_behind();
        if (now < meeting.last)
            meeting.worst = MAX(meeting.worst, meeting.last - now);
        meeting.last = now;
        __atomic_store_n(&meeting.turn, turn + 1, __ATOMIC_RELEASE);
    }
}

void tsc_sync_answer(void)
{
    compare(0);
}

uint64_t tsc_sync_compare(bool *adjusted)
{
    compare(1);
    *adjusted = changed;
    return meeting.worst;
}
