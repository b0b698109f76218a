/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

/* core/vm/backend.h: one instruction of v, on this CPU. */
const char *vmx_step(struct vcpu *v);
