/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual machines and their virtual CPUs, without a word about how a processor runs them: that is the
 * backend's (core/vm/backend.h).
 */
#pragma once

#include "arch/x86/percpu.h"
#include "arch/x86/spinlock.h"
#include "core/base/console.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/config/config.h"
#include "core/vm/budget.h"
#include "core/vm/fastpath.h"
#include "core/vm/guest.h"
#include "core/vm/paravirt.h"
#include "core/vm/statistics.h"

#define VM_MAX_VCPUS CONFIG_MAX_VCPUS
#define VM_INPUT     256

/* General registers by their number in instruction encodings; the exit stub stores them in this order. */
struct guest_regs {
    union {
        struct {
            uint64_t rax, rcx, rdx, rbx, rsp_unused, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
        };
        uint64_t by_number[16]; /* 4 (RSP) lives in the backend */
    };
    uint64_t host_rsp;  /* the CPU's stack while the guest runs */
    uint64_t spec_ctrl; /* IA32_SPEC_CTRL, as the guest has it (vcpu/guards.h) */
};

_Static_assert(offsetof(struct guest_regs, rsi) == offsetof(struct guest_regs, by_number[6]) &&
                   offsetof(struct guest_regs, r15) == offsetof(struct guest_regs, by_number[15]),
               "by their numbers");

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
    VM_END_STOP,  /* the operator wants it to be off, whatever on-exit says */
    VM_END_START, /* it is off, and the operator wants it to be loaded and to start */
};

/* The phases of a VM's life; which code moves it is listed in sched/vm_run.h. */
enum vm_phase {
    VM_STOPPED, /* built and not started, or ended to the last */
    VM_RUNS,
    VM_PAUSING, /* its vCPUs are asked to leave */
    VM_PAUSED,  /* none of them runs or will */
    VM_STEPS,   /* paused, but for one instruction of one vCPU */
    VM_ENDING,  /* its vCPUs are asked to leave for good */
    VM_LOADING, /* they have, and the CPU of the last one prepares what follows */
    VM_PHASES
};

/* What a VM is paused for. */
enum vm_pause {
    PAUSE_NONE,
    PAUSE_LOOK,  /* the monitor looks at it for a moment */
    PAUSE_USER,  /* the operator said so, and it stays so through a reset */
    PAUSE_STOP,  /* a vCPU met a breakpoint, which the monitor has not shown yet */
    PAUSE_SHOWN, /* it has */
};

/* All of a VM's life in one word, which changes in one locked instruction. */
union vm_state {
    struct {
        uint8_t phase;    /* enum vm_phase */
        uint8_t pause;    /* enum vm_pause */
        uint8_t vcpu;     /* that met the breakpoint */
        uint8_t end;      /* enum vm_end, while it ends */
        uint32_t running; /* vCPUs between vm_begin_run() and vm_end_run(), and requesters */
    };
    uint64_t word;
};

_Static_assert(sizeof(union vm_state) == 8, "one word");
_Static_assert(VM_MAX_VCPUS <= UINT8_MAX + 1, "vcpu holds any, there and in a listener or a trace event");
_Static_assert(MAX_CPUS == CONFIG_MAX_CPUS && MAX_CPUS == ACPI_MAX_CPUS, "any may be named, and be found");

/*
 * What a vCPU has to look at before it enters its guest again: a bit for each reason, in the order in which
 * they are taken; an exit compares the whole with 0. Anybody may ask, with vcpu_ask() (sched/sched.h), which
 * tells the vCPU's CPU behind it.
 */
#define ASKED_LEAVE   0x01u /* the VM's state, cpu->leave or cpu->work has changed */
#define ASKED_FLUSH   0x02u /* second-level tables have changed */
#define ASKED_RESCHED 0x04u /* its CPU must look at its run queue */
#define ASKED_INIT    0x08u
#define ASKED_STARTUP                                                                                        \
    0x10u                     /* SIPI, with its vector in bits 31:24; an INIT takes back what came before it \
                               */
#define ASKED_UNHALT    0x20u /* KVM's kick: HLT ends, or does not begin, whatever IF says */
#define ASKED_DEVICES   0x40u /* vm->device_work */
#define ASKED_MAIL      0x80u /* the mailbox has something that software collects */
#define ASKED_NMI       0x100u
#define ASKED_NMIS      0x300u /* with a second one, which is only ever beside the first */
#define ASKED_VECTOR(a) ((a) >> 24)

