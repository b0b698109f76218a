/* SPDX-License-Identifier: BSD-2-Clause */
/* IN, OUT, INS and OUTS: every port exits and is answered by the guest's own devices, or by nobody. */
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"
#include "dev/pc.h"
#include "vmx/qualification.h"
#include "vmx/vmx.h"

#define RFLAGS_DF BIT(10)
#define REP_BATCH 64 /* elements per exit: a long REP stays interruptible */

static uint8_t *bitmap;

bool vmx_io_bitmap_create(void)
{
    bitmap = memory_alloc_zeroed(&memory_host, MEMORY_VMCS, 2);
    if (!bitmap)
        return false;
    memset(bitmap, 0xff, 2 * PAGE_SIZE);
    /* What BIOS and Linux write to for a delay: the diagnostic port, which nothing decodes, and its stand-in.
     */
    bitmap[0x80 / 8] &= (uint8_t)~BIT(0x80 % 8);
    bitmap[0xed / 8] &= (uint8_t)~BIT(0xed % 8);
    return true;
}

hpa_t vmx_io_bitmap(void)
{
    return virt_to_phys(bitmap);
}

static uint32_t port_read(struct vcpu *v, uint16_t port, unsigned size)
{
    uint32_t value;

    if (!pc_port_read(v->vm, port, size, &value))
        v->stats->counts[COUNT_PORT_DENIED]++;
    return value;
}

static void port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (!pc_port_write(v->vm, port, size, value))
        v->stats->counts[COUNT_PORT_DENIED]++;
}

static bool transfer_one(struct vcpu *v, uint64_t q, uint64_t linear)
{
    unsigned size = QUALIFIED_SIZE(q);
    uint32_t value = 0;

    if (q & QUALIFIED_IN) {
        struct walk w;

        /* The page is looked up first: a port must not be read for a store that faults. */
        if (vmx_translate(v, linear, true, &w))
            value = port_read(v, QUALIFIED_PORT(q), size);
        return vmx_linear_write(v, linear, &value, size);
    }
    if (!vmx_linear_read(v, linear, &value, size))
        return false;
    port_write(v, QUALIFIED_PORT(q), size, value);
    return true;
}

static uint64_t address_mask(void)
{
    switch (vmcs_read(vmcs_exit_instruction_info) >> 7 & 7) {
    case 0: return UINT16_MAX;
    case 1: return UINT32_MAX;
    default: return UINT64_MAX;
    }
}

static void step(uint64_t *reg, uint64_t delta, uint64_t mask)
{
    uint64_t next = (*reg & ~mask) | ((*reg + delta) & mask);

    *reg = mask == UINT32_MAX ? (uint32_t)next : next;
}

static enum next handle_string(struct vcpu *v, uint64_t q)
{
    uint64_t mask = address_mask(), linear = vmcs_read(vmcs_guest_linear_address);
    uint64_t delta =
        vmcs_read(vmcs_guest_rflags) & RFLAGS_DF ? -(uint64_t)QUALIFIED_SIZE(q) : QUALIFIED_SIZE(q);
    uint64_t *pointer = q & QUALIFIED_IN ? &v->regs.rdi : &v->regs.rsi;
    bool rep = q & QUALIFIED_REP;

    for (unsigned i = 0; i < REP_BATCH; i++) {
        if (rep && !(v->regs.rcx & mask))
            return NEXT_SKIP_AND_RESUME;
        if (!transfer_one(v, q, linear))
            return NEXT_RESUME;
        step(pointer, delta, mask);
        linear += delta;
        if (!rep)
            return NEXT_SKIP_AND_RESUME;
        step(&v->regs.rcx, -UINT64_C(1), mask);
    }
    return v->regs.rcx & mask ? NEXT_RESUME : NEXT_SKIP_AND_RESUME;
}

enum next vmx_handle_io(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);
    unsigned size = QUALIFIED_SIZE(q);

    if (q & QUALIFIED_STRING)
        return handle_string(v, q);
    if (q & QUALIFIED_IN) {
        uint32_t value = port_read(v, QUALIFIED_PORT(q), size);

        v->regs.rax = size == 4 ? value : (v->regs.rax & ~(BIT(8 * size) - 1)) | value;
    } else {
        port_write(v, QUALIFIED_PORT(q), size, (uint32_t)(v->regs.rax & (BIT(8 * size) - 1)));
    }
    return NEXT_SKIP_AND_RESUME;
}
