/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT violations: accesses to device registers, or to addresses where nothing is. */
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "dev/decode.h"
#include "dev/pc.h"
#include "vmx/qualification.h"
#include "vmx/vmx.h"

#define QUALIFIED_READABLE BIT(3) /* the second-level tables let it be read */
#define QUALIFIED_LINEAR   BIT(7) /* there is a linear address, */
#define QUALIFIED_FINAL    BIT(8) /* and this is its translation, not a paging-structure entry */
#define MAX_INSTRUCTION    15
#define CS_LONG            BIT(13)
#define CS_DEFAULT_32      BIT(14)
#define RFLAGS_DF          BIT(10)

static unsigned code_mode(void)
{
    uint64_t rights = vmcs_read(vmcs_guest_cs_rights);

    if ((vmcs_read(vmcs_guest_efer) & BIT(10)) && (rights & CS_LONG))
        return 64;
    return rights & CS_DEFAULT_32 && (vmcs_read(vmcs_guest_cr0) & CR0_PE) ? 32 : 16;
}

/* The instruction may end right before a page that is not there; and another vCPU may be writing to it. */
static inline __attribute__((always_inline)) unsigned fetch(const struct vcpu *v, unsigned mode,
                                                            uint8_t bytes[VMX_FETCH_SIZE])
{
    uint64_t linear = vmcs_read(vmcs_guest_rip) + (mode == 64 ? 0 : vmcs_read(vmcs_guest_cs_base));
    const uint64_t *quads;
    unsigned got = 0;
    struct walk w;

    if (!vmx_translate(v, linear, false, &w))
        return 0;
    if (linear % PAGE_SIZE <= PAGE_SIZE - VMX_FETCH_SIZE) {
        quads = guest_map(v->vm, w.at, VMX_FETCH_SIZE);
        if (!quads)
            return 0;
        ((uint64_t *)bytes)[0] = quads[0];
        ((uint64_t *)bytes)[1] = quads[1];
        return MAX_INSTRUCTION;
    }
    while (got < MAX_INSTRUCTION) {
        unsigned step = (unsigned)MIN(MAX_INSTRUCTION - got, PAGE_SIZE - (linear + got) % PAGE_SIZE);

        if (!vmx_translate(v, linear + got, false, &w) || !guest_read(v->vm, w.at, bytes + got, step))
            break;
        got += step;
    }
    return got;
}

COLD unsigned vmx_fetch(const struct vcpu *v, uint8_t bytes[VMX_FETCH_SIZE])
{
    return fetch(v, code_mode(), bytes);
}

static bool is_lapic(const struct vcpu *v, gpa_t at, unsigned size)
{
    return ALIGN_DOWN(at.value, PAGE_SIZE) == vlapic_base(v).value && vlapic_mmio_enabled(v) && size == 4;
}

static uint64_t device_read(struct vcpu *v, gpa_t at, unsigned size)
{
    uint64_t value = UINT64_MAX;

    if (is_lapic(v, at, size))
        return vlapic_mmio_read(v, at.value % PAGE_SIZE);
    if (guest_read(v->vm, at, &value, size) || pc_mmio_read(v->vm, at, size, &value))
        return value;
    return UINT64_MAX >> (64 - 8 * size);
}

static void device_write(struct vcpu *v, gpa_t at, unsigned size, uint64_t value)
{
    if (is_lapic(v, at, size))
        vlapic_mmio_write(v, at.value % PAGE_SIZE, (uint32_t)value);
    else if (!guest_write(v->vm, at, &value, size))
        pc_mmio_write(v->vm, at, size, value);
}

static uint64_t masked(uint64_t value, unsigned bytes)
{
    return bytes == 8 ? value : value & (BIT(8 * bytes) - 1);
}

static void advance(uint64_t *reg, uint64_t delta, unsigned bytes)
{
    uint64_t next = masked(*reg + delta, bytes);

    *reg = bytes == 2 ? (*reg & ~UINT64_C(0xffff)) | next : next;
}

/* One element of STOS or MOVS; the guest comes back for the next. */
static enum next string_store(struct vcpu *v, const struct mmio_insn *insn, unsigned mode)
{
    uint64_t es = mode == 64 ? 0 : vmcs_read(vmcs_guest_es_base),
             ds = mode == 64 ? 0 : vmcs_read(vmcs_guest_ds_base);
    uint64_t delta = vmcs_read(vmcs_guest_rflags) & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;
    uint64_t value = v->regs.rax;
    struct walk from, to;

