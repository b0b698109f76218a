/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of a VM: a module of the boot medium, and the pages for what is written to it. */
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/panic.h"
#include "core/vm/vm.h"
#include "dev/virtio/block.h"
#include "dev/virtio/devices.h"

#define BLOCK_CLASS 0x018000 /* mass storage, other */

static uint64_t pages_for(uint64_t bytes)
{
    return ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
}

/* What was written stays over resets of the guest, as on a disk. */
static struct block_changes *create_changes(struct vm *vm, uint64_t budget, uint64_t size)
{
    uint64_t count = budget / PAGE_2M, head = sizeof(struct block_changes) + count * sizeof(uint8_t *);
    struct block_changes *ch = memory_alloc_zeroed(&vm->account, MEMORY_STATE, pages_for(head));
    uint8_t **pieces = (uint8_t **)(ch + 1);

    ASSERT(count > 0 && budget % PAGE_2M == 0);
    if (!ch)
        return NULL;
    ch->map =
        memory_alloc_zeroed(&vm->account, MEMORY_STATE, pages_for(pages_for(size) * sizeof(ch->map[0])));
    for (uint64_t i = 0; i < count && ch->map; i++) {
        hpa_t piece = memory_alloc(&vm->account, MEMORY_STATE, PAGE_2M / PAGE_SIZE, 1);

        if (!piece.value)
            return NULL;
        pieces[i] = phys_to_virt(piece);
        memory_zero(pieces[i], PAGE_2M / PAGE_SIZE);
    }
    ch->pieces = pieces;
    ch->pages = (uint32_t)(budget / PAGE_SIZE);
    return ch->map ? ch : NULL;
}

struct virtio_pci *disk_create(struct vm *vm, unsigned i)
{
    const struct disk_config *c = &vm->config->disks[i];
    const struct boot_module *m = machine_module(c->file);
    struct block b = {0};
    uint8_t config[VIRTIO_CONFIG_BYTES];
    struct virtio_identity id = {.ops = &block_ops,
                                 .slot = BLOCK_SLOT + i,
                                 .class_code = BLOCK_CLASS,
                                 .config = config,
                                 .model_size = sizeof(b)};
    struct virtio_pci *p;

    ASSERT(m && m->size >= SECTOR); /* as image_find() found it */
    b.bytes = phys_to_virt(m->start);
    b.sectors = m->size / SECTOR;
    format(b.name, sizeof(b.name), "skerry-%u", i);
    if (c->budget) {
        b.changes = create_changes(vm, c->budget, m->size);
        if (!b.changes)
            return NULL;
    }
    id.config_size = block_configure(&b, config);
    id.features = block_features(&b);
    p = virtio_pci_create(vm, &id);
    if (p)
        *(struct block *)p->device.model = b;
    return p;
}
