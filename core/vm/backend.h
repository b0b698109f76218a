/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's virtualization, as everything below it sees it: a table that each backend fills in (vmx/
 * today). The first whose probe() succeeds is used.
 */
#pragma once

#include "arch/x86/mtrr.h"
#include "core/base/trace.h"
#include "core/vm/part.h"

enum call_result { CALL_DONE, CALL_INVALID, CALL_BUSY }; /* what became of a guest's hypercall */

enum run_end {
    RUN_ON,        /* it has not ended */
    RUN_LEFT,      /* the VM has ended, or the machine is given back */
    RUN_BLOCKED,   /* it waits for an interrupt, INIT or SIPI */
    RUN_PREEMPTED, /* its slice is over, or another one must run here */
    RUN_YIELDED,   /* it spins until another vCPU gets on */
};

/* Of a vCPU: what the processor is controlled by, in full; its registers; the first of them. */
enum dump { DUMP_CONTROL, DUMP_REGISTERS, DUMP_SHORT };

/* Registers that the backend's processor keeps while the guest does not run. */
enum guest_register {
    GUEST_RIP,
    GUEST_RSP,
    GUEST_RFLAGS,
    GUEST_CR0, /* as the guest sees it; so CR4 */
    GUEST_CR3,
    GUEST_CR4,
    GUEST_EFER,
    GUEST_PAT,
    GUEST_DEBUGCTL,
    GUEST_DR7,
    GUEST_DS_BASE,
    GUEST_ES_BASE,
    GUEST_SS_BASE,
    GUEST_FS_BASE,
    GUEST_GS_BASE,
    GUEST_SS_RIGHTS,
    GUEST_TR_RIGHTS, /* its type in bits 3:0, as in a descriptor */
    GUEST_REGISTERS
};

/* What an instruction is fetched, decoded and translated by. Of CR0 and CR4 only what paging asks for is
 * right. */
struct guest_mode {
    uint64_t rip, cs_base, rflags, cr0, cr3, cr4, efer;
    unsigned bits; /* of the code: 16, 32 or 64 */
    bool code_l;   /* CS.L, which counts with EFER.LMA only */
    unsigned cpl;
};

/* All of it but RIP and RFLAGS, in words of the backend's own: for whether it is the same again. */
struct mode_note {
    uint64_t word[7];
};

/* What a guest may do with memory beside its RAM, whatever its own tables say. */
enum guest_rights { GUEST_MAY_READ = 1, GUEST_MAY_WRITE = 2, GUEST_MAY_EXECUTE = 4 };

/* Instructions and features that a guest may use only if the processor lets it; GUEST_HALT: HLT and MWAIT
 * without an exit. */
enum guest_feature { GUEST_RDTSCP, GUEST_INVPCID, GUEST_XSAVES, GUEST_HALT };

struct backend {
    const char *name;
    const char *tables, *control; /* what MEMORY_TABLES and MEMORY_CONTROL are called */
    const char *const *switches;  /* of VMs in the configuration (config_add_switches) */
    /* Resolves the capabilities of the boot CPU. False: below the floor; *missing says which feature, or is
     * left as it is where the processor is none of this kind. */
    bool (*probe)(const char **missing);
    /* Rows of the explain page: what the processor offers, what is used. */
    void (*explain)(void);
    void (*explain_vm)(const struct vm_config *config);
    /* All that the processor offers and whether it is used, for the monitor. */
    void (*print_capabilities)(void);
    /* Turns virtualization on on this CPU, after checking that it can what the boot CPU can; off again. */
    bool (*cpu_enable)(struct cpu *cpu, const char **why);
    void (*cpu_disable)(struct cpu *cpu);
    /* False when the processor cannot run such a VM: *why, and the line of the key that asks for it. */
    bool (*can_run)(const struct vm_config *config, unsigned *line, const char **why);
    /* Second-level tables for the VM's RAM and other per-VM state; per-vCPU state. False: out of memory. */
    bool (*vm_create)(struct vm *vm);
    bool (*vcpu_create)(struct vcpu *v);
    void (*vm_reset)(struct vm *vm);   /* what the guest changed in it */
    void (*vm_destroy)(struct vm *vm); /* before its memory goes */
    /* So many ticks have not been for the guests of a VM that does not run: they do not see them. */
    void (*vm_shift_time)(struct vm *vm, uint64_t ticks);
    void (*vcpu_reset)(struct vcpu *v, const struct start_state *start);
    /* Runs v on this CPU until something ends that. */
    enum run_end (*run)(struct vcpu *v);
    /*
     * v waits on this CPU from now on, until mail comes or the TSC is *wake_at (0: no timer). False: there is
     * mail already. unblock() follows in any case; has_mail() may be asked in between.
     */
    bool (*block)(struct vcpu *v, uint64_t *wake_at);
    void (*unblock)(struct vcpu *v);
    bool (*has_mail)(const struct vcpu *v);
    const char *(*exit_name)(unsigned kind);
    /* An exit in the trace: what it was, and its argument in words, "" when there is none. Takes any event.
     */
    const char *(*exit_words)(const struct trace_event *e, char *details, size_t size);
    /*
     * Write-protects whole pages of the guest's RAM, as its tables have them, until the VM is reset: when it
     * is done nothing is written there any more, by no vCPU and for none. CALL_BUSY: something is that was
     * registered (vm->sharing). Called without a lock.
     */
    enum call_result (*protect)(struct vm *vm, gpa_t at, uint64_t size);

