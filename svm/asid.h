/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address space identifiers: what the TLB keeps of a guest carries that of its vCPU (APM volume 2, "TLB
 * control"). Each CPU gives them out by itself, one after the other, and a vCPU that must find nothing of
 * what was before gets a new one: when it comes to the CPU, when its guest flushes all, when second-level
 * tables have lost something. When none is left the whole TLB is flushed, and a new round begins.
 */
#pragma once

#include "svm/state.h"

void svm_new_asid(struct vcpu *v);

/* Before an entry: v has an ASID of this CPU's round, and nothing of older second-level tables. */
static inline void svm_sync(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    uint64_t now = second_level_generation(v->vm);

    if (unlikely(x->tables_seen != now || x->last_cpu != this_cpu() ||
                 x->asid_round != svm_cpu()->asid_round))
        svm_new_asid(v);
}
