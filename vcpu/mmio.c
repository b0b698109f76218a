/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/mmio.h"
#include "apic/vlapic.h"
#include "arch/x86/cpu.h"
#include "dev/bus.h"
#include "dev/decode.h"
#include "sched/vm_run.h"
#include "vcpu/event.h"
#include "vcpu/state.h"
#include "vcpu/walk.h"

static bool is_lapic(const struct vcpu *v, gpa_t at, unsigned size)
{
    return ALIGN_DOWN(at.value, PAGE_SIZE) == vlapic_base(v).value && vlapic_mmio_enabled(v) && size == 4;
}

/* Nearly always a device: what is RAM does not exit, but for the other end of a string instruction. */
static uint64_t device_read(struct vcpu *v, gpa_t at, unsigned size)
{
    uint64_t value;

    if (is_lapic(v, at, size))
        return vlapic_mmio_read(v, at.value % PAGE_SIZE);
    if (!bus_mmio_read(v->vm->bus, at, size, &value))
        guest_read(v->vm, at, &value, size);
    return value;
}

static void device_write(struct vcpu *v, gpa_t at, unsigned size, uint64_t value)
{
    if (is_lapic(v, at, size))
        vlapic_mmio_write(v, at.value % PAGE_SIZE, (uint32_t)value);
    else if (!bus_mmio_write(v->vm->bus, at, size, value))
        guest_write(v->vm, at, &value, size);
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
static COLD enum next string_store(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m)
{
    uint64_t es = m->bits == 64 ? 0 : backend.get(v, GUEST_ES_BASE),
             ds = m->bits == 64 ? 0 : backend.get(v, GUEST_DS_BASE);
    uint64_t delta = m->rflags & RFLAGS_DF ? -(uint64_t)insn->size : insn->size;
    uint64_t value = v->regs.rax;
    gpa_t from, to;

    if (!guest_find(v, m, es + masked(v->regs.rdi, insn->address_size), true, &to))
        return NEXT_RESUME;
    if (guest_is_closed(v->vm, to, insn->size))
        return vcpu_protected_write(v, to);
    if (insn->op == MMIO_MOVS) {
        if (!guest_find(v, m, ds + masked(v->regs.rsi, insn->address_size), false, &from))
            return NEXT_RESUME;
        value = device_read(v, from, insn->size);
        advance(&v->regs.rsi, delta, insn->address_size);
    }
    device_write(v, to, insn->size, value);
    advance(&v->regs.rdi, delta, insn->address_size);
    if (!insn->rep)
        return NEXT_SKIP_AND_RESUME;
    advance(&v->regs.rcx, -UINT64_C(1), insn->address_size);
    return masked(v->regs.rcx, insn->address_size) ? NEXT_RESUME : NEXT_SKIP_AND_RESUME;
}

/* What drivers do: MOV of 32 or 64 bits, which flags and the rest of the register have no part in. */
static bool plain_move(struct vcpu *v, const struct mmio_insn *insn, gpa_t at)
{
    if (insn->size < 4)
        return false;
    if (insn->op == MMIO_LOAD && insn->reg_size == insn->size)
        write_gpr(v, insn->reg, device_read(v, at, insn->size));
    else if (insn->op == MMIO_STORE)
        device_write(v, at, insn->size, insn->has_imm ? (uint64_t)insn->imm : read_gpr(v, insn->reg));
    else
        return false;
    return true;
}

static COLD enum next access(struct vcpu *v, const struct mmio_insn *insn, uint64_t rflags, gpa_t at)
{
    uint64_t memory = insn->reads ? device_read(v, at, insn->size) : 0;
    struct mmio_result r = mmio_execute(insn, memory, read_gpr(v, insn->reg), rflags);

    if (r.write_memory)
        device_write(v, at, insn->size, r.memory);
    if (r.write_reg)
        write_gpr(v, insn->reg, r.reg);
    if (r.rflags != rflags)
        backend.set(v, GUEST_RFLAGS, r.rflags);
    return NEXT_SKIP_AND_RESUME;
}

COLD enum next vcpu_protected_write(struct vcpu *v, gpa_t at)
{
    vm_request_end(v->vm, VM_END_CRASH, "write to guest-physical %llx, which %s, rip %llx (vcpu %u)",
                   (unsigned long long)at.value,
                   guest_map(v->vm, at, 1) ? "the guest has protected" : "is read-only for guests",
                   (unsigned long long)backend.get(v, GUEST_RIP), v->id);
    return NEXT_LEAVE;
}

COLD enum next vcpu_memory_refused(struct vcpu *v, gpa_t at, const char *what, const uint8_t *bytes,
                                   unsigned count)
{
    static const uint8_t none[4];

    if (!bytes)
        bytes = none;
    vm_request_end(
        v->vm, VM_END_CRASH,
        "%s at guest-physical %llx, which is no RAM, rip %llx (vcpu %u), code %02x %02x %02x %02x (%u bytes)",
        what, (unsigned long long)at.value, (unsigned long long)backend.get(v, GUEST_RIP), v->id, bytes[0],
        bytes[1], bytes[2], bytes[3], count);
    return NEXT_LEAVE;
}

/* The processor leaves the instruction's length undefined here: the decoder knows it. */
static enum next skip_insn(struct vcpu *v, const struct mmio_insn *insn, enum next next)
{
    if (next != NEXT_SKIP_AND_RESUME)
        return next;
    backend.skip(v, insn->length);
    return NEXT_RESUME;
}

enum next vcpu_device_memory(struct vcpu *v, gpa_t at)
{
    uint8_t bytes[FETCH_SIZE] ALIGNED(8) = {0};
    struct mmio_insn insn;
    struct guest_mode m;
    unsigned count;

    backend.get_mode(v, &m);
    count = guest_fetch(v->vm, &m, bytes);
    if (!mmio_decode(bytes, count, m.bits, &insn))
        return vcpu_memory_refused(v, at, "access by an instruction that is not emulated", bytes, count);
    if (likely(plain_move(v, &insn, at)))
        return skip_insn(v, &insn, NEXT_SKIP_AND_RESUME);
    if (insn.op == MMIO_STOS || insn.op == MMIO_MOVS)
        return skip_insn(v, &insn, string_store(v, &insn, &m));
    return skip_insn(v, &insn, access(v, &insn, m.rflags, at));
}
