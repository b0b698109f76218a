/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/vioapic.h"

#include "apic/ipi.h"
#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/vm/vm.h"

#define SELECT  0x00
#define WINDOW  0x10
#define EOI     0x40
#define REG_ID  0
#define REG_VER 1
#define REG_ARB 2
#define REG_RED 0x10
#define VERSION 0x20 /* has the EOI register */

#define RED_VECTOR(r)       ((unsigned)(r)&0xff)
#define RED_MODE_AND_VECTOR 0x7ff
#define RED_LOGICAL         BIT(11)
#define RED_REMOTE_IRR      BIT(14)
#define RED_LEVEL           BIT(15)
#define RED_MASKED          BIT(16)
#define RED_READ_ONLY       (BIT(12) | RED_REMOTE_IRR)
#define RED_WRITABLE        (UINT64_C(0xff) << 56 | UINT64_C(0x7f) << 49 | 0x1ffff)

_Static_assert(REG_RED + 2 * VIOAPIC_PINS <= 0x100 && VIOAPIC_PINS <= 32,
               "the index is a byte, the lines are a word");

void vioapic_reset(struct vioapic *io)
{
    memset(io, 0, sizeof(*io));
    for (unsigned i = 0; i < VIOAPIC_PINS; i++)
        io->redirection[i] = RED_MASKED;
}

/*
 * What a pin sends is a message like any device's. Remote IRR stands for a local APIC that took the
 * interrupt and owes an EOI.
 */
static void send_pin(struct vm *vm, struct vioapic *io, unsigned pin)
{
    uint64_t *r = &io->redirection[pin];
    bool level = *r & RED_LEVEL;
    struct msi message = {
        /* Bits 55:49 are bits 14:8 of the destination, as in the message (KVM's MSI_EXT_DEST_ID). */
        .address = (uint32_t)(MSI_BASE | (*r >> 56) << 12 | (*r >> 49 & 0x7f) << 5 |
                              (*r & RED_LOGICAL ? MSI_LOGICAL : 0)),
        .data = (uint32_t)(MSI_ASSERT | (level ? MSI_LEVEL : 0) | (*r & RED_MODE_AND_VECTOR)),
    };

    if ((*r & RED_MASKED) || (level && (*r & RED_REMOTE_IRR)))
        return;
    if (vm_deliver_msi(vm, message) && level)
        *r |= RED_REMOTE_IRR;
}

void vioapic_set_pin(struct vm *vm, struct vioapic *io, unsigned pin, bool level)
{
    uint32_t bit = (uint32_t)BIT(pin);
    bool was = io->lines & bit;

    io->lines = level ? io->lines | bit : io->lines & ~bit;
    if (level && (!was || (io->redirection[pin] & RED_LEVEL)))
        send_pin(vm, io, pin);
}

void vioapic_eoi(struct vm *vm, struct vioapic *io, unsigned vector)
{
    for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
        uint64_t *r = &io->redirection[pin];

        if (RED_VECTOR(*r) != vector || !(*r & RED_LEVEL) || !(*r & RED_REMOTE_IRR))
            continue;
        *r &= ~RED_REMOTE_IRR;
        if (io->lines & BIT(pin))
            send_pin(vm, io, pin);
    }
}

uint32_t vioapic_read(struct vioapic *io, unsigned offset)
{
    unsigned pin = (io->select - REG_RED) / 2;

    if (offset == SELECT)
        return io->select;
    if (offset != WINDOW)
        return 0;
    if (io->select == REG_ID || io->select == REG_ARB)
        return io->id;
    if (io->select == REG_VER)
        return (VIOAPIC_PINS - 1) << 16 | VERSION;
    if (io->select < REG_RED || pin >= VIOAPIC_PINS)
        return 0;
    return (uint32_t)(io->redirection[index_nospec(pin, VIOAPIC_PINS)] >> (io->select & 1 ? 32 : 0));
}

static void write_redirection(struct vm *vm, struct vioapic *io, unsigned pin, uint32_t value)
{
    uint64_t *r = &io->redirection[pin], next;

    if (io->select & 1)
        next = (*r & UINT32_MAX) | (uint64_t)value << 32;
    else
        next = (*r & ~(uint64_t)UINT32_MAX) | value;
    next = (next & RED_WRITABLE & ~RED_READ_ONLY) | (*r & RED_READ_ONLY);
    if (!(next & RED_LEVEL))
        next &= ~RED_REMOTE_IRR; /* an edge entry has none: this is how Linux clears a stuck one */
    *r = next;
    if ((next & RED_LEVEL) && (io->lines & BIT(pin)))
        send_pin(vm, io, pin);
}

void vioapic_write(struct vm *vm, struct vioapic *io, unsigned offset, uint32_t value)
{
    unsigned pin = (io->select - REG_RED) / 2;

    if (offset == SELECT)
        io->select = value & 0xff;
    else if (offset == EOI)
        vioapic_eoi(vm, io, value & 0xff);
    else if (offset == WINDOW && io->select == REG_ID)
        io->id = value & 0x0f000000;
    else if (offset == WINDOW && io->select >= REG_RED && pin < VIOAPIC_PINS)
        write_redirection(vm, io, (unsigned)index_nospec(pin, VIOAPIC_PINS), value);
}
