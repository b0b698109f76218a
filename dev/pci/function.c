/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of one function: a header of type 0 and a chain of capabilities. */
#include "dev/pci/pci_state.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

#define COMMAND_WRITABLE \
    (COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_PARITY | COMMAND_SERR | COMMAND_NO_INTX)

_Static_assert(PCI_CONFIG_SIZE / 4 == 64, "a bit for each dword");

static bool is_live(const struct pci_function *f, unsigned offset)
{
    return f->live >> offset / 4 & 1;
}

uint32_t pci_config_read(struct pci_function *f, unsigned offset, unsigned size)
{
    ASSERT(offset % 4 + size <= 4 && offset < PCI_CONFIG_SIZE);
    if (is_live(f, offset))
        return f->ops->config_read(f, offset, size);
    return (uint32_t)load_le(f->config + offset, size);
}

/* A byte that is read-only is not touched: others change the status under their own lock. */
static void store_writable(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = f->writable[offset + i], *to = &f->config[offset + i];

        if (mask)
            *to = (uint8_t)((*to & ~mask) | (value >> 8 * i & mask));
    }
}

void pci_config_write(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
    unsigned dword = offset & ~3u;

    ASSERT(offset % 4 + size <= 4 && offset < PCI_CONFIG_SIZE);
    if (is_live(f, offset)) {
        f->ops->config_write(f, offset, size, value);
        return;
    }
    store_writable(f, offset, size, value);
    if (dword == PCI_COMMAND || (dword >= PCI_BAR(0) && dword < PCI_BAR(PCI_BARS)))
        pci_bars_update(f);
    if (dword == PCI_COMMAND || (f->msix.count && dword == (f->msix.control & ~3u))) {
        pci_msix_update(f);
        pci_intx_update(f);
    }
}

void pci_function_init(struct pci_function *f, const struct pci_identity *id)
{
    store_le(f->config, id->vendor, 2);
    store_le(f->config + 2, id->device, 2);
    f->config[PCI_REVISION] = id->revision;
    store_le(f->config + PCI_REVISION + 1, id->class_code, 3);
    store_le(f->config + PCI_SUBSYSTEM, id->subsystem_vendor, 2);
    store_le(f->config + PCI_SUBSYSTEM + 2, id->subsystem, 2);
    store_le(f->writable + PCI_COMMAND, COMMAND_WRITABLE, 2);
    f->writable[PCI_LINE] = 0xff;
    f->config[PCI_PIN] = id->intx;
    f->capabilities_end = PCI_HEADER_SIZE;
    f->last_capability = PCI_CAPABILITIES - 1; /* so that its next is the header's pointer to the first */
}

unsigned pci_add_capability(struct pci_function *f, const struct pci_capability *c)
{
    unsigned at = f->capabilities_end;

    ASSERT(c->size >= 2 && c->live % 4 == 0 && c->live < c->size);
    ASSERT(!c->live || (f->ops->config_read && f->ops->config_write));
    if (c->size > PCI_CONFIG_SIZE - at)
        return 0;
    memcpy(f->config + at, c->body, c->size);
    if (c->writable)
        memcpy(f->writable + at, c->writable, c->size);
    f->config[at] = c->id;
    f->config[at + 1] = 0;
    f->writable[at] = f->writable[at + 1] = 0;
    f->config[f->last_capability + 1] = (uint8_t)at;
    f->config[PCI_STATUS] |= STATUS_CAPABILITIES;
    if (c->live)
        f->live |= BIT((at + c->live) / 4);
    f->last_capability = at;
    f->capabilities_end = (unsigned)ALIGN_UP(at + c->size, 4);
    return at;
}

void pci_function_reset(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++)
        f->config[i] &= (uint8_t)~f->writable[i];
    pci_bars_reset(f);
    pci_msix_reset(f);
    f->intx = false;
    pci_intx_update(f);
    if (f->ops->reset)
        f->ops->reset(f);
}
