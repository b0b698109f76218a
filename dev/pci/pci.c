/* SPDX-License-Identifier: BSD-2-Clause */
/* Bus 0 of a VM: its host bridge, who is on it, and the two ways to configuration space. */
#include "dev/pci/pci.h"

#include "arch/x86/speculation.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "core/vm/part.h"
#include "dev/acpi_tables.h"
#include "dev/bus.h"
#include "dev/pci/pci_state.h"

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA    0xcfcu
#define DATA_OFFSET    (CONFIG_DATA - CONFIG_ADDRESS)
#define ENABLE         BIT(31)

_Static_assert(PCI_ECAM_BASE == ACPI_TABLES_ECAM_BASE, "guests find it where it is");

/* --- configuration space --- */

/* Where an access goes: bits 20:16 of ECAM's address and of mechanism 1's at 15:11 are the device. */
struct target {
    struct pci_function *function; /* NULL: nobody */
    unsigned offset;
};

/* Only function 0 of a device is there; and of a conventional function, no extended space. */
static struct target find_target(const struct pci *pci, unsigned device, unsigned function, unsigned offset)
{
    ASSERT(device < PCI_DEVICES);
    if (function != 0 || offset >= PCI_CONFIG_SIZE)
        return (struct target){NULL, 0};
    return (struct target){pci->functions[device], (unsigned)index_nospec(offset, PCI_CONFIG_SIZE)};
}

static bool is_aligned_access(unsigned offset, unsigned size)
{
    return size <= 4 && offset % size == 0;
}

static uint32_t read_target(struct target t, unsigned size)
{
    return t.function && is_aligned_access(t.offset, size) ? pci_config_read(t.function, t.offset, size)
                                                           : UINT32_MAX;
}

static void write_target(struct target t, unsigned size, uint32_t value)
{
    if (t.function && is_aligned_access(t.offset, size))
        pci_config_write(t.function, t.offset, size, value);
}

/* --- mechanism 1: offset is from CONFIG_ADDRESS --- */

static struct target selected(const struct pci *pci, unsigned offset)
{
    uint32_t a = pci->address;

    if (!(a & ENABLE) || (a >> 16 & 0xff) != 0)
        return (struct target){NULL, 0};
    return find_target(pci, a >> 11 & 31, a >> 8 & 7, (a & 0xfc) + (offset - DATA_OFFSET));
}

static uint32_t read_mechanism_1(void *context, unsigned offset, unsigned size)
{
    struct pci *pci = context;

    return offset < DATA_OFFSET ? pci->address : read_target(selected(pci, offset), size);
}

static void write_mechanism_1(void *context, unsigned offset, unsigned size, uint32_t value)
{
    struct pci *pci = context;

    if (offset < DATA_OFFSET)
        pci->address = value;
    else
        write_target(selected(pci, offset), size, value);
}

/* --- ECAM --- */

static struct target addressed(const struct pci *pci, unsigned offset)
{
    return find_target(pci, offset >> 15 & 31, offset >> 12 & 7, offset & 0xfff);
}

static uint64_t read_ecam(void *context, unsigned offset, unsigned size)
{
    return read_target(addressed(context, offset), size);
}

static void write_ecam(void *context, unsigned offset, unsigned size, uint64_t value)
{
    write_target(addressed(context, offset), size, (uint32_t)value);
}

/* --- the bus --- */

static void reset_pci(void *context)
{
    struct pci *pci = context;

    pci->address = 0;
    for (unsigned i = 0; i < PCI_DEVICES; i++) {
        if (pci->functions[i])
            pci_function_reset(pci->functions[i]);
    }
}

static const struct device_ops pci_ops = {.name = "PCI",
                                          .port_read = read_mechanism_1,
                                          .port_write = write_mechanism_1,
                                          .mmio_read = read_ecam,
                                          .mmio_write = write_ecam,
                                          .reset = reset_pci};

static const struct pci_function_ops bridge_ops = {.name = "host bridge"};

/* One that Linux knows nothing special about. */
static const struct pci_identity bridge_identity = {
    .vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000};

/* They are ours, and the bus is empty. */
static void expect_added(const char *why)
{
    if (why)
        panic("PCI: %s", why);
}

bool pci_create(struct vm *vm, const struct placement *p UNUSED)
{
    static const struct bus_range address = {CONFIG_ADDRESS, 4, BUS_DWORD, 0},
                                  data = {CONFIG_DATA, 4, BUS_BYTE | BUS_WORD | BUS_DWORD, DATA_OFFSET},
                                  ecam = {PCI_ECAM_BASE, PCI_ECAM_SIZE, BUS_BYTE | BUS_WORD | BUS_DWORD, 0};
    struct pci *pci;

    _Static_assert(sizeof(*pci) <= PAGE_SIZE, "one page");
    ASSERT(!vm->pci && vm->bus);
    if (!vm->config->pci)
        return true;
    pci = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);
    if (!pci)
        return false;
    vm->pci = pci;
    pci->vm = vm;
    pci->device = (struct device){.ops = &pci_ops, .context = pci};
    expect_added(bus_attach(vm->bus, &pci->device));
    expect_added(bus_add_ports(vm->bus, &pci->device, &address));
    expect_added(bus_add_ports(vm->bus, &pci->device, &data));
    expect_added(bus_add_memory(vm->bus, &pci->device, &ecam));
    expect_added(pci_add(vm, &pci->bridge, &bridge_ops, 0, &bridge_identity));
    return true;
}

/* In the memory map of the guest. */
bool pci_show_ecam(struct vm *vm, struct image *image)
{
    image->reserved_base = gpa(PCI_ECAM_BASE);
    image->reserved_size = vm->pci ? PCI_ECAM_SIZE : 0;
    return true;
}

/* The first function that has something to be mapped brings what the bus needs for that. */
static bool has_windows(struct vm *vm, const struct pci_identity *id)
{
    bool needs = false;
    void *pages;

    for (unsigned i = 0; i < PCI_BARS; i++)
        needs |= id->bars[i].kind != PCI_BAR_NONE;
    if (!needs || vm->bus->windows.tables[0])
        return true;
    pages = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 2);
    if (pages)
        bus_use_windows(vm->bus, pages);
    return pages;
}

const char *pci_add(struct vm *vm, struct pci_function *f, const struct pci_function_ops *ops, unsigned slot,
                    const struct pci_identity *id)
{
    const char *why;

    if (!vm->pci)
        return "needs PCI";
    if (slot >= PCI_DEVICES || vm->pci->functions[slot])
        return "has a place that is taken";
    if (!has_windows(vm, id))
        return "does not fit into memory";
    f->ops = ops;
    f->vm = vm;
    f->slot = slot;
    pci_function_init(f, id);
    why = pci_bars_init(f, id);
    if (!why)
        why = pci_msix_init(f, id);
    if (!why)
        vm->pci->functions[slot] = f;
    return why;
}

bool pci_bus_master(const struct pci_function *f)
{
    return pci_command(f) & COMMAND_MASTER;
}
