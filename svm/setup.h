/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "svm/state.h"

bool svm_vcpu_create(struct vcpu *v);
/* As struct backend says (core/vm/backend.h). */
void svm_vcpu_reset(struct vcpu *v, const struct start_state *start);
void svm_vcpu_init(struct vcpu *v);
void svm_vcpu_startup(struct vcpu *v, unsigned vector);
void svm_exit_on_debug(struct vcpu *v, bool on);
void svm_set_breakpoint_exits(struct vcpu *v); /* as the monitor wants them */
