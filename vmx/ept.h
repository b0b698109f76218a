/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

bool vmx_vm_create(struct vm *vm);
