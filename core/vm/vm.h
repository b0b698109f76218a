/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual machines and their virtual CPUs, without a word about how a processor runs them: that is the
 * backend's (core/vm/backend.h).
 */
#pragma once

#include "arch/x86/percpu.h"
#include "arch/x86/spinlock.h"
#include "core/vm/budget.h"
#include "core/config/config.h"
#include "core/base/console.h"
#include "core/vm/guest.h"
#include "core/host/machine.h"
#include "core/base/memory.h"
#include "core/vm/paravirt.h"
#include "core/vm/statistics.h"

#define VM_MAX_VCPUS 64
#define VM_INPUT     256

/* General registers by their number in instruction encodings; the exit stub stores them in this order. */
struct guest_regs {
    union {
        struct {
            uint64_t rax, rcx, rdx, rbx, rsp_unused, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
        };
        uint64_t by_number[16]; /* 4 (RSP) lives in the backend */
    };
    uint64_t host_rsp; /* the CPU's stack while the guest runs */
};

/* What an exit handler says happens next. */
enum next {
    NEXT_RESUME,          /* enter the guest again */
    NEXT_SKIP_AND_RESUME, /* first step over the instruction that exited */
    NEXT_HALT,            /* step over it and wait for an interrupt */
    NEXT_YIELD,           /* step over it and let others run: it spins for one of them */
    NEXT_GIVE_WAY,        /* step over it, and then the one runs that was favoured (sched_yield_to) */
    NEXT_PREEMPT,         /* its slice is over */
    NEXT_LEAVE,           /* the VM has ended or a request is pending: back to the scheduler */
};

/* Why a VM is being ended. */
enum vm_end {
    VM_END_NONE,
    VM_END_OFF,
    VM_END_RESET,
    VM_END_CRASH,
    VM_END_STOP, /* somebody wants it to be off, whatever on-exit says */
};

/* What another vCPU asked of this one: INIT, then SIPI with its vector in bits 7:0. One word, so that their
 * order is kept. */
#define REQUEST_INIT      0x200u
#define REQUEST_STARTUP   0x100u
#define REQUEST_VECTOR(r) ((r)&0xff)

enum activity { ACTIVE, HALTED, WAIT_FOR_SIPI };

struct vcpu {
    struct guest_regs regs ALIGNED(16); /* first: NASM finds it at the vCPU's address */
    struct vm *vm;
    unsigned id;              /* from 0 within the VM */
    uint32_t apic_id;         /* virtual */
    struct cpu *cpu;          /* its own, or where it runs or ran last */
    struct sched_vcpu *sched; /* NULL: it owns its CPU */
    void *backend;            /* struct vmx_vcpu */
    struct vlapic *lapic;
    volatile enum activity activity;
    volatile bool dead;        /* nothing but INIT, SIPI or NMI can wake it */
    volatile unsigned request; /* INIT and SIPI, or 0 */
    volatile bool kicked;      /* a request or mail came since the flag was cleared */
    struct vcpu_statistics *stats;
    bool aside; /* its CPU is at the monitor: no event for the trace */
    struct paravirt pv;
    uint32_t trace_who; /* in events (core/base/trace.h) */
    struct observation {
        bool on;               /* while it runs or ran last: its exits are looked at one by one */
        uint64_t since;        /* TSC at which that began, */
        uint64_t exits, ticks; /* and its counts then */
    } observed;
    struct budget budget; /* with exit-budget */
};

#define BREAKPOINTS 4 /* as many as the processor has */

struct breakpoints {
    bool int3;                /* an int3 of the guest stops it */
    unsigned used;            /* a bit for each of these */
    uint64_t at[BREAKPOINTS]; /* linear address */
};

