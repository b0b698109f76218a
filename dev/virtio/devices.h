/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio devices of a VM, as its configuration asks for them: docs/devices.md. */
#pragma once

#include "core/vm/part.h"
#include "dev/virtio/virtio_pci.h"

/* Their places on the bus. */
enum { RNG_SLOT = 0x01, BLOCK_SLOT = 0x0a, CONSOLE_SLOT = 0x0c };

_Static_assert(BLOCK_SLOT + VM_MAX_DISKS <= CONSOLE_SLOT, "each disk has one");

extern const struct virtio_identity rng_identity;

/* Disk i. False: out of memory. */
struct virtio_pci *disk_create(struct vm *vm, unsigned i);
struct virtio_pci *vconsole_create(struct vm *vm);

/* A part of a VM (core/vm/part.h), behind PCI. */
bool virtio_create(struct vm *vm, const struct placement *p);

/* One that another part has made, while the VM is built. */
void virtio_add(struct vm *vm, struct virtio_pci *p);

/* For the monitor: what the device at this place is like. False: there is none. */
bool virtio_dump(const struct vm *vm, unsigned slot);
