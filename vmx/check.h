/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

/* Says which rules of a VM entry the current VMCS breaks; returns their number. */
unsigned vmx_explain_failed_entry(const struct vcpu *v, uint32_t error, uint32_t reason);
