/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BARs: their size and place, and accesses behind them. A BAR is mapped while its kind is switched on and
 * nothing else is where it is: RAM, the APICs and what lies with them, ECAM, or a BAR that was there before.
 * Then it is refused, which is counted, and its register keeps what was written; it gets the place as soon as
 * that is free.
 */
#include "dev/pci/pci_state.h"

#include "core/base/panic.h"
#include "core/vm/guest.h"

#define ADDRESS_LIMIT BIT(52)
#define APICS_BASE                                                                           \
    UINT64_C(0xfec00000) /* up to 4 GiB: both kinds of APIC, and the pages of GUEST_CHANNELS \
                          */
#define TYPE_IO       1u
#define TYPE_64       4u
#define TYPE_PREFETCH 8u
#define OFFSET_BITS   29 /* a window's offset has the number of the BAR above them */
#define OFFSET(o)     ((o) & (unsigned)(BIT(OFFSET_BITS) - 1))
#define BAR_OF(o)     ((o) >> OFFSET_BITS)
#define MEMORY_WIDTHS (BUS_BYTE | BUS_WORD | BUS_DWORD | BUS_QWORD)
#define PORT_WIDTHS   (BUS_BYTE | BUS_WORD | BUS_DWORD)

_Static_assert(PCI_LARGE_SIZE <= BIT(OFFSET_BITS) && PCI_BARS <= BIT(32 - OFFSET_BITS), "both fit");
_Static_assert(PCI_MEMORY_BASE + PCI_DEVICES * PCI_MEMORY_SIZE <= PCI_MEMORY_END, "each has its own");
_Static_assert(PCI_LARGE_BASE % PCI_LARGE_SIZE == 0 &&
                   PCI_LARGE_BASE + PCI_LARGE_MAX * PCI_LARGE_SIZE <= PCI_MEMORY_END,
               "so have those");
_Static_assert(PCI_MEMORY_BASE == GUEST_WINDOWS && PCI_MEMORY_END == GUEST_WINDOWS_END,
               "where the backend can show memory");
_Static_assert(PCI_IO_BASE + PCI_DEVICES * PCI_IO_SIZE <= BUS_PORTS, "so, too");
_Static_assert(PCI_MEMORY_BASE >= GUEST_HOLE && PCI_ECAM_BASE + PCI_ECAM_SIZE <= APICS_BASE &&
                   APICS_BASE < GUEST_HOLE_END,
               "however much RAM there is");
_Static_assert(GUEST_STATISTICS >= APICS_BASE && GUEST_CHANNELS >= APICS_BASE, "in that hole");

static bool is_64_bit(const struct pci_bar *is)
{
    return is->kind == PCI_BAR_MEMORY64 || is->kind == PCI_BAR_PREFETCH64;
}

/* --- what is behind them --- */

