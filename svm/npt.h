/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "svm/state.h"

bool svm_vm_create(struct vm *vm);
