/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A channel connects two VMs that name it (channels = NAME): a page that both may read and write, and a
 * doorbell at each end. The page belongs to the hypervisor and is zeroed when neither VM is there.
 */
#pragma once

#include "core/vm/vm.h"

/* A vector and a vCPU of this VM, for its doorbell. */
struct listener {
    uint8_t vector; /* 0: nobody listens */
    uint8_t vcpu;
};

/* The page of channel number i of the VM's configuration; NULL: out of memory. Once per VM, when it is built.
 */
void *channel_attach(struct vm *vm, unsigned i);
/* The VM is destroyed: when this returns nobody rings at it any more, or will. */
void channel_detach(struct vm *vm);
/* Its guest has gone: nobody listens. */
void channel_reset(struct vm *vm);

void channel_listen(struct vm *vm, unsigned i, struct listener listener);
bool channel_is_heard(const struct vm *vm, unsigned i); /* at the other end */
/* Calls ring with the listener at the other end. False: there is none. */
bool channel_ring(struct vm *vm, unsigned i, void (*ring)(struct vcpu *v, unsigned vector));
