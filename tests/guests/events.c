/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events that go through the hypervisor on their way: INT1 from ring 3, single steps in the shadow of MOV SS
 * and over instructions that exit, RF in what a fault pushes, steps from branch to branch, two NMIs, and what
 * INIT leaves as it was.
 */
#include "lib/guest.h"
#include "lib/second_cpu.h"

#define DEBUGCTL     0x1d9u
#define DEBUGCTL_BTF BIT(1)
#define EFLAGS_TF    BIT(8)
#define EFLAGS_RF    BIT(16)
#define DR6_BS       BIT(14)
#define NO_MSR       0xc0010117u
#define ICR_NMI      0x4400u
#define CR4_OSFXSR   BIT(9)

const char guest_name[] = "events";

static volatile unsigned debugs, nmis;
static volatile uint32_t debug_at, debug_flags, debug_dr6, fault_flags;

static uint32_t take_dr6(void)
{
    uint32_t value;

    __asm__ volatile("movl %%dr6, %0" : "=r"(value));
    __asm__ volatile("movl %0, %%dr6" : : "r"(0));
    return value;
}

static void on_debug(struct trap_frame *frame)
{
    debugs++;
    debug_at = frame->eip;
    debug_flags = frame->eflags;
    debug_dr6 = take_dr6();
    frame->eflags &= ~EFLAGS_TF;
}

/* --- INT1 --- */

extern const uint8_t int1_end[];

static void __attribute__((noinline)) do_int1(void *argument)
{
    (void)argument;
    __asm__ volatile(".byte 0xf1\n"
                     ".global int1_end\n"
                     "int1_end: nop");
}

static void test_int1(void)
{
    int vector;

    debugs = 0;
    vector = trap_call_user(do_int1, NULL);
    check(vector == NO_TRAP && debugs == 1 && debug_at == (uint32_t)int1_end,
          "INT1 in ring 3 is a trap: %u times, at %x", debugs, (unsigned)debug_at);
    check(!(debug_dr6 & DR6_BS), "INT1 is no single step");
}

/* --- the shadow of MOV SS --- */

/* What is behind MOV SS is executed before the step is taken. */
static void test_shadow(void)
{
    uint32_t ss;

    debugs = 0;
    __asm__ volatile("mov %%ss, %0\n pushfl\n orl %1, (%%esp)\n popfl\n mov %0, %%ss\n .byte 0xf1\n nop"
                     : "=&r"(ss)
                     : "i"(EFLAGS_TF)
                     : "memory", "cc");
    check(debugs >= 1, "INT1 behind MOV SS with TF: %u times", debugs);
    debugs = 0;
    __asm__ volatile("mov %%ss, %0\n pushfl\n orl %1, (%%esp)\n popfl\n mov %0, %%ss\n cpuid\n nop\n nop"
                     : "=&S"(ss)
                     : "i"(EFLAGS_TF)
                     : "memory", "cc", "eax", "ebx", "ecx", "edx");
    check(debugs == 1 && (debug_dr6 & DR6_BS), "a step over CPUID behind MOV SS: %u times", debugs);
    debugs = 0;
    __asm__ volatile("pushfl\n orl %0, (%%esp)\n popfl\n sti\n cli\n nop"
                     :
                     : "i"(EFLAGS_TF)
                     : "memory", "cc");
    check(debugs == 1, "a step over STI: %u times", debugs);
}

/* --- RF --- */

static void on_fault(struct trap_frame *frame)
{
    fault_flags = frame->eflags;
    frame->eip += 2; /* RDMSR */
}

static uint32_t flags_of_fault(void)
{
    on_interrupt(GP, on_fault);
    __asm__ volatile("rdmsr" : : "c"(NO_MSR) : "eax", "edx");
    on_interrupt(GP, NULL);
    return fault_flags;
}

static void test_resume_flag(void)
{
    check(flags_of_fault() & EFLAGS_RF, "a fault pushes RF");
    debugs = 0;
    __asm__ volatile("pushfl\n orl %0, (%%esp)\n popfl\n nop" : : "i"(EFLAGS_TF) : "memory", "cc");
    check(debugs == 1 && !(debug_flags & EFLAGS_RF), "a single step does not");
}

static void on_breakpoint(struct trap_frame *frame)
{
    debugs++;
    debug_dr6 = take_dr6();
    frame->eflags |= EFLAGS_RF;
}

static void test_breakpoint_behind_device(void)
{
    on_interrupt(DB, on_breakpoint);
    debugs = 0;
    __asm__ volatile("movl $1f, %%eax\n movl %%eax, %%dr0\n movl $2, %%eax\n movl %%eax, %%dr7\n"
                     "movl 0xfec00000, %%eax\n"
                     "1: nop\n xorl %%eax, %%eax\n movl %%eax, %%dr7"
                     :
                     :
                     : "eax", "memory");
    check(debugs == 1 && (debug_dr6 & 1), "a breakpoint behind an access to a device: %u times", debugs);
    on_interrupt(DB, on_debug);
}

/* --- steps from branch to branch --- */

extern const uint8_t behind_cpuid[];

