/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "svm/state.h"

/* Says which rules of an entry the vCPU's VMCB breaks, a line each. How many; 0: none that Skerry knows. */
unsigned svm_explain_failed_entry(const struct vcpu *v);