    if (!vmx_translate(v, es + masked(v->regs.rdi, insn->address_size), true, &to)) {
        write_cr2(es + masked(v->regs.rdi, insn->address_size));
        vmx_inject_fault(v, VECTOR_PF, to.error);
        return NEXT_RESUME;
    }
    if (insn->op == MMIO_MOVS) {
        if (!vmx_translate(v, ds + masked(v->regs.rsi, insn->address_size), false, &from)) {
            write_cr2(ds + masked(v->regs.rsi, insn->address_size));
            vmx_inject_fault(v, VECTOR_PF, from.error);
            return NEXT_RESUME;
        }
        value = device_read(v, from.at, insn->size);
        advance(&v->regs.rsi, delta, insn->address_size);
    }
    device_write(v, to.at, insn->size, value);
    advance(&v->regs.rdi, delta, insn->address_size);
    if (!insn->rep)
        return NEXT_SKIP_AND_RESUME;
    advance(&v->regs.rcx, -UINT64_C(1), insn->address_size);
    return masked(v->regs.rcx, insn->address_size) ? NEXT_RESUME : NEXT_SKIP_AND_RESUME;
}

static enum next access(struct vcpu *v, const struct mmio_insn *insn, gpa_t at)
{
    uint64_t memory = insn->reads ? device_read(v, at, insn->size) : 0;
    uint64_t rflags = vmcs_read(vmcs_guest_rflags);
    struct mmio_result r = mmio_execute(insn, memory, vmx_read_gpr(v, insn->reg), rflags);

    if (r.write_memory)
        device_write(v, at, insn->size, r.memory);
    if (r.write_reg)
        vmx_write_gpr(v, insn->reg, r.reg);
    if (r.rflags != rflags)
        vmcs_write(vmcs_guest_rflags, r.rflags);
    return NEXT_SKIP_AND_RESUME;
}

static COLD enum next protected_write(struct vcpu *v, gpa_t at)
{
    vm_request_end(v->vm, VM_END_CRASH, "write to guest-physical %llx, which %s, rip %llx (vcpu %u)",
                   (unsigned long long)at.value,
                   guest_map(v->vm, at, 1) ? "the guest has protected" : "is read-only for guests",
                   (unsigned long long)vmcs_read(vmcs_guest_rip), v->id);
    return NEXT_LEAVE;
}

static COLD enum next give_up(struct vcpu *v, gpa_t at, const char *what, const uint8_t *bytes,
                              unsigned count)
{
    static const uint8_t none[4];

    if (!bytes)
        bytes = none;
    vm_request_end(
        v->vm, VM_END_CRASH,
        "%s at guest-physical %llx, which is no RAM, rip %llx (vcpu %u), code %02x %02x %02x %02x (%u bytes)",
        what, (unsigned long long)at.value, (unsigned long long)vmcs_read(vmcs_guest_rip), v->id, bytes[0],
        bytes[1], bytes[2], bytes[3], count);
    return NEXT_LEAVE;
}

/* The processor leaves the instruction length undefined for EPT violations: the decoder knows it. */
static enum next skip(const struct mmio_insn *insn, enum next next)
{
    if (next != NEXT_SKIP_AND_RESUME)
        return next;
    vmx_skip(insn->length);
    return NEXT_RESUME;
}

static enum next emulate(struct vcpu *v, gpa_t at)
{
    uint8_t bytes[VMX_FETCH_SIZE] ALIGNED(8) = {0};
    struct mmio_insn insn;
    unsigned mode = code_mode(), count;

    count = fetch(v, mode, bytes);
    if (!mmio_decode(bytes, count, mode, &insn))
        return give_up(v, at, "access by an instruction that is not emulated", bytes, count);
    if (insn.op == MMIO_STOS || insn.op == MMIO_MOVS)
        return skip(&insn, string_store(v, &insn, mode));
    return skip(&insn, access(v, &insn, at));
}

enum next vmx_handle_ept_violation(struct vcpu *v)
{
    gpa_t at = gpa(vmcs_read(vmcs_guest_physical_address));
    uint64_t qualification = vmcs_read(vmcs_exit_qualification);

    vmx_reinject(v);
    if (qualification & QUALIFIED_FETCH)
        return give_up(v, at, "instruction fetch", NULL, 0);
    if (qualification & QUALIFIED_READABLE) /* all that is ever missing there is write access */
        return protected_write(v, at);
    if (vmx_of(v)->event)
        return give_up(v, at, "delivery of an exception or interrupt", NULL, 0);
    if ((qualification & QUALIFIED_LINEAR) && !(qualification & QUALIFIED_FINAL))
        return give_up(v, at, "page-table walk", NULL, 0);
    return emulate(v, at);
}

/* An access to the local APIC's page that the processor leaves to us. */
enum next vmx_handle_apic_access(struct vcpu *v)
{
    uint64_t qualification = vmcs_read(vmcs_exit_qualification);
    gpa_t at = gpa(VLAPIC_BASE + (qualification & 0xfff));

    vmx_reinject(v);
    switch (qualification >> 12 & 15) {
    case 0:                        /* read, */
    case 1: return emulate(v, at); /* write by a linear address */
    case 2: return give_up(v, at, "instruction fetch", NULL, 0);
    case 3: return give_up(v, at, "delivery of an exception or interrupt", NULL, 0);
    default: return give_up(v, at, "page-table walk", NULL, 0);
    }
}