static void test_branch_steps(void)
{
    uint64_t after;

    debugs = 0;
    wrmsr(DEBUGCTL, DEBUGCTL_BTF);
    __asm__ volatile("pushfl\n orl %0, (%%esp)\n popfl\n"
                     "cpuid\n"
                     ".global behind_cpuid\n"
                     "behind_cpuid: nop\n"
                     "jmp 1f\n"
                     "1: nop"
                     :
                     : "i"(EFLAGS_TF)
                     : "memory", "cc", "eax", "ebx", "ecx", "edx");
    after = rdmsr(DEBUGCTL);
    check(debugs == 1 && debug_at != (uint32_t)behind_cpuid, "with BTF no step is taken behind CPUID");
    check(!(after & DEBUGCTL_BTF), "#DB clears BTF");
    wrmsr(DEBUGCTL, DEBUGCTL_BTF);
    do_int1(NULL);
    check(!(rdmsr(DEBUGCTL) & DEBUGCTL_BTF), "INT1 clears BTF");
    wrmsr(DEBUGCTL, 0);
}

/* --- NMIs --- */

static volatile bool in_nmi, leave_nmi;

static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
    nmis++;
    if (nmis > 1)
        return;
    in_nmi = true;
    while (!leave_nmi)
        __asm__ volatile("pause");
}

static volatile bool second_up, second_over; /* the second CPU, */

static void spin(void)
{
    second_up = true;
    for (;;)
        __asm__ volatile("pause");
}

/* Three, of which the last two come while the first is handled. */
static void test_nmis(void)
{
    on_interrupt(NMI, on_nmi);
    second_up = false;
    check(second_cpu_run(spin), "the second CPU starts");
    while (!second_up)
        __asm__ volatile("pause");
    apic_send_icr(1, ICR_NMI);
    apic_send_icr(1, ICR_NMI);
    apic_send_icr(1, ICR_NMI);
    while (!in_nmi)
        __asm__ volatile("pause");
    leave_nmi = true;
    for (unsigned i = 0; i < 100000 && nmis < 2; i++)
        __asm__ volatile("pause");
    check(nmis == 2, "of three NMIs at once two are handled: %u", nmis);
}

/* --- INIT --- */

static const struct {
    const char *name;
    uint32_t msr;
    uint64_t value;
} kept[] = {
    {"PAT", 0x277, 0x0007040600070401},     {"STAR", 0xc0000081, 0x0023001000000000},
    {"LSTAR", 0xc0000082, 0x1234560},       {"FMASK", 0xc0000084, 0x700},
    {"SYSENTER_CS", 0x174, 0x10},           {"SYSENTER_EIP", 0x176, 0x7654320},
    {"KERNEL_GS_BASE", 0xc0000102, 0x5000}, {"MTRR_DEF_TYPE", 0x2ff, 0xc06},
    {"TSC_ADJUST", 0x3b, 0x100000000},
};

static uint64_t seen[ARRAY_SIZE(kept)], tsc_before, tsc_after;
static uint32_t vector_before[4] = {1, 2, 3, 4}, vector_after[4], cr2_after, dr0_after;

static void before_init(void)
{
    write_cr4(read_cr4() | CR4_OSFXSR);
    __asm__ volatile("movdqu %0, %%xmm3" : : "m"(vector_before));
    __asm__ volatile("movl %0, %%dr0" : : "r"(0x1234));
    write_cr2(0x4321);
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        wrmsr(kept[i].msr, kept[i].value);
    tsc_before = rdtsc();
    second_over = true;
    spin();
}

static void after_init(void)
{
    tsc_after = rdtsc();
    __asm__ volatile("movl %%dr0, %0" : "=r"(dr0_after));
    cr2_after = read_cr2();
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        seen[i] = rdmsr(kept[i].msr);
    write_cr4(read_cr4() | CR4_OSFXSR);
    __asm__ volatile("movdqu %%xmm3, %0" : "=m"(vector_after));
    second_over = true;
    spin();
}

static bool runs_to_its_end(void (*function)(void))
{
    second_over = false;
    if (!second_cpu_run(function))
        return false;
    for (unsigned i = 0; i < 1000000 && !second_over; i++)
        __asm__ volatile("pause");
    return second_over;
}

static void test_init(void)
{
    bool same = true;

    check(runs_to_its_end(before_init) && runs_to_its_end(after_init), "INIT and SIPI, twice");
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        check(seen[i] == kept[i].value, "INIT keeps %s: %llx", kept[i].name, seen[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(vector_before); i++)
        same &= vector_before[i] == vector_after[i];
    check(same, "INIT keeps XMM3");
    check(tsc_after > tsc_before && tsc_after - tsc_before < UINT64_C(1) << 32, "INIT keeps the TSC");
    check(!cr2_after && !dr0_after, "INIT clears CR2 and DR0: %x %x", (unsigned)cr2_after,
          (unsigned)dr0_after);
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    on_interrupt(DB, on_debug);
    test_int1();
    test_shadow();
    test_resume_flag();
    test_breakpoint_behind_device();
    test_branch_steps();
    test_nmis();
    test_init();
    finish();
}
