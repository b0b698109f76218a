/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that nobody else on a shared CPU may see or change: debug registers, the MSRs of SYSCALL and
 * SWAPGS, XCR0, vector registers, CR2. They begin as at reset whoever ran before, and keep what is in them
 * over many turns of others, whether they are looked at all the time or long after they were written. Command
 * line: seed=N, of the values; rounds=N; ticks=N, of a round, in thousands; wide: XCR0 is switched on; break:
 * a breakpoint.
 */
#include "lib/guest.h"

#define IA32_STAR           0xc0000081u
#define IA32_LSTAR          0xc0000082u
#define IA32_CSTAR          0xc0000083u
#define IA32_FMASK          0xc0000084u
#define IA32_KERNEL_GS_BASE 0xc0000102u
#define IA32_TSC_AUX        0xc0000103u
#define CR4_OSFXSR          BIT(9)
#define CR4_OSXSAVE         BIT(18)
#define DR6_AT_RESET        0xffff0ff0u
#define DR7_AT_RESET        0x400u
#define DR7_EXECUTE_0       0x402u

const char guest_name[] = "keeper";

static const uint32_t msrs[] = {IA32_STAR,  IA32_LSTAR,          IA32_CSTAR,
                                IA32_FMASK, IA32_KERNEL_GS_BASE, IA32_TSC_AUX};

struct registers {
    uint32_t dr[4], dr6, dr7, cr2, xcr0;
    uint64_t msr[ARRAY_SIZE(msrs)];
    uint32_t xmm[8][4], ymm_high[8][4];
};

static unsigned msr_count = ARRAY_SIZE(msrs);
static bool has_xsave, has_avx, wide, breaks;
static uint32_t random_state;

static uint32_t random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state ^ random_state >> 16;
}

/* --- reading and writing all of them --- */