    /* --- for vcpu/, of the vCPU that this CPU has loaded --- */

    uint64_t (*get)(const struct vcpu *v, enum guest_register which);
    void (*set)(struct vcpu *v, enum guest_register which, uint64_t value);
    void (*get_mode)(const struct vcpu *v, struct guest_mode *out);
    void (*note_mode)(const struct vcpu *v, struct mode_note *out);
    bool (*is_mode)(const struct vcpu *v, const struct mode_note *note);
    void (*set_pdptes)(struct vcpu *v,
                       const uint64_t entries[4]); /* of PAE paging, as MOV to CR3 loads them */
    void (*flush_linear)(struct vcpu *v); /* what the processor keeps of its own tables, global pages, too */
    void (*set_tsc_offset)(struct vcpu *v, uint64_t offset);
    void (*skip)(struct vcpu *v, unsigned length); /* RIP goes behind an instruction */
    bool (*guest_may_use)(enum guest_feature feature);
    uint64_t (*cr4_possible)(void);            /* bits of CR4 that a guest can have at all */
    void (*apic_mode_changed)(struct vcpu *v); /* as the local APIC has it */
    void (*deadline_moved)(struct vcpu *v);    /* of its timer, or of the scheduler: arms what watches it */
    void (*exit_on_debug)(struct vcpu *v, bool on); /* MOV DR */
    void (*deliver)(
        struct vcpu *v); /* the event, NMI or interrupt that comes next, and windows for the rest */
    void (*sync_tables)(struct vcpu *v); /* nothing of older second-level tables is used at the next entry */
    void (*init)(struct vcpu *v);        /* INIT, but for the local APIC */
    void (*startup)(struct vcpu *v, unsigned vector); /* SIPI */

    /*
     * Shows a guest host-physical memory beside its RAM: a page that others write, or a device's registers.
     * rights are GUEST_MAY_*; the guest's own tables can take rights away and make type weaker. Addresses and
     * size are multiples of 4 KiB. Taken back, it is used by no entry from then on, and vCPUs that run are
     * asked to enter again. False: no memory for a table.
     */
    bool (*map_range)(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights,
                      enum cache_type type);
    bool (*unmap_range)(struct vm *vm, gpa_t at, uint64_t size);
    /*
     * The same for what the guest itself moves, by 2 MiB between GUEST_WINDOWS and GUEST_WINDOWS_END, always
     * write-back and never executable. rights 0 takes it back: vCPUs that run are asked to enter again, and
     * nobody is waited for, so that locks may be held. False, the first time only: no memory for a table.
     */
    bool (*map_window)(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights);
    /* Slots for values that load into CR3 without an exit, where that exits; what is in one (NULL: nothing),
     * for the vCPU that runs here. */
    unsigned (*cr3_targets)(const struct vm *vm);
    void (*set_cr3_target)(struct vcpu *v, unsigned slot, const uint64_t *value);
    /* Changes of second-level tables: CPUs that flushed for them, and IPIs to tell those that ran the VM. */
    void (*flush_counts)(const struct vm *vm, uint64_t *flushes, uint64_t *ipis);
    /* Breaks VM entries of v on purpose and checks that each failure is survived and explained. */
    void (*self_test)(struct vcpu *v);

    /* For the monitor, on the boot CPU; the VM of v is at rest (core/life/life.h). */
    void (*dump)(struct vcpu *v, enum dump what);
    void (*breakpoints_changed)(struct vm *vm); /* vm->breakpoints: hands them on to all vCPUs */
    /* Executes one instruction of v, on this CPU. NULL, or why not. */
    const char *(*step)(struct vcpu *v);
    void (*dump_walk)(struct vcpu *v, gpa_t at); /* how a guest-physical address is translated */
    /* Guest memory as v sees it; returns how much of it there is without a gap. */
    size_t (*read_linear)(struct vcpu *v, uint64_t linear, void *to, size_t n);
    uint64_t (*instruction_pointer)(struct vcpu *v); /* linear */

    /* Bits of a PDPTE that make a MOV to CR0, CR3 or CR4 fault; 0 where the processor loads none of them. */
    uint64_t pdpte_reserved;
    bool host_slices; /* the host's timer ends slices, too: the processor has none for that */
};

/* The one that runs: copied from its own table when it has been found. Before that it has nothing to switch
 * off. */
extern struct backend backend;
