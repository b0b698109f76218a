/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "svm/state.h"

/* What comes next is put into the VMCB, and windows for the rest (core/vm/backend.h). */
void svm_deliver(struct vcpu *v);
/* An exit has come in the middle of the delivery of an event: it is delivered again. */
void svm_reinject(struct vcpu *v);

/* The exits of windows: an interrupt can be delivered; an IRET is about to end an NMI. */
enum next svm_handle_window(struct vcpu *v);
enum next svm_handle_iret(struct vcpu *v);
/* #DB behind that IRET. False: it was not about that. */
bool svm_iret_is_over(struct vcpu *v);
void svm_forget_nmi(struct vcpu *v); /* INIT */
