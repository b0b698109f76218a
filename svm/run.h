/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of a vCPU, and the way of every exit in it, inlined into the function that looks at it: run.c,
 * observe.c. */
#pragma once

#include "svm/guest.h"
#include "vcpu/prepare.h"

/* core/vm/backend.h */
enum run_end svm_run(struct vcpu *v);
void svm_deadline_moved(struct vcpu *v);

void svm_switch_in(struct vcpu *v); /* the CPU is v's */
void svm_switch_out(struct vcpu *v);
void svm_enter_once(struct vcpu *v, struct svm_vcpu *x); /* and what is switched around it */

bool svm_exited(struct vcpu *v); /* for most */
bool svm_stop_here(struct vcpu *v,
                   enum next next); /* what a handler says that does not let the guest go on */

/* exits.c */
enum next svm_handle_exit(struct vcpu *v);
unsigned svm_exit_kind(const struct vmcb *b); /* enum exit_kind */
const char *svm_code_name(uint64_t code);
const char *svm_exit_name(unsigned kind);

/* True: the guest goes on right away. */
static INLINED bool svm_exited_by(struct vcpu *v, unsigned kind)
{
    enum next next;

    v->stats->exits[kind]++;
    next = svm_handle_exit(v);
    if (likely(next == NEXT_SKIP_AND_RESUME))
        svm_skip_instruction(v);
    else if (unlikely(next != NEXT_RESUME) && !svm_stop_here(v, next))
        return false;
    return !v->pending || vcpu_prepare(v, PREPARE_ALL);
}
