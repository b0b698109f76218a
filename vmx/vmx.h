/* SPDX-License-Identifier: BSD-2-Clause */
/* What vmx/ keeps per VM and per vCPU, and what its files offer each other. */
#pragma once

#include "apic/guest_tsc.h"
#include "arch/x86/layout.h"
#include "arch/x86/paging.h"
#include "core/base/panic.h"
#include "core/vm/backend.h"
#include "sched/sched.h"
#include "sched/vm_run.h"
#include "vmx/vmcs.h"

struct vmx_vm {
    struct page_table ept;
    struct page_table ept_apic; /* with the page of the local APIC: for xAPIC mode on upper rungs */
    uint64_t ept_pointer, ept_pointer_apic;
    uint8_t *msr_bitmap, *msr_bitmap_x2apic; /* SDM volume 3, "MSR-bitmap address" */
    unsigned rung;                           /* enum vmx_rung (vmx/apicv.h) */
    uint16_t first_vpid;
    uint32_t ept_generation;        /* of the tables (tlb.c) */
    uint64_t ept_flushes, ept_ipis; /* that it took */
    bool ept_protected;             /* the guest gave rights up: a reset gives them back */
    bool tsc_started;               /* the guests' TSC counts from the first entry of vCPU 0 */
    uint64_t tsc_offset;            /* with which every vCPU of the VM starts */
    uint64_t tsc_multiplier;        /* 0: no scaling */
};

#define XSAVE_AREA 2688 /* standard format up to AVX-512 */

/* Registers that are the guest's while it has a CPU (switch.c). */
struct guest_context {
    uint8_t vector[XSAVE_AREA] ALIGNED(64);
    uint64_t msrs[CPU_LOADED_MSRS]; /* that the guest writes through us */
    uint64_t kernel_gs_base;
    uint64_t cr2, dr[4], dr6;
};

#define CR3_TARGETS 4 /* as many as there are fields */

enum save_with { SAVE_FXSAVE, SAVE_XSAVE, SAVE_XSAVEOPT };

struct debug_registers {
    uint64_t dr[4], dr6, dr7;
};

typedef bool vmx_on_exit(struct vcpu *v); /* true: the guest goes on right away */

struct vmx_vcpu {
    struct guest_context context;
    hpa_t vmcs;            /* page */
    struct cpu *active_on; /* whose current VMCS this is; NULL: it is clear */
    struct cpu *last_cpu;  /* that the host state in the VMCS is of; NULL: it has not run since its reset */
    bool fresh;            /* it has not run since it was reset */
    bool traced;           /* the VM's, when this was chosen: */
    vmx_on_exit *on_exit;  /* what to call for each exit (observe.c); NULL: not chosen yet */
    bool debug;            /* its debug registers are in the CPU's while it has one; else MOV DR exits */
    bool watched;          /* the debug registers are the monitor's, */
    struct debug_registers own; /* and these the guest's (debug.c) */
    enum save_with save_with;
    bool launched;
    enum run_end end;   /* why the run ends; RUN_ON: it goes on */
    uint64_t pin, proc; /* controls, without those that come and go */
    bool nmi;           /* an NMI is to be delivered */
    bool interrupt_window, nmi_window;
    bool tpr_shadow, virtual_delivery; /* in the current mode of the local APIC */
    bool handed_over;                  /* SVI and the EOI-exit bitmap are those of the page */
    uint8_t tpr_threshold;
    uint64_t timer_deadline; /* on the preemption timer: host TSC, 0: it is off */
    bool watches_console;    /* without a deadline: it exits now and then */
    uint64_t exit_tsc; /* of the exit that is being handled, if somebody looks, or of the end of its HLT */
    uint32_t event;    /* entry interruption info of the event to inject next, 0: none */
    uint32_t event_error;
    uint32_t event_length;
    uint64_t cr4_allowed; /* bits the guest may set, by its CPUID */
    uint64_t xcr0_allowed;
    uint64_t xcr0; /* the guest's; loaded in the register while it is on the CPU */
    struct guest_tsc tsc;
    uint64_t tsc_adjust;
    uint64_t cr3_targets[CR3_TARGETS]; /* by slot, */
    uint8_t cr3_targets_used;          /* a bit each */
    uint64_t mtrr_def_type;            /* the guest's own, kept but without effect */
    uint64_t misc_enable;
};

/* Whether HLT and MWAIT are the processor's: what waits on a CPU of its own may do so there. */
static inline bool vmx_halts_by_itself(const struct vcpu *v)
{
    return !v->sched && !v->vm->config->hlt_exits;
}

