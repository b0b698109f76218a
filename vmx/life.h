/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM that does not run. */
#pragma once

#include "vmx/state.h"

void vmx_shift_time(struct vm *vm, uint64_t ticks);
