/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses that the second-level tables do not allow: to device registers, or to addresses where nothing is.
 */
#pragma once

#include "core/vm/vm.h"

/* Emulates the instruction at RIP (rip), which has reached for this address; #UD for one that is not
 * emulated. */
enum next vcpu_device_memory(struct vcpu *v, gpa_t at, uint64_t rip);

/* RAM that is read-only: the VM ends. */
enum next vcpu_protected_write(struct vcpu *v, gpa_t at);

/* What no instruction does, but the processor for one: the VM ends. */
enum next vcpu_memory_refused(struct vcpu *v, gpa_t at, const char *what);
