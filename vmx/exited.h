/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of every exit, inlined into each function that vmx_enter() is given: the plain one (run.c) and
 * those that look at exits one by one (observe.c).
 */
#pragma once

#include "vmx/vmx.h"

typedef enum next vmx_exit_handler(struct vcpu *v);

/* exits.c */
extern vmx_exit_handler *const vmx_exit_handlers[EXIT_REASONS];
vmx_exit_handler vmx_handle_unexpected;

/* run.c */
bool vmx_stop_here(struct vcpu *v, enum next next);

/* prepare.c: takes what is pending of these bits of v->pending. False: the run ends. */
bool vmx_prepare(struct vcpu *v, uint64_t which);
#define PREPARE_ALL UINT64_MAX

static inline __attribute__((always_inline)) enum next vmx_handle_exit(struct vcpu *v, unsigned basic)
{
    if (unlikely(basic >= EXIT_REASONS))
        return vmx_handle_unexpected(v);
    v->stats->exits[basic]++;
    return vmx_exit_handlers[basic](v);
}

/* True: the guest goes on right away. */
static inline __attribute__((always_inline)) bool vmx_exited_by(struct vcpu *v, struct vmx_vcpu *x,
                                                                unsigned basic)
{
    enum next next;

    x->launched = true;
    next = vmx_handle_exit(v, basic);
    if (likely(next == NEXT_SKIP_AND_RESUME))
        vmx_skip_instruction();
    else if (unlikely(next != NEXT_RESUME) && !vmx_stop_here(v, next))
        return false;
    if (v->pending && !vmx_prepare(v, PREPARE_ALL))
        return false;
    if (x->timer_deadline)
        vmx_hv_timer_load(x);
    return x->launched; /* INIT clears the VMCS */
}
