/* SPDX-License-Identifier: BSD-2-Clause */
#include "svm/asid.h"

#include "svm/caps.h"

/* tlb_control counts for one entry: run.c takes it back. */
COLD void svm_new_asid(struct vcpu *v)
{
    struct svm_vcpu *x = svm_of(v);
    struct svm_cpu *cpu = svm_cpu();
    uint64_t now = second_level_generation(v->vm), *seen = &this_cpu()->tables_seen[v->vm->id];

    if (!cpu->asid_round || cpu->next_asid >= svm_caps.asids) {
        cpu->asid_round++;
        cpu->next_asid = 1;
        x->vmcb->tlb_control = VMCB_FLUSH_ALL;
    }
    x->vmcb->asid = cpu->next_asid++;
    svm_dirty(x->vmcb, CLEAN_ASID);
    x->asid_round = cpu->asid_round;
    x->last_cpu = this_cpu();
    x->tables_seen = now;
    if (*seen != now)
        second_level_flushed(v->vm, seen, now);
}
