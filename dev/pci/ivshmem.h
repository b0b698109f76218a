/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that VMs share, as a PCI device: what QEMU's "ivshmem" of revision 1 shows (its document "Device
 * Specification for Inter-VM shared memory device"), so that drivers for that one do.
 *
 * BAR 0, 256 bytes, in words of 32 bits and nothing else: 0 interrupt mask and 4 interrupt status, which mean
 * nothing in this revision; 8 IVPosition, the VM's own number, read-only; 0Ch doorbell, write-only: a peer's
 * number in bits 31:16, a vector in bits 15:0. BAR 1: MSI-X. BAR 2: the memory.
 */
#pragma once

#include "core/vm/part.h"

#define IVSHMEM_SLOT    0x0d
#define IVSHMEM_VECTORS 8

/* A part of a VM (core/vm/part.h), behind PCI: a device for each memory that it shares. */
bool ivshmem_create(struct vm *vm, const struct placement *p);
void ivshmem_destroy(struct vm *vm);

/* What the VM's devices have done so far, on the console. */
void ivshmem_print(const struct vm *vm);
