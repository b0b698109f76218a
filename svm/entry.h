/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

/* The one way into a guest and back (entry.asm). */
void svm_enter(struct vcpu *v, hpa_t vmcb, hpa_t host);