struct vm {
    const struct vm_config *config;
    unsigned id; /* place in vms[] and in the configuration, from 0; VPIDs derive from it */
    struct account account;
    struct account built;        /* what it held when it was ready: it never changes again */
    uint64_t memory;             /* bytes of RAM */
    hpa_t *ram;                  /* host address of each 2 MiB of RAM, in guest order without the hole */
    void *backend;               /* struct vmx_vm */
    struct pc *pc;               /* its devices */
    struct pid_table *pid_table; /* the mailboxes of its vCPUs */
    uint32_t kvm_features;       /* that the guest is offered (hypercall/kvm_abi.h) */
    struct vcpu *vcpus[VM_MAX_VCPUS];
    unsigned vcpu_count;
    volatile bool live;    /* started and not ended */
    volatile bool stopped; /* built, or ended to the last: vm_start() may start it */
    volatile bool paused;  /* live, but its vCPUs do not run */
    bool traced;           /* as the configuration or the monitor wants it; changed while none of them runs */
    uint64_t stopped_at;   /* TSC */
    uint64_t budget_told;  /* TSC of the last line about it */
    uint64_t paused_at;    /* TSC when the last of them had left */
    struct breakpoints breakpoints;
    struct vcpu *stopped_by; /* paused, because this one met a breakpoint (core/life/breakpoint.h); or NULL */
    const char *stop_reason;
    uint64_t stopped_tsc;
    bool stop_told;   /* the monitor has shown it */
    unsigned running; /* vCPUs between schedule-in and schedule-out */
    volatile enum vm_end ending;
    unsigned resets;
    struct spinlock lock; /* guards input and the devices in pc */
    struct console_stream console;
    uint8_t input[VM_INPUT]; /* typed bytes its UART has not taken yet */
    unsigned input_head, input_tail;
    uint64_t input_lost;
};

/* By their number in the configuration; NULL: not built. Written by the boot CPU only. */
extern struct vm *vms[CONFIG_MAX_VMS];
extern unsigned vm_count; /* that are built */

/* The next VM that is built, in the order of the configuration; NULL begins, and ends. */
struct vm *vm_next(const struct vm *after);

/*
 * Builds VM number id from its configuration: memory, vCPUs on free physical CPUs, devices, images. NULL
 * after reporting the reason as a configuration error.
 */
struct vm *vm_build(const struct vm_config *config, unsigned id);

/* The files that a configuration names, among the boot modules. False after reporting which is missing. */
bool vm_find_images(const struct vm_config *c, struct image *image);

/* Brings it to the state of a machine just switched on, with its images in memory. False after reporting why.
 */
bool vm_load(struct vm *vm);

/* Rate of its guest's TSC. */
static inline uint64_t vm_tsc_hz(const struct vm *vm)
{
    return vm->config->tsc_khz ? (uint64_t)vm->config->tsc_khz * 1000 : machine.tsc_hz;
}

/* Every started VM has ended. */
bool vm_all_ended(void);

/*
 * Asks a VM to end, from one of its vCPUs; the handler then returns NEXT_LEAVE. why is for the log, one line.
 * The first request wins.
 */
void vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * The scheduler's part: vm_may_run() tells whether there is a point in trying (a kick says that it changed),
 * begin comes before a vCPU runs (false: it must not after all), end after it in any case. The last vCPU that
 * leaves a VM with an ending stops or resets it.
 */
static inline bool vm_may_run(const struct vm *vm)
{
    return __atomic_load_n(&vm->live, __ATOMIC_SEQ_CST) && !vm->paused && vm->ending == VM_END_NONE;
}

bool vm_wants_cpu(const struct vm *vm); /* it may run, or has to be ended */
void vm_last_out(struct vm *vm);        /* vm_end_run() found nobody else in a VM that ends */

static inline bool vm_begin_run(struct vm *vm)
{
    __atomic_add_fetch(&vm->running, 1, __ATOMIC_SEQ_CST);
    return vm_may_run(vm);
}

static inline void vm_end_run(struct vm *vm)
{
    if (!__atomic_sub_fetch(&vm->running, 1, __ATOMIC_SEQ_CST) && unlikely(vm->ending != VM_END_NONE))
        vm_last_out(vm);
}

/* Marks a vCPU as dead to everything but INIT, SIPI and NMI; a VM whose vCPUs all are has ended. */
void vcpu_dead(struct vcpu *v);

/* INIT and SIPI, from any CPU (SDM volume 3, "MP initialization protocol"). */
void vcpu_send_init(struct vcpu *v);
void vcpu_send_startup(struct vcpu *v, unsigned vector);

/* Prints what it holds beside its RAM. */
void vm_print_costs(const struct vm *vm);

/* Wakes a vCPU: it looks at its mailbox and requests before it runs on. */
void vcpu_kick(struct vcpu *v);

/* Keys typed on the console for this VM. */
void vm_input(struct vm *vm, uint8_t byte);
