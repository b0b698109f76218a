/* SPDX-License-Identifier: BSD-2-Clause */
/* BARs: whatever stands in their registers and in the command register of two functions, and any accesses. */
#include "tests/prove/one_cpu.h"

#include "dev/pci/bars.c"

void main(void);

bool pci_msix_read(struct pci_function *f, unsigned offset, unsigned size, uint64_t *value)
{
    (void)f;
    (void)offset;
    (void)size;
    *value = any64();
    return any_bool();
}

bool pci_msix_write(struct pci_function *f, unsigned offset, unsigned size, uint64_t value)
{
    (void)f;
    (void)offset;
    (void)size;
    (void)value;
    return any_bool();
}

const char *bus_open_window(struct bus *b, struct device *d, bool port, const struct bus_range *r)
{
    (void)b;
    (void)d;
    (void)port;
    (void)r;
    return any_bool() ? "it is taken" : NULL;
}

void bus_close_window(struct bus *b, bool port, uint64_t first)
{
    (void)b;
    (void)port;
    (void)first;
}

unsigned guest_ranges(const struct vm *vm, struct guest_range ranges[GUEST_MAX_RANGES])
{
    (void)vm;
    for (unsigned i = 0; i < GUEST_MAX_RANGES; i++)
        ranges[i] = (struct guest_range){gpa(any64()), any64()};
    return (unsigned)Frama_C_interval(0, GUEST_MAX_RANGES);
}

static uint64_t read_model(struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    (void)f;
    (void)offset;
    if (bar >= PCI_BARS || size > 8)
        assertion_failed(__LINE__, "of a BAR");
    return any64();
}

static void write_model(struct pci_function *f, unsigned bar, unsigned offset, unsigned size, uint64_t value)
{
    (void)value;
    read_model(f, bar, offset, size);
}

/* As configuration space leaves it; sizes as a device may have them. */
static void use(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_HEADER_SIZE; i++)
        f->config[i] = any8();
    switch (Frama_C_interval(0, 3)) {
    case 0: pci_bars_update(f); break;
    case 1: pci_bars_reset(f); break;
    case 2: pci_bar_read(f, any32(), any32(), 1u << Frama_C_interval(0, 3)); break;
    default: pci_bar_write(f, any32(), any32(), 1u << Frama_C_interval(0, 3), any64()); break;
    }
}

void main(void)
{
    static const struct pci_function_ops ops = {
        .name = "proof", .bar_read = read_model, .bar_write = write_model};
    static const struct pci_identity id = {.bars = {{PCI_BAR_MEMORY32, 0x4000},
                                                    {PCI_BAR_IO, 4},
                                                    {PCI_BAR_MEMORY64, 0x100000},
                                                    {PCI_BAR_NONE, 0},
                                                    {PCI_BAR_MEMORY32, 0x1000}}};
    static struct vm vm;
    static struct pci pci;
    static struct pci_function one, other;

    vm.pci = &pci;
    pci.functions[1] = &one;
    pci.functions[2] = &other;
    one.vm = other.vm = &vm;
    one.ops = other.ops = &ops;
    one.slot = 1;
    other.slot = 2;
    one.msix.bar = 4;
    pci_bars_init(&one, &id);
    pci_bars_init(&other, &id);
    while (any_bool()) {
        if (any_bool())
            use(&one);
        else
            use(&other);
    }
}
