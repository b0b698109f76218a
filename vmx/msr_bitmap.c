/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which MSRs a guest reaches without an exit (SDM volume 3, "MSR-bitmap address"). The bitmap starts closed;
 * opened are those that only concern the guest and are switched with it, for reading only where a guest
 * writes them once and a switch need not read them.
 */
#include "vmx/msr_bitmap.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "vcpu/guards.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

#define BITMAP_HIGH  1024 /* offset of MSRs c0000000h-c0001fffh; 2048 further for writes */
#define BITMAP_WRITE 2048

_Static_assert(BITMAP_HIGH * 8 == 0x2000 && BITMAP_WRITE == 2 * BITMAP_HIGH && 2 * BITMAP_WRITE == PAGE_SIZE,
               "four quarters of a page");

void vmx_msr_open(uint8_t *bitmap, uint32_t msr, enum msr_rights rights)
{
    unsigned offset = (msr >> 31 ? BITMAP_HIGH : 0) + (msr & 0x1fff) / 8;
    uint8_t keep = (uint8_t)~BIT(msr & 7);

    ASSERT((msr & ~0x1fffu) == 0 || (msr & ~0x1fffu) == 0xc0000000u); /* others always exit */
    if (rights & OPEN_READ)
        bitmap[offset] &= keep;
    if (rights & OPEN_WRITE)
        bitmap[BITMAP_WRITE + offset] &= keep;
}

void vmx_msr_bitmap_init(uint8_t *bitmap, const struct vm *vm)
{
    static const struct {
        uint32_t msr;
        enum msr_rights rights;
    } open[] = {
        {IA32_TSC, OPEN_READ},          {IA32_SYSENTER_CS, OPEN_BOTH}, {IA32_SYSENTER_ESP, OPEN_BOTH},
        {IA32_SYSENTER_EIP, OPEN_BOTH}, {IA32_EFER, OPEN_READ},        {IA32_STAR, OPEN_READ},
        {IA32_LSTAR, OPEN_READ},        {IA32_CSTAR, OPEN_READ},       {IA32_FMASK, OPEN_READ},
        {IA32_FS_BASE, OPEN_BOTH},      {IA32_GS_BASE, OPEN_BOTH},     {IA32_KERNEL_GS_BASE, OPEN_BOTH},
    };

    memset(bitmap, 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(open); i++)
        vmx_msr_open(bitmap, open[i].msr, open[i].rights);
    if (vmx_has(WORD_PROC2, PROC2_RDTSCP))
        vmx_msr_open(bitmap, IA32_TSC_AUX, OPEN_READ);
    if (guards_open_spec_ctrl(vm)) /* by the stubs */
        vmx_msr_open(bitmap, IA32_SPEC_CTRL, OPEN_BOTH);
    if (guards_open_pred_cmd(vm)) /* commands: they leave nothing behind, and hurt nobody */
        vmx_msr_open(bitmap, IA32_PRED_CMD, OPEN_WRITE);
    if (guards_open_flush_cmd(vm))
        vmx_msr_open(bitmap, IA32_FLUSH_CMD, OPEN_WRITE);
}
