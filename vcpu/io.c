/* SPDX-License-Identifier: BSD-2-Clause */
/* IN, OUT, INS and OUTS: every port exits and is answered by the guest's own devices, or by nobody. */
#include "vcpu/io.h"
#include "arch/x86/cpu.h"
#include "dev/bus.h"
#include "vcpu/mmio.h"
#include "vcpu/walk.h"

#define REP_BATCH 64 /* elements per exit: a long REP stays interruptible */

static inline uint32_t port_read(struct vcpu *v, uint16_t port, unsigned size)
{
    uint32_t value;

    if (!bus_port_read(v->vm->bus, port, size, &value))
        v->stats->counts[COUNT_PORT_DENIED]++;
    return value;
}

static inline void port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value)
{
    if (!bus_port_write(v->vm->bus, port, size, value))
        v->stats->counts[COUNT_PORT_DENIED]++;
}

/* NEXT_SKIP_AND_RESUME: it is done. A port must not be read for a store that faults. */
static enum next in_one(struct vcpu *v, const struct guest_mode *m, const struct string_io *io,
                        uint64_t linear)
{
    uint32_t value;
    gpa_t closed;

    if (!guest_linear_writable(v, m, linear, io->size))
        return NEXT_RESUME;
    if (guest_linear_closed(v, m, linear, io->size, &closed))
        return vcpu_protected_write(v, closed);
    value = port_read(v, io->port, io->size);
    return guest_linear_write(v, m, linear, &value, io->size) ? NEXT_SKIP_AND_RESUME : NEXT_RESUME;
}

static enum next out_one(struct vcpu *v, const struct guest_mode *m, const struct string_io *io,
                         uint64_t linear)
{
    uint32_t value = 0;

    if (!guest_linear_read(v, m, linear, &value, io->size))
        return NEXT_RESUME;
    port_write(v, io->port, io->size, value);
    return NEXT_SKIP_AND_RESUME;
}

static void step(uint64_t *reg, uint64_t delta, uint64_t mask)
{
    uint64_t next = (*reg & ~mask) | ((*reg + delta) & mask);

    *reg = mask == UINT32_MAX ? (uint32_t)next : next;
}

COLD enum next vcpu_string_io(struct vcpu *v, const struct string_io *io)
{
    uint64_t *pointer = io->in ? &v->regs.rdi : &v->regs.rsi, mask = io->address_mask,
             base = io->linear - (*pointer & mask), delta;
    struct guest_mode m;
    enum next next;

    backend.get_mode(v, &m);
    delta = m.rflags & RFLAGS_DF ? -(uint64_t)io->size : io->size;
    for (unsigned i = 0; i < REP_BATCH; i++) {
        uint64_t linear = base + (*pointer & mask); /* the pointer goes round in its segment */

        if (io->rep && !(v->regs.rcx & mask))
            return NEXT_SKIP_AND_RESUME;
        next = (io->in ? in_one : out_one)(v, &m, io, m.bits == 64 ? linear : (uint32_t)linear);
        if (next != NEXT_SKIP_AND_RESUME)
            return next;
        step(pointer, delta, mask);
        if (!io->rep)
            return NEXT_SKIP_AND_RESUME;
        step(&v->regs.rcx, -UINT64_C(1), mask);
    }
    return v->regs.rcx & mask ? NEXT_RESUME : NEXT_SKIP_AND_RESUME;
}

enum next vcpu_in(struct vcpu *v, uint16_t port, unsigned size)
{
    uint32_t value = port_read(v, port, size);

    v->regs.rax = size == 4 ? value : (v->regs.rax & ~(BIT(8 * size) - 1)) | value;
    return NEXT_SKIP_AND_RESUME;
}

enum next vcpu_out(struct vcpu *v, uint16_t port, unsigned size)
{
    port_write(v, port, size, (uint32_t)(v->regs.rax & (BIT(8 * size) - 1)));
    return NEXT_SKIP_AND_RESUME;
}
