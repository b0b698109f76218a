/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "dev/virtio/ring.h"

struct vm;

/* A VM's RAM, for rings and buffers in it. To be used by the VM's own vCPUs at an exit, so that what it
 * closes or gives up meanwhile is waited for. */
struct ring_memory vm_memory(struct vm *vm);
