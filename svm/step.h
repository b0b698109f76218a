/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

const char *svm_step(struct vcpu *v); /* core/vm/backend.h */
