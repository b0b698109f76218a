/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM is made of: a row for each part, in the order in which they are built. boot/start/parts.c has the
 * rows, so that a new device changes one table. Functions that a part does not need are NULL.
 */
#pragma once

#include "boot/guest/loader.h"
#include "core/vm/vm.h"

/* The physical CPUs that a VM may use: dedicated, one for each vCPU in order; shared, all that it may run on.
 */
struct placement {
    struct cpu *const *cpus;
    unsigned count;
};

struct vm_part {
    const char *name;
    /* Once, while the VM is built, from its own account; then for each of its vCPUs. False: out of memory. */
    bool (*create)(struct vm *vm, const struct placement *p);
    bool (*create_vcpu)(struct vcpu *v, const struct placement *p);
    /* What it leaves in the guest's memory, before the kernel comes: at each start. False: no room. */
    bool (*firmware)(struct vm *vm, struct image *image);
    /* As a machine that was just switched on has it; then for each vCPU, start for vCPU 0 only. */
    void (*reset)(struct vm *vm);
    void (*reset_vcpu)(struct vcpu *v, const struct start_state *start);
    /* Its guest has ended, no vCPU runs: from now on nobody else touches its memory either. */
    void (*rest)(struct vm *vm);
    /* Its memory is about to go. Also of a VM that could not be built. */
    void (*destroy)(struct vm *vm);
};