#define DEBUG_REGISTER(n)                                      \
    static uint32_t read_dr##n(void)                           \
    {                                                          \
        uint32_t value;                                        \
        __asm__ volatile("movl %%db" #n ", %0" : "=r"(value)); \
        return value;                                          \
    }                                                          \
    static void write_dr##n(uint32_t value)                    \
    {                                                          \
        __asm__ volatile("movl %0, %%db" #n : : "r"(value));   \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

static void read_debug(struct registers *r)
{
    r->dr[0] = read_dr0();
    r->dr[1] = read_dr1();
    r->dr[2] = read_dr2();
    r->dr[3] = read_dr3();
    r->dr6 = read_dr6();
    r->dr7 = read_dr7();
}

static void write_debug(const struct registers *r)
{
    write_dr0(r->dr[0]);
    write_dr1(r->dr[1]);
    write_dr2(r->dr[2]);
    write_dr3(r->dr[3]);
    write_dr6(r->dr6);
    write_dr7(r->dr7);
}

#define VECTORS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

static void read_vectors(struct registers *r)
{
#define READ(n) __asm__ volatile("movups %%xmm" #n ", %0" : "=m"(r->xmm[n]));
    VECTORS(READ)
#undef READ
#define READ_HIGH(n) __asm__ volatile("vextractf128 $1, %%ymm" #n ", %0" : "=m"(r->ymm_high[n]));
    if (wide && has_avx) {
        VECTORS(READ_HIGH)
    }
#undef READ_HIGH
}

static void write_vectors(const struct registers *r)
{
    if (wide && has_avx) {
#define WRITE_HIGH(n) __asm__ volatile("vinsertf128 $1, %0, %%ymm" #n ", %%ymm" #n : : "m"(r->ymm_high[n]));
        VECTORS(WRITE_HIGH)
#undef WRITE_HIGH
    }
#define WRITE(n) __asm__ volatile("movups %0, %%xmm" #n : : "m"(r->xmm[n]));
    VECTORS(WRITE)
#undef WRITE
}

static uint32_t read_xcr0(void)
{
    uint32_t low = 0, high;

    if (has_xsave)
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void read_all(struct registers *r, bool debug)
{
    memset(r, 0, sizeof(*r));
    read_vectors(r);
    for (unsigned i = 0; i < msr_count; i++)
        r->msr[i] = rdmsr(msrs[i]);
    r->cr2 = read_cr2();
    r->xcr0 = read_xcr0();
    if (debug)
        read_debug(r);
}

static void write_all(const struct registers *r)
{
    write_vectors(r);
    for (unsigned i = 0; i < msr_count; i++)
        wrmsr(msrs[i], r->msr[i]);
    write_cr2(r->cr2);
    write_debug(r);
}

/* --- what they should be --- */

static NORETURN void failed(const char *when, const char *what, unsigned n)
{
    check(false, "%s: %s %u", when, what, n);
    finish();
}

static bool same(const uint32_t a[4], const uint32_t b[4])
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static void compare(const char *when, const struct registers *want, bool debug)
{
    struct registers is;

    read_all(&is, debug);
    for (unsigned i = 0; i < 8; i++) {
        if (!same(is.xmm[i], want->xmm[i]) || !same(is.ymm_high[i], want->ymm_high[i]))
            failed(when, "vector register", i);
    }
    for (unsigned i = 0; i < msr_count; i++) {
        if (is.msr[i] != want->msr[i])
            failed(when, "MSR", i);
    }
    if (is.cr2 != want->cr2)
        failed(when, "CR", 2);
    if (is.xcr0 != want->xcr0)
        failed(when, "XCR", 0);
    for (unsigned i = 0; debug && i < 4; i++) {
        if (is.dr[i] != want->dr[i])
            failed(when, "DR", i);
    }
    if (debug && (is.dr6 != want->dr6 || is.dr7 != want->dr7))
        failed(when, "DR6 or DR7, exclusive or", (is.dr6 ^ want->dr6) | (is.dr7 ^ want->dr7));
}

static __attribute__((noinline)) void trapped(void *argument)
{
    ++*(volatile uint32_t *)argument;
}

static void choose(struct registers *r)
{
    for (unsigned i = 0; i < 4; i++)
        r->dr[i] = random();
    r->dr6 = DR6_AT_RESET | (random() & 0xf);
    r->dr7 = DR7_AT_RESET;
    if (breaks) {
        r->dr[0] = (uint32_t)trapped;
        r->dr7 = DR7_EXECUTE_0;
    }
    r->cr2 = random();
    for (unsigned i = 0; i < msr_count; i++)
        r->msr[i] = random();
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 4; j++) {
            r->xmm[i][j] = random();
            r->ymm_high[i][j] = wide && has_avx ? random() : 0;
        }
    }
}

/* A round: written, looked at all the time, left alone, looked at again. In every other one the debug
 * registers are left alone until the end. */
static void keep(struct registers *r, uint32_t ticks, bool debug)
{
    uint64_t start = rdtsc();
    uint32_t count = 0;
    int trap;

    while (rdtsc() - start < ticks)
        compare("looked at", r, debug);
    while (rdtsc() - start < 2 * (uint64_t)ticks)
        ;
    trap = trap_call(trapped, &count);
    if (trap != (breaks ? DB : NO_TRAP) || count == breaks)
        failed("the breakpoint", "trap", (unsigned)trap);
    if (breaks)
        r->dr6 = (r->dr6 & ~0xfu) | 1;
    compare("left alone", r, true);
}

static void set_up(const struct boot_info *info)
{
    struct cpuid features = cpuid(1, 0);

    random_state = boot_number(info, "seed", 1) * 7919;
    wide = boot_word(info, "wide");
    breaks = boot_word(info, "break");
    has_xsave = features.ecx & BIT(26);
    has_avx = has_xsave && (features.ecx & BIT(28));
    if (!(cpuid(0x80000001, 0).edx & BIT(27)))
        msr_count--; /* IA32_TSC_AUX comes with RDTSCP */
    write_cr4(read_cr4() | CR4_OSFXSR | (has_xsave ? CR4_OSXSAVE : 0));
}

static uint32_t switch_xcr0_on(void)
{
    uint32_t value = has_avx ? 7 : 3;

    if (!wide || !has_xsave)
        return has_xsave;
    __asm__ volatile("xsetbv" : : "c"(0), "a"(value), "d"(0));
    return value;
}

void guest_main(const struct boot_info *info)
{
    uint32_t rounds = boot_number(info, "rounds", 10), ticks = boot_number(info, "ticks", 1000) * 1000;
    struct registers r;

    set_up(info);
    memset(&r, 0, sizeof(r));
    r.dr6 = DR6_AT_RESET;
    r.dr7 = DR7_AT_RESET;
    r.xcr0 = switch_xcr0_on();
    compare("at the start", &r, true);
    for (unsigned i = 0; i < rounds; i++) {
        choose(&r);
        write_all(&r);
        keep(&r, ticks, i & 1);
        write_dr7(DR7_AT_RESET);
    }
    check(true, "%u rounds, all as they were", (unsigned)rounds);
}
