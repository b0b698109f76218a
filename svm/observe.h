/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "svm/state.h"

/* What is called for each exit of v: svm_exited(), or what also records it in the trace, times it, and holds
 * it against the budget, where that is on. */
svm_on_exit *svm_observer(struct vcpu *v);
