/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

void svm_self_test(struct vcpu *v); /* core/vm/backend.h */
