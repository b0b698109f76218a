/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's state in words: for the report of a crash, and for the monitor, for which a VM is at rest. */
#pragma once

#include "svm/state.h"

void svm_dump_guest(const struct vcpu *v);

/* As struct backend says (core/vm/backend.h). */
void svm_dump(struct vcpu *v, enum dump what);
void svm_dump_walk(struct vcpu *v, gpa_t at);
size_t svm_read_linear(struct vcpu *v, uint64_t linear, void *to, size_t n);
uint64_t svm_instruction_pointer(struct vcpu *v);
void svm_breakpoints_changed(struct vm *vm);
