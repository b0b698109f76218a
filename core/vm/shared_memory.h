/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that two or more VMs name (shared = NAME SIZE): the memory itself, and who can be rung there. What a
 * guest sees of it is a device (dev/pci/ivshmem.h). It is the hypervisor's, allocated when the first VM is
 * built, and zeroed when no VM has it.
 */
#pragma once

#include "core/vm/vm.h"

struct shared_memory;

/* How a VM hears of a doorbell: on the CPU that rings, under the memory's lock. */
typedef void shared_ring(void *context, unsigned vector);

/* Memory i of the VM's configuration, once, while it is built. NULL: out of memory. */
struct shared_memory *shared_attach(struct vm *vm, unsigned i, shared_ring *ring, void *context);
/* The VM is destroyed: when this returns nobody rings at it any more, or will. */
void shared_detach(struct vm *vm);

/* False: there is no such VM, or it does not run. */
bool shared_ring_at(struct shared_memory *s, unsigned peer, unsigned vector);

/* When it returns, no doorbell that found the VM alive is on its way any more. */
void shared_settle(struct shared_memory *s);

hpa_t shared_base(const struct shared_memory *s); /* contiguous, at a multiple of 2 MiB */

/* Pages that are not allocated yet of what a VM shares. */
uint64_t shared_missing(const struct vm_config *c);