static inline struct vmx_vcpu *vmx_of(const struct vcpu *v)
{
    return v->backend;
}

/* A general register by its number in an encoding; RSP is in the VMCS. */
static inline uint64_t vmx_read_gpr(const struct vcpu *v, unsigned number)
{
    return number == 4 ? vmcs_read(vmcs_guest_rsp) : v->regs.by_number[number];
}

static inline void vmx_write_gpr(struct vcpu *v, unsigned number, uint64_t value)
{
    if (number == 4)
        vmcs_write(vmcs_guest_rsp, value);
    else
        v->regs.by_number[number] = value;
}

/* entry.asm */
enum vmx_entry { VMX_EXITED, VMX_FAIL_INVALID, VMX_FAIL_VALID };
enum vmx_entry vmx_enter(struct vcpu *v, bool launched, vmx_on_exit *exited);
extern char vmx_exit_point[]; /* HOST_RIP */

/* True unless the instruction, which takes the physical address of a page from memory, fails. */
#define POINTER_INSTRUCTION(instruction, at)                                       \
    ({                                                                             \
        bool ok_;                                                                  \
                                                                                   \
        __asm__ volatile(instruction " %1" : "=@cca"(ok_) : "m"((at)) : "memory"); \
        ok_;                                                                       \
    })

static inline void vmx_vmclear(const struct vmx_vcpu *x)
{
    shadow_vmclear(phys_to_virt(x->vmcs));
    ASSERT(POINTER_INSTRUCTION("vmclear", x->vmcs));
}

static inline void vmx_vmptrld(const struct vmx_vcpu *x)
{
    shadow_vmptrld(phys_to_virt(x->vmcs));
    ASSERT(POINTER_INSTRUCTION("vmptrld", x->vmcs));
}

/* vmcs.c: every field that we use is there, or we say which is not; VMXON. */
bool vmx_vmxon(void *region);
void vmx_vmxoff(void);
void vmx_verify_fields(void); /* of the current VMCS */

/* setup.c */
bool vmx_vcpu_create(struct vcpu *v);
void vmx_vcpu_reset(struct vcpu *v, const struct start_state *start); /* NULL: as INIT leaves it */
void vmx_vcpu_startup(unsigned vector); /* SIPI: where the current VMCS starts in real mode */
void vmx_load_host_state(void);         /* into the current VMCS, for this CPU */

/* switch.c: the vCPU comes to this CPU, and goes. */
void vmx_switch_enable(void); /* on each CPU, before any vCPU comes */
void vmx_reset_context(struct vmx_vcpu *x);
void vmx_load_debug(struct vcpu *v); /* it needs its debug registers */
void vmx_set_xcr0(uint64_t value);
bool vmx_write_switched_msr(struct vcpu *v, uint32_t msr, uint64_t value); /* false: #GP */
void vmx_switch_in(struct vcpu *v);
void vmx_switch_out(struct vcpu *v);

/* tlb.c */
void vmx_flush_vpid(uint16_t vpid);
void vmx_flush_vpid_non_global(uint16_t vpid); /* as MOV to CR3 does */
void vmx_flush_tlb(void);                      /* INVEPT and INVVPID, all contexts */
void vmx_ept_new_generation(struct vmx_vm *x); /* nobody runs it */
void vmx_ept_changed(const struct vm *vm);     /* no CPU uses the old tables once it has left its guest */
COLD void vmx_ept_flush(const struct vm *vm, uint32_t *seen, uint32_t now);

/* Before an entry: what this CPU keeps of older tables goes. */
static inline void vmx_ept_sync(const struct vm *vm)
{
    uint32_t *seen = &this_cpu()->ept_seen[vm->id];
    uint32_t now = __atomic_load_n(&((const struct vmx_vm *)vm->backend)->ept_generation, __ATOMIC_SEQ_CST);

    if (unlikely(*seen != now))
        vmx_ept_flush(vm, seen, now);
}

/* ept.c */
bool vmx_map_page(struct vm *vm, gpa_t at, hpa_t page, bool writable);
enum call_result vmx_protect(struct vm *vm, gpa_t at, uint64_t size);
void vmx_unprotect(struct vm *vm);
bool vmx_vm_create(struct vm *vm);
void vmx_vm_destroy(struct vm *vm);
void vmx_shift_time(struct vm *vm, uint64_t ticks);

/* prepare.c */
bool vmx_end_run(struct vcpu *v, enum run_end end); /* false: the run ends, for this reason */
bool vmx_halt(struct vcpu *v);                      /* waits. False: the run ends */
void vmx_start_tsc(struct vcpu *v);

