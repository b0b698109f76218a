/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

void vmx_self_test(struct vcpu *v);
