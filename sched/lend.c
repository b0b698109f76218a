/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows the end of a VM takes long: it may be loaded again. Its CPU lends itself to others meanwhile.
 */
#include "arch/x86/cpu.h"
#include "sched/run_queue.h"

bool sched_begin_load(struct vm *vm)
{
    struct run_queue *q = this_cpu()->queue;

    if (!q)
        return true;
    if (q->lent) {
        vm->next_load = q->ended;
        q->ended = vm;
        return false;
    }
    if (q->fair.running && vcpu_of(q->fair.running)->v->vm == vm)
        q->loader = vcpu_of(q->fair.running);
    return true;
}

struct vm *sched_next_load(void)
{
    struct run_queue *q = this_cpu()->queue;
    struct vm *vm = q ? q->ended : NULL;

    if (vm)
        q->ended = vm->next_load;
    else if (q)
        q->loader = NULL;
    return vm;
}

/* As where a vCPU looks at its pending word, and by the clock: no timer of the processor's ends a load. */
static bool must_give_way(struct run_queue *q)
{
    struct vcpu *v = q->loader->v;

    if (!(v->asked & ASKED_RESCHED) && (!q->cpu->next_event || rdtsc() < q->cpu->next_event))
        return false;
    vcpu_take(v, ASKED_RESCHED);
    return sched_look();
}

/* The others run, until it is the loader's turn again. */
static void lend(struct run_queue *q)
{
    struct sched_vcpu *s = q->loader;

    q->lent = true;
    while ((s = sched_run_lent(q, s)) != q->loader)
        sched_heed(q->cpu);
    q->lent = false;
}

COLD void sched_lend(void)
{
    struct run_queue *q = this_cpu()->queue;

    if (!sched_heed(this_cpu()))
        return;
    let_interrupts_in();
    if (q && q->loader && !q->lent && must_give_way(q))
        lend(q);
}
