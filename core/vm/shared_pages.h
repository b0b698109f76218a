/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages that a guest sees beside its RAM: the counters of its vCPUs, read-only, and the pages of the channels
 * that connect it with other VMs. Each is mapped when the VM is built, and stays.
 */
#pragma once

#include "core/vm/part.h"

/* Of channels, and of a vCPU's counters. False: out of memory. */
bool shared_pages_create(struct vm *vm, const struct placement *p);
bool shared_pages_create_vcpu(struct vcpu *v, const struct placement *p);
