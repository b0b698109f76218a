/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that does not run. */
#pragma once

#include "core/vm/vm.h"

/* It goes for good: no CPU keeps a pointer to one of its vCPUs. */
void vcpu_forget_vm(struct vm *vm);

/* So many ticks of the host have not been for v's guest. False: its TSCs have not begun, nothing is to be
 * moved. The vCPU's registers can be written to (backend.set_tsc_offset). vcpu 0 first. */
bool vcpu_time_moves(struct vm *vm);
void vcpu_shift_time(struct vcpu *v, uint64_t ticks);

bool vcpu_block(struct vcpu *v, uint64_t *wake_at); /* core/vm/backend.h */