#define ASKED_STARTUP_BITS (ASKED_STARTUP | 0xff000000u)
#define ASKED_WAKES        (~(ASKED_FLUSH | ASKED_RESCHED)) /* ends a wait */

_Static_assert((ASKED_NMIS & 0xff000000u) == 0 && ASKED_VECTOR(ASKED_STARTUP_BITS) == 0xff,
               "SIPI's vector is above");

/* What its own CPU has found out, and nobody else may touch. */
#define DUE_RUN      0x01u /* it ran last until something else than its slice ended that */
#define DUE_INACTIVE 0x02u /* it is in HLT or waits for SIPI */
#define DUE_EOI      0x04u /* an EOI in memory was offered (apic/pv_eoi.c) */
#define DUE_TIMER    0x08u /* its deadline has moved or passed */
#define DUE_IRQ      0x10u /* IRR, ISR or priority has changed, or what keeps interrupts back */
#define DUE_EVENT    0x20u /* an exception or NMI is to be delivered */
#define DUE_ALL      (DUE_RUN | DUE_TIMER | DUE_IRQ | DUE_EVENT)

enum activity { ACTIVE, HALTED, WAIT_FOR_SIPI };

struct vcpu {
    struct guest_regs regs ALIGNED(16); /* first: NASM finds it at the vCPU's address */
    union {
        struct {
            uint32_t asked, due; /* ASKED_* by anybody, DUE_* by its own CPU */
        };
        uint64_t pending; /* both */
    };
    struct vcpu_statistics *stats;
    struct vlapic *lapic;
    struct fastpath fast;
    uint32_t trace_who; /* in events (core/base/trace.h) */
    struct vm *vm;
    unsigned id;              /* from 0 within the VM */
    uint32_t apic_id;         /* virtual */
    struct cpu *cpu;          /* its own, or where it runs or ran last */
    struct sched_vcpu *sched; /* NULL: it owns its CPU */
    void *backend;            /* its own object (vcpu/state.h) */
    volatile enum activity activity;
    volatile bool dead; /* nothing but INIT, SIPI or NMI can wake it */
    bool aside;         /* its CPU is at the monitor: no event for the trace */
    struct paravirt pv;
    struct observation {
        bool on;               /* while it runs or ran last: its exits are looked at one by one */
        uint64_t since;        /* TSC at which that began, */
        uint64_t exits, ticks; /* and its counts then */
    } observed;
    struct budget budget; /* with exit-budget */
};

