/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/put_back.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"

#define PIC1_MASK       0x21
#define PIC2_MASK       0xa1
#define PIT_GATE        0x61
#define PIT_GATE_OUTPUT 0x0f /* the other bits are inputs */
#define XSAVE_BYTES     576  /* legacy area and header: all that XRSTOR reads when no component is in use */

/* Ours, or the guests' while they run. A VM exit clears those of SYSENTER (vmx/setup.c). */
static const struct {
    uint32_t msr;
    enum cpu_feature needs; /* FEATURE_COUNT: nothing */
} noted[] = {
    {IA32_PAT, FEATURE_COUNT},          {IA32_STAR, FEATURE_COUNT},
    {IA32_LSTAR, FEATURE_COUNT},        {IA32_CSTAR, FEATURE_COUNT},
    {IA32_FMASK, FEATURE_COUNT},        {IA32_KERNEL_GS_BASE, FEATURE_COUNT},
    {IA32_SYSENTER_CS, FEATURE_COUNT},  {IA32_SYSENTER_ESP, FEATURE_COUNT},
    {IA32_SYSENTER_EIP, FEATURE_COUNT}, {IA32_TSC_AUX, FEATURE_RDTSCP},
    {IA32_XSS, FEATURE_XSAVES},         {IA32_SPEC_CTRL, FEATURE_SPEC_CTRL},
};

_Static_assert(ARRAY_SIZE(noted) == NOTED_MSRS, "struct cpu_note has a place for each");

static uint8_t masks[2], gate;
static bool have_pics;

static bool exists(unsigned i)
{
    return noted[i].needs == FEATURE_COUNT || feature_present(noted[i].needs);
}

void cpu_note_state(struct cpu_note *note)
{
    for (unsigned i = 0; i < NOTED_MSRS; i++)
        note->msrs[i] = exists(i) ? rdmsr(noted[i].msr) : 0;
}

/* "Processor state after reset": every component in its initial state, XCR0 with x87 alone. */
static void reset_vector_state(void)
{
    uint8_t area[XSAVE_BYTES] ALIGNED(64);
    struct cpuid components;

    memset(area, 0, sizeof(area));
    store_le(area, FPU_CONTROL, 2);
    store_le(area + 24, MXCSR_RESET, 4);
    if (!feature_present(FEATURE_XSAVE)) {
        __asm__ volatile("fxrstor64 %0" ::"m"(area));
        return;
    }
    components = cpuid(13, 0);
    xsetbv(0, (uint64_t)components.edx << 32 | components.eax);
    __asm__ volatile("xrstor64 %0" ::"m"(area), "a"(components.eax), "d"(components.edx));
    xsetbv(0, 1);
}

void cpu_put_back(const struct cpu_note *note)
{
    reset_vector_state();
    write_cr2(0);
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
    write_dr6(DR6_RESET);
    write_dr7(DR7_RESET);
    for (unsigned i = 0; i < NOTED_MSRS; i++) {
        if (exists(i))
            wrmsr(noted[i].msr, note->msrs[i]);
    }
}

void chipset_note_and_mask(bool pics)
{
    gate = inb(PIT_GATE) & PIT_GATE_OUTPUT;
    have_pics = pics;
    if (!pics)
        return;
    masks[0] = inb(PIC1_MASK);
    masks[1] = inb(PIC2_MASK);
    outb(PIC1_MASK, 0xff);
    outb(PIC2_MASK, 0xff);
}

void chipset_put_back(void)
{
    outb(PIT_GATE, gate);
    if (!have_pics)
        return;
    outb(PIC1_MASK, masks[0]);
    outb(PIC2_MASK, masks[1]);
}
