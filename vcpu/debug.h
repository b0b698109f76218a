/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers of a guest, and the monitor's breakpoints (core/life/breakpoint.h). While a VM has some,
 * they are in the debug registers of its vCPUs (guest_context.dr, DR7), `watched` is set, and the guest's own
 * values are kept beside: MOV DR exits and works on those (SDM volume 3, "Debug registers").
 */
#pragma once

#include "vcpu/state.h"

/* The breakpoints of its VM have changed, or its state is new. The vCPU is loaded, or at rest and being
 * looked at. */
void vcpu_debug_follow(struct vcpu *v);
void vcpu_debug_init(struct vcpu *v); /* the guest's own, of the vCPU that runs here */

struct debug_move {
    bool from_dr;
    uint8_t dr, gpr; /* numbers */
};
enum next vcpu_move_debug(struct vcpu *v, struct debug_move move);

enum next vcpu_int3(struct vcpu *v, unsigned length);              /* #BP, that only the monitor asks for */
enum next vcpu_debug_exception(struct vcpu *v, uint64_t dr6_hits); /* #DB: B0-B3, BD, BS as in DR6 */

/* What the guest sees in its debug registers. */
struct debug_registers vcpu_guest_debug(const struct vcpu *v);