_Static_assert(offsetof(struct vcpu, regs) == 0, "NASM finds them there");
_Static_assert(offsetof(struct vcpu, asked) == offsetof(struct vcpu, pending) &&
                   offsetof(struct vcpu, due) == offsetof(struct vcpu, pending) + 4,
               "ASKED_* below, DUE_* above");

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
    struct account built;      /* what it held when it was ready: it never changes again */
    uint64_t memory;           /* bytes of RAM */
    hpa_t *ram;                /* host address of each 2 MiB of RAM, in guest order without the hole */
    void *backend;             /* its own object */
    struct bus *bus;           /* finds its devices (dev/bus.h), */
    struct pc *pc;             /* which are here, */
    struct virtio_pci *virtio; /* those of virtio (dev/virtio/devices.h) */
    /* What a device has left to do, or heard of elsewhere, on one of its vCPUs (ASKED_DEVICES). */
    void (*device_work)(struct vm *vm);
    bool (*typed)(struct vm *vm); /* under the UART's lock. NULL, or false: it is for the UART */
    void (*print_devices)(const struct vm *vm);  /* what they have done so far; NULL: there are none */
    struct ivshmem *shared[VM_MAX_SHARED];       /* memory that it shares (dev/pci/ivshmem.h), and what */
    void (*print_shared)(const struct vm *vm);   /* became of it so far; NULL: it has none */
    struct second_level *tables;                 /* vcpu/second_level.h */
    struct pci *pci;                             /* but for what is on PCI; NULL: the VM has none */
    void (*eoi)(struct vm *vm, unsigned vector); /* a local APIC has ended a level-triggered interrupt */
    /* Whether any of n bytes of its RAM is write-protected (core/vm/guest.h), as its backend says; NULL: none
     * is. */
    bool (*is_closed)(const struct vm *vm, gpa_t at, size_t n);
    struct spinlock
        sharing; /* taken to protect RAM, and to register what the hypervisor will write to there */
    struct sched_vcpu *sched;    /* places of its vCPUs in run queues, by number; NULL: they own their CPUs */
    struct pid_table *pid_table; /* the mailboxes of its vCPUs */
    uint32_t apic_changes; /* counts when its local APICs come to hear other destinations (apic/ipi.h) */
    unsigned guards;       /* against what the processor gives away of it (vcpu/guards.h) */
    uint32_t kvm_features; /* that the guest is offered (hypercall/kvm_abi.h) */
    struct vcpu *vcpus[VM_MAX_VCPUS];
    unsigned vcpu_count;
    bool tsc_started;        /* its TSCs count from the first entry of vCPU 0: */
    uint64_t tsc_offset;     /* with this each vCPU starts */
    uint64_t tsc_multiplier; /* 0: no scaling */
    union vm_state state;
    bool fresh;               /* loaded, and not started since */
    bool lost_memory;         /* a page of its RAM is gone: it never starts again */
    const struct cpu *loader; /* that does, or shall do, what follows its end */
    struct vm *next_load;     /* it has ended, too, while its CPU was about another one (sched/lend.c) */
    bool traced;          /* as the configuration or the monitor wants it; changed while none of them runs */
    uint64_t budget_told; /* TSC of the last line about it */
    uint64_t rests_since; /* TSC at which it was paused, or stopped */
    uint64_t stop_asked;  /* TSC at which the operator wanted it stopped; 0: not */
    struct breakpoints breakpoints;
    const char *stop_reason; /* what the vCPU in state met */
    unsigned resets;
    uint64_t begun;         /* TSC at which this life of its guest began */
    unsigned triple_faults; /* in a row, each soon after its start */
    bool told;              /* the log says all about the end that it is at or had last */
    uint64_t told_at;       /* TSC */
    struct console_stream console;
    uint8_t input[VM_INPUT]; /* typed bytes its UART has not taken yet; under the UART's lock (dev/pc.c) */
    unsigned input_head, input_tail;
    uint64_t input_lost;
};

_Static_assert((VM_INPUT & (VM_INPUT - 1)) == 0, "head and tail run on through 2^32");

/* By their number in the configuration; NULL: not built. Written by the boot CPU only. */
extern struct vm *vms[CONFIG_MAX_VMS];
extern unsigned vm_count; /* that are built */

/* The next VM that is built, in the order of the configuration; NULL begins, and ends. */
struct vm *vm_next(const struct vm *after);

/* The VM that has this page of the machine as its RAM, or NULL. */
struct vm *vm_of_ram(hpa_t page);

/* Rate of its guest's TSC. */
static inline uint64_t vm_tsc_hz(const struct vm *vm)
{
    return vm->config->tsc_khz ? (uint64_t)vm->config->tsc_khz * 1000 : machine.tsc_hz;
}

/* A note for a vCPU of which its CPU hears otherwise, or that this CPU itself is about to look at. */
static inline void vcpu_note(struct vcpu *v, uint32_t asked)
{
    __atomic_fetch_or(&v->asked, asked, __ATOMIC_SEQ_CST);
}

/* Takes notes, on the vCPU's CPU: before it looks at what they are about. Returns those that were there. */
static inline uint32_t vcpu_take(struct vcpu *v, uint32_t asked)
{
    return __atomic_fetch_and(&v->asked, ~asked, __ATOMIC_SEQ_CST) & asked;
}

static inline union vm_state vm_state(const struct vm *vm)
{
    return (union vm_state){.word = __atomic_load_n(&vm->state.word, __ATOMIC_SEQ_CST)};
}

/* Started and not about to end: it may be paused. */
static inline bool vm_lives(const struct vm *vm)
{
    uint8_t phase = vm_state(vm).phase;

    return phase >= VM_RUNS && phase <= VM_STEPS;
}

/* Until when its guest's time counts: it stands still while the VM is at rest. */
uint64_t vm_time(const struct vm *vm);