static uint64_t ones(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static bool is_inside(const struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    const struct pci_bar *is = &f->places[bar].is;

    return is->kind != PCI_BAR_NONE && offset < is->size && size <= is->size - offset &&
           (size == 1 || size == 2 || size == 4 || (size == 8 && is->kind != PCI_BAR_IO));
}

static inline uint64_t read_inside(struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    uint64_t value;

    if (bar == f->msix.bar && pci_msix_read(f, offset, size, &value))
        return value;
    return f->ops->bar_read ? f->ops->bar_read(f, bar, offset, size) : ones(size);
}

static inline void write_inside(struct pci_function *f, unsigned bar, unsigned offset, unsigned size,
                                uint64_t value)
{
    if (bar == f->msix.bar && pci_msix_write(f, offset, size, value))
        return;
    if (f->ops->bar_write)
        f->ops->bar_write(f, bar, offset, size, value);
}

uint64_t pci_bar_read(struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    return bar < PCI_BARS && is_inside(f, bar, offset, size) ? read_inside(f, bar, offset, size) : UINT64_MAX;
}

void pci_bar_write(struct pci_function *f, unsigned bar, unsigned offset, unsigned size, uint64_t value)
{
    if (bar < PCI_BARS && is_inside(f, bar, offset, size))
        write_inside(f, bar, offset, size, value & ones(size));
}

/* By a window, which lets nothing through that is not inside. */
static uint64_t memory_read(void *context, unsigned offset, unsigned size)
{
    return read_inside(context, BAR_OF(offset), OFFSET(offset), size);
}

static void memory_write(void *context, unsigned offset, unsigned size, uint64_t value)
{
    write_inside(context, BAR_OF(offset), OFFSET(offset), size, value);
}

static uint32_t io_read(void *context, unsigned offset, unsigned size)
{
    return (uint32_t)read_inside(context, BAR_OF(offset), OFFSET(offset), size);
}

static void io_write(void *context, unsigned offset, unsigned size, uint32_t value)
{
    write_inside(context, BAR_OF(offset), OFFSET(offset), size, value);
}

static const struct device_ops behind_bars = {.name = "PCI function",
                                              .port_read = io_read,
                                              .port_write = io_write,
                                              .mmio_read = memory_read,
                                              .mmio_write = memory_write};

/* --- where they are --- */

static bool is_ram(const struct vm *vm, uint64_t first, uint64_t size)
{
    struct guest_range ranges[GUEST_MAX_RANGES];
    unsigned count = guest_ranges(vm, ranges);

    for (unsigned i = 0; i < count; i++) {
        if (first < ranges[i].base.value + ranges[i].size && ranges[i].base.value < first + size)
            return true;
    }
    return false;
}

static bool is_taken_memory(const struct vm *vm, uint64_t first, uint64_t size)
{
    if (first >= ADDRESS_LIMIT - size)
        return true;
    return is_ram(vm, first, size) || (first < 4 * GIB && APICS_BASE < first + size);
}

static uint64_t address_mask(const struct pci_bar *is)
{
    uint64_t limit = is_64_bit(is) ? UINT64_MAX : UINT32_MAX;

    return limit & ~(uint64_t)(is->size - 1);
}

static uint64_t read_address(const struct pci_function *f, unsigned bar)
{
    const struct pci_bar *is = &f->places[bar].is;
    unsigned bytes = is_64_bit(is) ? 8 : 4;

    return load_le(f->config + PCI_BAR(bar), bytes) & address_mask(is);
}

/* 0 and all ones are no address, and nobody's mistake. */
static bool is_switched_on(const struct pci_function *f, unsigned bar, uint64_t at)
{
    const struct pci_bar *is = &f->places[bar].is;
    unsigned needs = is->kind == PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY;

    return is->kind != PCI_BAR_NONE && (pci_command(f) & needs) && at != 0 && at != address_mask(is);
}

/* Where it is no more, others may be. */
static bool close_place(struct pci_function *f, unsigned bar)
{
    struct pci_place *p = &f->places[bar];

    p->refused = false;
    if (!p->mapped)
        return false;
    if (f->ops->bar_closed)
        f->ops->bar_closed(f, bar, p->at);
    if (p->is.kind == PCI_BAR_IO)
        bus_remove_doorbell(&f->doorbell);
    bus_close_window(f->vm->bus, p->is.kind == PCI_BAR_IO, p->at);
    p->mapped = false;
    return true;
}

static bool open_place(struct pci_function *f, unsigned bar)
{
    struct pci_place *p = &f->places[bar];
    bool port = p->is.kind == PCI_BAR_IO;
    const struct bus_range range = {p->at, p->is.size, port ? PORT_WIDTHS : MEMORY_WIDTHS,
                                    bar << OFFSET_BITS};

    if ((!port && is_taken_memory(f->vm, p->at, p->is.size)) ||
        bus_open_window(f->vm->bus, &f->device, port, &range))
        return false;
    p->mapped = !f->ops->bar_opened || f->ops->bar_opened(f, bar, p->at);
    if (!p->mapped)
        bus_close_window(f->vm->bus, port, p->at);
    else if (port && f->doorbell.ring)
        bus_place_doorbell(f->vm->bus, &f->doorbell, (uint16_t)p->at);
    return p->mapped;
}

/* True: a place has become free. */
static bool update_place(struct pci_function *f, unsigned bar)
{
    struct pci_place *p = &f->places[bar];
    uint64_t at = read_address(f, bar);
    bool on = is_switched_on(f, bar, at), freed = false;

    if (p->at != at || !on)
        freed = close_place(f, bar);
    p->at = at;
    if (!on || p->mapped || p->refused || open_place(f, bar))
        return freed;
    p->refused = true;
    f->refused_bars++;
    return freed;
}

/* Those that wait for a place. */
static void retry_refused(struct pci *pci)
{
    for (unsigned i = 0; i < PCI_DEVICES * PCI_BARS; i++) {
        struct pci_function *f = pci->functions[i / PCI_BARS];

        if (f && f->places[i % PCI_BARS].refused)
            f->places[i % PCI_BARS].refused = !open_place(f, i % PCI_BARS);
    }
}

void pci_bars_update(struct pci_function *f)
{
    bool freed = false;

    for (unsigned i = 0; i < PCI_BARS; i++)
        freed |= update_place(f, i);
    if (freed)
        retry_refused(f->vm->pci);
}

/* --- as they are at a reset --- */

static void write_home(struct pci_function *f, unsigned bar)
{
    const struct pci_place *p = &f->places[bar];
    static const uint32_t types[] = {
        [PCI_BAR_IO] = TYPE_IO, [PCI_BAR_MEMORY64] = TYPE_64, [PCI_BAR_PREFETCH64] = TYPE_64 | TYPE_PREFETCH};

    if (p->is.kind != PCI_BAR_NONE)
        store_le(f->config + PCI_BAR(bar), p->home | types[p->is.kind], is_64_bit(&p->is) ? 8 : 4);
}

void pci_bars_reset(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        write_home(f, i);
    pci_bars_update(f);
}

static uint32_t least_size(enum pci_bar_kind kind)
{
    return kind == PCI_BAR_IO ? 4 : 256;
}

static uint32_t most_size(enum pci_bar_kind kind)
{
    return kind == PCI_BAR_IO ? PCI_IO_SIZE : kind == PCI_BAR_PREFETCH64 ? PCI_LARGE_SIZE : PCI_MEMORY_SIZE;
}

static const char *refuse_bar(const struct pci_bar *bars, unsigned i)
{
    uint32_t size = bars[i].size;

    if (bars[i].kind == PCI_BAR_NONE)
        return NULL;
    if (size & (size - 1))
        return "has a BAR of a size that is no power of two";
    if (size < least_size(bars[i].kind) || size > most_size(bars[i].kind))
        return "has a BAR that is too small or too large";
    if (is_64_bit(&bars[i]) && (i + 1 == PCI_BARS || bars[i + 1].kind != PCI_BAR_NONE))
        return "has a 64-bit BAR without its second half";
    return NULL;
}

static void place_at_home(struct pci_function *f, unsigned bar, uint64_t *next)
{
    struct pci_place *p = &f->places[bar];

    *next = ALIGN_UP(*next, p->is.size);
    p->home = *next;
    *next += p->is.size;
    store_le(f->writable + PCI_BAR(bar), address_mask(&p->is), is_64_bit(&p->is) ? 8 : 4);
    write_home(f, bar);
}

const char *pci_bars_init(struct pci_function *f, const struct pci_identity *id)
{
    uint64_t memory = PCI_MEMORY_BASE + f->slot * PCI_MEMORY_SIZE, io = PCI_IO_BASE + f->slot * PCI_IO_SIZE,
             memory_end = memory + PCI_MEMORY_SIZE, io_end = io + PCI_IO_SIZE,
             large_base = PCI_LARGE_BASE + (f->slot - PCI_LARGE_SLOT) * PCI_LARGE_SIZE, large = large_base;

    f->device = (struct device){.ops = &behind_bars, .context = f};
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const char *why = refuse_bar(id->bars, i);

        if (why)
            return why;
        f->places[i].is = id->bars[i];
        if (id->bars[i].kind != PCI_BAR_NONE)
            place_at_home(f, i,
                          id->bars[i].kind == PCI_BAR_IO           ? &io
                          : id->bars[i].kind == PCI_BAR_PREFETCH64 ? &large
                                                                   : &memory);
    }
    if (large != large_base &&
        (f->slot - PCI_LARGE_SLOT >= PCI_LARGE_MAX || large > large_base + PCI_LARGE_SIZE))
        return "has large memory in a place that has none";
    return memory > memory_end || io > io_end ? "has more behind its BARs than there is room for" : NULL;
}
