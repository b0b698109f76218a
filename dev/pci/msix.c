/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSI-X (PCI Local Bus Specification 3.0, section 6.8.2). Where an entry's message goes is found out when the
 * entry, or what keeps it back, changes, under the function's lock; who sends reads that in one word, without
 * a lock. A message that was about to be sent when its entry was masked still goes.
 */
#include "dev/pci/pci_state.h"

#include "apic/vlapic.h"
#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"

#define ENTRY_SIZE       16
#define ADDRESS_WRITABLE 0xfffffffcu
#define EXTENDED_ID      0xfe0u  /* of the address: bits 14:8 of the destination */
#define KVM_MSI_DEST     BIT(15) /* in vm->kvm_features: the guest was offered them */
#define DATA_USED        0x7ffu  /* delivery mode and vector: all messages are edges */

_Static_assert(offsetof(struct pci_msix_entry, route) == ENTRY_SIZE, "the words before it are the guest's");
_Static_assert(PCI_MSIX_VECTORS <= 64, "a bit of a word each");

/* --- what is sent --- */

/* An access to anything but interrupts never becomes one to memory, and what has no source here is not
 * delivered. */
static bool is_interrupt(const struct pci_msix_entry *e)
{
    unsigned mode = e->data >> 8 & 7, vector = e->data & 0xff;

    if (e->address_high || (e->address & 0xfff00000) != MSI_BASE)
        return false;
    return mode == NMI || ((mode == FIXED || mode == LOWEST) && vector >= FIRST_VECTOR);
}

static struct msi message_of(const struct vm *vm, const struct pci_msix_entry *e)
{
    uint32_t ignored = vm->kvm_features & KVM_MSI_DEST ? 0 : EXTENDED_ID;

    return (struct msi){.address = e->address & ~ignored, .data = e->data & DATA_USED};
}

static bool is_held_back(const struct pci_function *f, const struct pci_msix_entry *e)
{
    return (pci_msix_control(f) & (MSIX_ENABLE | MSIX_MASK_ALL)) != MSIX_ENABLE ||
           (e->control & MSIX_ENTRY_MASK) || !pci_bus_master(f);
}

static void set_route(struct pci_msix_entry *e, union msi_route route)
{
    __atomic_store_n(&e->route.word, route.word, __ATOMIC_RELEASE);
}

static void send_message(struct pci_function *f, const struct pci_msix_entry *e)
{
    if (is_interrupt(e))
        vm_deliver_msi(f->vm, message_of(f->vm, e));
    else
        f->dropped_messages++;
}

/* Under the lock. */
static void update_entry(struct pci_function *f, unsigned i)
{
    struct pci_msix_entry *e = &f->msix.entries[i];

    if (is_held_back(f, e) || !is_interrupt(e)) {
        set_route(e, (union msi_route){.word = 0});
    } else {
        set_route(e, vm_find_route(f->vm, message_of(f->vm, e)));
    }
    if (is_held_back(f, e) || !(f->msix.pending & BIT(i)))
        return;
    f->msix.pending &= ~BIT(i);
    send_message(f, e);
}

/* No route: it is masked, goes to more than one vCPU, or they hear other destinations than they did. */
static COLD void send_slowly(struct pci_function *f, unsigned i)
{
    spin_lock(&f->msix.lock);
    f->msix.pending |= BIT(i);
    update_entry(f, i);
    spin_unlock(&f->msix.lock);
}

void pci_msix_send(struct pci_function *f, unsigned vector)
{
    union msi_route route;

    if (vector >= f->msix.count)
        return;
    route.word = __atomic_load_n(&f->msix.entries[vector].route.word, __ATOMIC_ACQUIRE);
    if (unlikely(!vm_post_route(f->vm, route)))
        send_slowly(f, vector);
}

bool pci_msix_enabled(const struct pci_function *f)
{
    return pci_msix_control(f) & MSIX_ENABLE;
}

void pci_msix_update(struct pci_function *f)
{
    spin_lock(&f->msix.lock);
    for (unsigned i = 0; i < f->msix.count; i++)
        update_entry(f, i);
    spin_unlock(&f->msix.lock);
}

/* --- what the guest sees --- */

/* Words or pairs of them; others read as ones, and are ignored when written. */
static bool is_aligned(unsigned offset, unsigned size)
{
    return (size == 4 || size == 8) && offset % size == 0;
}

static bool in_table(const struct pci_function *f, unsigned offset)
{
    return offset - f->msix.table < f->msix.count * ENTRY_SIZE;
}

static bool in_pba(const struct pci_function *f, unsigned offset)
{
    return f->msix.count && offset - f->msix.pba < sizeof(f->msix.pending);
}

