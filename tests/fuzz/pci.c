/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as what a guest and two functions do: ports, memory, events, resets. Whatever they are, what is
 * read-only stays, BARs lie where nothing else is, messages are interrupts, and a pin is what its lines make
 * of it.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_pci.h"

#define OPERATIONS 200

struct PACKED operation {
    uint8_t what, size;
    uint32_t where; /* its upper half says in which way */
    uint64_t value;
};

enum { PORT, MEMORY, CONFIG, BEHIND_BAR, EVENT, LINE, RESET, BY_HAND, OPERATION_KINDS };

static uint8_t built[2][PCI_CONFIG_SIZE]; /* as it was when it was built */

/* --- what always holds --- */

static void check_config(const struct pci_function *of, const uint8_t *first)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        uint8_t may_change = of->writable[i];

        if (i == PCI_STATUS)
            may_change |= STATUS_INTX;
        MUST(((of->config[i] ^ first[i]) & ~may_change) == 0);
    }
}

static void check_place(const struct pci_function *of, unsigned bar)
{
    const struct pci_place *p = &of->places[bar];
    struct window_access w;

    MUST(!(p->mapped && p->refused));
    if (!p->mapped)
        return;
    MUST(p->is.kind != PCI_BAR_NONE && p->at != 0 && p->at % p->is.size == 0);
    MUST(pci_command(of) & (p->is.kind == PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY));
    MUST(windows_find(&bus.windows, p->is.kind == PCI_BAR_IO ? WINDOW_PORTS | p->at : p->at, 1, &w));
    MUST(w.device == &of->device);
    if (p->is.kind == PCI_BAR_IO)
        return;
    MUST(p->at >= 3 * GIB && !(p->at + p->is.size > 4 * GIB && p->at < 4 * GIB + vm.memory - 3 * GIB));
    MUST(p->at + p->is.size <= PCI_ECAM_BASE || p->at >= PCI_ECAM_BASE + PCI_ECAM_SIZE);
    MUST(p->at + p->is.size <= 0xfec00000 || p->at >= 4 * GIB);
}

/* As many windows as BARs are mapped, and none over another. */
static void check_windows(void)
{
    const struct window_table *t = windows_now(&bus.windows);
    unsigned mapped = 0;

    for (unsigned i = 0; i < PCI_BARS; i++) {
        check_place(&f, i);
        check_place(&other, i);
        mapped += f.places[i].mapped + other.places[i].mapped;
    }
    MUST(t->count == mapped);
    for (unsigned i = 1; i < t->count; i++)
        MUST(t->windows[i - 1].first + t->windows[i - 1].size <= t->windows[i].first);
}

static void check_vectors(void)
{
    bool all = pci_bus_master(&f) && (pci_msix_control(&f) & (MSIX_ENABLE | MSIX_MASK_ALL)) == MSIX_ENABLE;

    MUST(!(f.msix.pending >> VECTORS));
    for (unsigned i = 0; i < VECTORS; i++) {
        bool held = !all || (entries[i].control & MSIX_ENTRY_MASK);

        MUST(!(entries[i].address & 3) && entries[i].control <= 1);
        MUST(!held || !entries[i].route.word);
        MUST(held || !(f.msix.pending >> i & 1));
    }
}

static void check_pin(void)
{
    bool first = f.intx && !(pci_command(&f) & COMMAND_NO_INTX) && !pci_msix_enabled(&f);
    bool second = other.intx && !(pci_command(&other) & COMMAND_NO_INTX);

    MUST(pins == (uint32_t)(first || second) << PCI_INTX_GSI(SLOT));
}

static void check_message(void)
{
    unsigned mode = delivery.data >> 8 & 7;

    if (!delivered)
        return;
    MUST((delivery.address & 0xfff00000) == MSI_BASE && !(delivery.data >> 11));
    MUST(mode == NMI || ((mode == FIXED || mode == LOWEST) && (delivery.data & 0xff) >= 16));
}

/* --- what is done --- */

static void access_port(uint16_t port, unsigned size, bool write, uint32_t value)
{
    if (write)
        bus_port_write(&bus, port, size, value);
    else
        bus_port_read(&bus, port, size, &value);
}

static void access_memory(uint64_t at, unsigned size, bool write, uint64_t value)
{
    if (write)
        bus_mmio_write(&bus, gpa(at), size, value);
    else
        bus_mmio_read(&bus, gpa(at), size, &value);
}

/* A small address of the input leads to where something is. */
static void act(const struct operation *o)
{
    struct pci_function *of = o->where >> 31 ? &other : &f;
    unsigned size = 1u << (o->size & 3), slot = of->slot, offset = o->where & 0xfff;
    bool write = o->size & 4;

    switch (o->what % OPERATION_KINDS) {
    case PORT: access_port((uint16_t)o->where, MIN(size, 4), write, (uint32_t)o->value); break;
    case MEMORY: access_memory(o->value, size, write, o->value >> 7); break;
    case CONFIG: access_memory(PCI_ECAM_BASE + (slot << 15) + offset, size, write, o->value); break;
    case BEHIND_BAR:
        for (unsigned i = 0; i < PCI_BARS; i++)
            access_memory(of->places[i].at + offset, size, write, o->value);
        break;
    case EVENT: pci_msix_send(of, o->where & 15); break;
    case LINE: pci_set_intx(of, o->value & 1); break;
    case RESET: bus_reset(&bus); break;
    default:
        if (write)
            pci_bar_write(of, o->where >> 28 & 7, offset, size, o->value);
        else
            pci_bar_read(of, o->where >> 28 & 7, offset, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct operation o;

    fake_pci_set_up();
    memcpy(built[0], f.config, PCI_CONFIG_SIZE);
    memcpy(built[1], other.config, PCI_CONFIG_SIZE);
    for (unsigned n = 0; n < OPERATIONS && size >= sizeof(o); n++, data += sizeof(o), size -= sizeof(o)) {
        memcpy(&o, data, sizeof(o));
        delivered = 0;
        routes_are_old = o.size & 8;
        act(&o);
        check_config(&f, built[0]);
        check_config(&other, built[1]);
        check_windows();
        check_vectors();
        check_pin();
        check_message();
    }
    return 0;
}
