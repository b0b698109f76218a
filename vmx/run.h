/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run of a vCPU, and the way of every exit in it, inlined into each function that vmx_enter() is given: the
 * plain one (run.c) and those that look at exits one by one (observe.c).
 */
#pragma once

#include "vcpu/prepare.h"
#include "vmx/entry.h"
#include "vmx/guest.h"
#include "vmx/hv_timer.h"

/* core/vm/backend.h */
enum run_end vmx_run(struct vcpu *v);

bool vmx_exited(struct vcpu *v, uint32_t reason);             /* for most */
void vmx_failed_entry(struct vcpu *v, enum vmx_entry result); /* its VM ends */
/* What a handler says that does not let the guest go on. */
bool vmx_stop_here(struct vcpu *v, enum next next);

/* exits.c: by basic reason. */
typedef enum next vmx_exit_handler(struct vcpu *v);
extern vmx_exit_handler *const vmx_exit_handlers[EXIT_REASONS];
extern const uint8_t vmx_exit_kinds[EXIT_REASONS]; /* enum exit_kind */
vmx_exit_handler vmx_handle_unexpected;
const char *vmx_reason_name(unsigned reason);
const char *vmx_exit_name(unsigned kind);

/* Of an exit; one that is not known yet has the last row of both tables. */
static inline unsigned vmx_basic_reason(uint32_t reason)
{
    unsigned basic = (uint16_t)reason;

    return likely(basic < EXIT_REASONS) ? basic : EXIT_REASONS - 1;
}

static INLINED enum next vmx_handle_exit(struct vcpu *v, unsigned basic, unsigned kind)
{
    v->stats->exits[kind]++;
    return vmx_exit_handlers[basic](v);
}

/* True: the guest goes on right away. */
static INLINED bool vmx_exited_by(struct vcpu *v, unsigned basic, unsigned kind)
{
    enum next next = vmx_handle_exit(v, basic, kind);

    if (likely(next == NEXT_SKIP_AND_RESUME))
        vmx_skip_instruction();
    else if (unlikely(next != NEXT_RESUME) && !vmx_stop_here(v, next))
        return false;
    if (v->pending && !vcpu_prepare(v, PREPARE_ALL))
        return false;
    if (v->fast.deadline)
        vmx_hv_timer_load(v);
    return true;
}