/* At a multiple of four. */
static uint32_t read_word(const struct pci_function *f, unsigned offset)
{
    unsigned at = offset - f->msix.table, i = at / ENTRY_SIZE;
    const struct pci_msix_entry *e;

    if (i >= f->msix.count)
        return (uint32_t)(f->msix.pending >> 8 * ((offset - f->msix.pba) & 4));
    e = &f->msix.entries[index_nospec(i, f->msix.count)];
    switch (at % ENTRY_SIZE / 4) {
    case 0: return e->address;
    case 1: return e->address_high;
    case 2: return e->data;
    default: return e->control;
    }
}

bool pci_msix_read(struct pci_function *f, unsigned offset, unsigned size, uint64_t *value)
{
    if (!in_table(f, offset) && !in_pba(f, offset))
        return false;
    *value = UINT64_MAX;
    if (!is_aligned(offset, size))
        return true;
    spin_lock(&f->msix.lock);
    *value = read_word(f, offset);
    if (size == 8)
        *value |= (uint64_t)read_word(f, offset + 4) << 32;
    spin_unlock(&f->msix.lock);
    return true;
}

static void write_entry_word(struct pci_msix_entry *e, unsigned word, uint32_t value)
{
    switch (word) {
    case 0: e->address = value & ADDRESS_WRITABLE; break;
    case 1: e->address_high = value; break;
    case 2: e->data = value; break;
    default: e->control = value & MSIX_ENTRY_MASK; break;
    }
}

bool pci_msix_write(struct pci_function *f, unsigned offset, unsigned size, uint64_t value)
{
    unsigned at = offset - f->msix.table, i = at / ENTRY_SIZE, word = at % ENTRY_SIZE / 4;

    if (i >= f->msix.count)
        return in_pba(f, offset);
    if (!is_aligned(offset, size))
        return true;
    i = (unsigned)index_nospec(i, f->msix.count);
    spin_lock(&f->msix.lock);
    write_entry_word(&f->msix.entries[i], word, (uint32_t)value);
    if (size == 8)
        write_entry_word(&f->msix.entries[i], word + 1, (uint32_t)(value >> 32));
    update_entry(f, i);
    spin_unlock(&f->msix.lock);
    return true;
}

/* --- as it is at a reset --- */

void pci_msix_reset(struct pci_function *f)
{
    spin_lock(&f->msix.lock);
    for (unsigned i = 0; i < f->msix.count; i++)
        f->msix.entries[i] = (struct pci_msix_entry){.control = MSIX_ENTRY_MASK};
    f->msix.pending = 0;
    spin_unlock(&f->msix.lock);
}

static const char *refuse_msix(const struct pci_function *f, const struct pci_identity *id)
{
    unsigned bar = id->msix.bar, table_size = id->msix.vectors * ENTRY_SIZE;
    uint32_t size;

    if (id->msix.vectors > PCI_MSIX_VECTORS || !id->msix.entries)
        return "has more vectors than there is room for";
    if (bar >= PCI_BARS || id->bars[bar].kind == PCI_BAR_NONE || id->bars[bar].kind == PCI_BAR_IO)
        return "has its vectors in a BAR that is not there";
    size = f->places[bar].is.size;
    if (id->msix.table % 8 || id->msix.pba % 8 || id->msix.table > size - table_size ||
        id->msix.pba > size - sizeof(f->msix.pending))
        return "has its vectors beyond the end of a BAR";
    if (id->msix.pba < id->msix.table + table_size && id->msix.table < id->msix.pba + sizeof(f->msix.pending))
        return "has its pending bits in the table";
    return NULL;
}

const char *pci_msix_init(struct pci_function *f, const struct pci_identity *id)
{
    uint8_t body[12] = {0}, writable[12] = {[3] = (MSIX_ENABLE | MSIX_MASK_ALL) >> 8};
    const struct pci_capability c = {PCI_CAPABILITY_MSIX, sizeof(body), body, writable, 0};
    const char *why = id->msix.vectors ? refuse_msix(f, id) : NULL;

    if (why || !id->msix.vectors)
        return why;
    store_le(body + MSIX_CONTROL, id->msix.vectors - 1, 2);
    store_le(body + 4, id->msix.table | id->msix.bar, 4);
    store_le(body + 8, id->msix.pba | id->msix.bar, 4);
    f->msix.entries = id->msix.entries;
    f->msix.bar = id->msix.bar;
    f->msix.table = id->msix.table;
    f->msix.pba = id->msix.pba;
    f->msix.control = pci_add_capability(f, &c) + MSIX_CONTROL;
    f->msix.count = id->msix.vectors;
    pci_msix_reset(f);
    return NULL;
}