/* run.c */
enum run_end vmx_run(struct vcpu *v);
bool vmx_exited(struct vcpu *v);                              /* for most */
void vmx_failed_entry(struct vcpu *v, enum vmx_entry result); /* its VM ends */

/* observe.c: what to call for each exit of v in this run. */
vmx_on_exit *vmx_observer(struct vcpu *v);

/* words.c */
const char *vmx_exit_words(const struct trace_event *e, char *details, size_t size);

/* exits.c */
const char *vmx_exit_name(unsigned reason);
void vmx_skip_instruction(void);
void vmx_skip(uint64_t length); /* where the processor does not tell the length */

/* dump.c: the registers of the vCPU whose VMCS is current. */
void vmx_dump_guest(const struct vcpu *v);
void vmx_dump_general(const struct vcpu *v); /* the first of them */

/* selftest.c */
void vmx_self_test(struct vcpu *v);

/* event.c */
void vmx_inject_exception(struct vcpu *v, unsigned vector);
void vmx_inject_fault(struct vcpu *v, unsigned vector, uint32_t error); /* those with an error code */
void vmx_reinject(struct vcpu *v);                                      /* what the exit interrupted */
void vmx_deliver(struct vcpu *v);                                       /* chooses what to inject */
enum next vmx_timer_expired(struct vcpu *v);                            /* the preemption timer says so */
void vmx_write_proc_controls(const struct vmx_vcpu *x);                 /* proc, and the windows */

/* hv_timer.c: the guest's timer on the VMX preemption timer. */
bool vmx_hv_timer_usable(void); /* the CPU has one without known errata */
bool vmx_hv_timer_wanted(const struct vm_config *config);
void vmx_hv_timer_reset(const struct vmx_vcpu *x); /* of a new VMCS, whose controls are written */
void vmx_hv_timer_follow(struct vcpu *v);          /* takes the deadline over from the local APIC */
uint32_t vmx_hv_timer_count(uint64_t deadline, uint64_t now, unsigned shift);
void vmx_hv_timer_load(const struct vmx_vcpu *x); /* before each entry with a deadline */

/* cpuid.c */
void vmx_cpuid_init(void); /* once, before any guest runs */
enum next vmx_handle_cpuid(struct vcpu *v);
uint64_t vmx_cr4_allowed(const struct vcpu *v);
uint64_t vmx_xcr0_allowed(void);

/* cr.c */
bool vmx_load_pdptes(struct vcpu *v); /* of CR3; false: #GP */
enum next vmx_handle_cr(struct vcpu *v);
enum next vmx_handle_xsetbv(struct vcpu *v);

/* msr.c */
enum msr_rights { OPEN_READ = 1, OPEN_WRITE = 2, OPEN_BOTH = 3 };
void vmx_msr_init(void); /* once */
void vmx_msr_open(uint8_t *bitmap, uint32_t msr, enum msr_rights rights);
void vmx_msr_bitmap_init(uint8_t *bitmap);
void vmx_set_tsc_offset(struct vcpu *v, uint64_t offset); /* of the current VMCS, and of the timer */
enum next vmx_handle_rdmsr(struct vcpu *v);
enum next vmx_handle_wrmsr(struct vcpu *v);

/* io.c */
enum next vmx_handle_io(struct vcpu *v);
bool vmx_io_bitmap_create(void); /* once */
hpa_t vmx_io_bitmap(void);       /* two pages, shared by all VMs: everything exits */

/* mmio.c */
enum next vmx_handle_ept_violation(struct vcpu *v);
enum next vmx_handle_apic_access(struct vcpu *v);
#define VMX_FETCH_SIZE 16
/* A copy of as many bytes at RIP as can be had, at most 15. How many; nothing else happens. */
unsigned vmx_fetch(const struct vcpu *v, uint8_t bytes[VMX_FETCH_SIZE]);

/* walk.c: the guest's own paging. */
struct walk {
    gpa_t at;
    uint32_t error; /* #PF error code when the walk failed */
};
bool vmx_translate(const struct vcpu *v, uint64_t linear, bool write, struct walk *out);
/* Copies between guest linear addresses and a buffer; injects #PF and returns false where the guest has no
 * page. */
bool vmx_linear_read(struct vcpu *v, uint64_t linear, void *to, size_t n);
bool vmx_linear_write(struct vcpu *v, uint64_t linear, const void *from, size_t n);

/* check.c: says which rules of a VM entry the current VMCS breaks; returns their number. */
unsigned vmx_explain_failed_entry(const struct vcpu *v, uint32_t error, uint32_t reason);
