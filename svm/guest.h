/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's registers in its VMCB, as vcpu/ asks for them (core/vm/backend.h). */
#pragma once

#include "svm/state.h"

uint64_t svm_get(const struct vcpu *v, enum guest_register which);
void svm_set(struct vcpu *v, enum guest_register which, uint64_t value);
void svm_get_mode(const struct vcpu *v, struct guest_mode *out);
void svm_note_mode(const struct vcpu *v, struct mode_note *out);
bool svm_is_mode(const struct vcpu *v, const struct mode_note *note);
void svm_set_pdptes(struct vcpu *v, const uint64_t entries[4]);
void svm_set_tsc_offset(struct vcpu *v, uint64_t offset);
void svm_skip(struct vcpu *v, unsigned length);
void svm_skip_instruction(struct vcpu *v); /* the one that exited */
