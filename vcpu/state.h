/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an x86 CPU has beside its general registers, whichever processor runs it, as far as the backend's
 * processor does not keep it itself. It is the beginning of each backend's own object per vCPU.
 */
#pragma once

#include "apic/guest_tsc.h"
#include "core/vm/backend.h"
#include "dev/bus.h"
#include "dev/decode.h"
#include "vcpu/walk.h"

#define XSAVE_AREA 2688 /* standard format up to AVX-512 */

/* Registers that are the guest's while it has a CPU (context.h). */
struct guest_context {
    uint8_t vector[XSAVE_AREA] ALIGNED(64);
    uint64_t msrs[CPU_LOADED_MSRS]; /* that the guest writes through us; guards_word() */
    uint64_t kernel_gs_base;
    uint64_t cr2, dr[4], dr6;
};

_Static_assert(XSAVE_AREA >= 512 + 64 && XSAVE_AREA % 64 == 0,
               "legacy area, header, and whole lines behind them");
_Static_assert(ARRAY_SIZE(((struct guest_context *)NULL)->dr) == BREAKPOINTS,
               "the monitor may have all of them");

enum save_with { SAVE_FXSAVE, SAVE_XSAVE, SAVE_XSAVEOPT };

struct debug_registers {
    uint64_t dr[4], dr6, dr7;
};

/* What an instruction does that has no part in flags, nor leaves some of its register (mmio.c). */
enum plain_move { NO_PLAIN_MOVE, PLAIN_LOAD, PLAIN_STORE, PLAIN_STORE_NUMBER };

/* An instruction that reached a device, and what it was decoded to (mmio.c): right as long as its bytes are
 * the same. */
struct decoded {
    uint64_t rip;
    struct mode_note mode;
    struct kept_fetch fetch;
    uint64_t bytes[2];           /* as fetched, with what is behind it; zeros where nothing was fetched */
    uint32_t count;              /* of bytes that were, */
    uint32_t bits;               /* and the mode; 0: nothing is here */
    uint8_t move;                /* enum plain_move, */
    bool quick;                  /* which is one, of a fetch that is kept; */
    bool simple;                 /* of an address that is a register and a displacement, */
    uint32_t room;               /* that may be so far behind the start of a page; */
    uint64_t mask;               /* the bits of its operand */
    const struct bus_slot *slot; /* that took its last access, if any did */
    struct mmio_insn insn;
};

#define DECODED_PLACES 4 /* a power of two; by the instruction's address */

struct vcpu_state {
    struct guest_context context;
    enum save_with save_with;
    bool debug;                 /* its debug registers are in the CPU's while it has one; else MOV DR exits */
    bool watched;               /* the debug registers are the monitor's, */
    struct debug_registers own; /* and these the guest's (debug.h) */
    enum run_end end;           /* why the run ends; RUN_ON: it goes on */
    uint64_t exit_tsc; /* of the exit that is being handled, if time is counted, or of the end of its HLT */
    uint32_t event;    /* to be injected next (event.h), 0: none */
    uint32_t event_error;
    uint32_t event_length; /* of the instruction that raised it, where that counts */
    bool event_again;      /* it is delivered again: RFLAGS is as the processor left it for that */
    uint8_t nmis;          /* to be delivered: two at most, one while one is handled */
    bool tsc_started;      /* it has had its SIPI: its TSC stays with it */
    uint64_t cr4_allowed;  /* bits the guest may set, by its CPUID */
    uint64_t xcr0_allowed;
    uint64_t xcr0; /* the guest's; loaded in the register while it is on the CPU */
    struct guest_tsc tsc;
    uint64_t tsc_adjust;
    uint64_t mtrr_def_type; /* the guest's own, kept but without effect */
    uint64_t misc_enable;
    struct decoded decoded[DECODED_PLACES];
};

_Static_assert(offsetof(struct vcpu_state, context.vector) % 64 == 0, "as XSAVE wants it");

static inline struct vcpu_state *state_of(const struct vcpu *v)
{
    return v->backend;
}

/* Whether HLT and MWAIT are the processor's: a vCPU that has its CPU alone may wait there. */
static inline bool vcpu_halts_by_itself(const struct vcpu *v)
{
    return !v->sched && !v->vm->config->hlt_exits && backend.guest_may_use(GUEST_HALT);
}

/* A general register by its number in an encoding; the backend's processor keeps RSP. */
static inline uint64_t read_gpr(const struct vcpu *v, unsigned number)
{
    return number == 4 ? backend.get(v, GUEST_RSP) : v->regs.by_number[number];
}

static inline void write_gpr(struct vcpu *v, unsigned number, uint64_t value)
{
    if (number == 4)
        backend.set(v, GUEST_RSP, value);
    else
        v->regs.by_number[number] = value;
}

/* As a processor has it after power-on, or INIT: what stands here. The backend's own comes behind it. */
void vcpu_state_reset(struct vcpu *v);
/* The general registers beside it, as the guest starts, or after INIT. */
void vcpu_reset_general(struct vcpu *v, const struct start_state *start);
extern const struct start_state vcpu_waits_for_sipi; /* who has not been started */
