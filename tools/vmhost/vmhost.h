/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the module give each other. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "program.h"

/* A place that calls or jumps to a method by five bytes, and what it shall reach instead. */
struct redirection {
    uint32_t at;    /* in the program's file and, from its base, in memory */
    uint8_t was[5]; /* what stands there */
    void *function; /* with the method's own arguments and result */
};

/* Bytes that are replaced as they stand. */
struct patch {
    uint32_t at, size;
    uint8_t was[10], becomes[10];
};

extern const struct redirection redirections[];
extern const size_t redirection_count;
extern const struct patch patches[];
extern const size_t patch_count;

/* --- attach.c --- */
extern uint64_t program_base;

/* --- knobs.c --- */
struct knobs {
    unsigned shift;       /* of the preemption timer */
    unsigned cr3_targets; /* at most */
    uint32_t misc_off;    /* bits of IA32_VMX_MISC to hide */
    bool exact_time;
};
extern struct knobs knobs;
/* NULL, or the word that is not understood. */
const char *knobs_read(const char *text);
void knobs_apply(struct cpu *cpu);
void hook_init_vmx_capabilities(struct cpu *cpu);
bool hook_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *value);
uint32_t hook_check_vm_controls(struct cpu *cpu);
uint32_t hook_check_guest_state(struct cpu *cpu, uint64_t *qualification);

/* --- interrupts.c --- */
void hook_inject_events(struct cpu *cpu);
void hook_handle_external(struct cpu *cpu);
void hook_deliver_virtual(struct cpu *cpu);
bool hook_posted_interrupt(struct cpu *cpu, uint8_t vector);
bool hook_wait_for_event(struct cpu *cpu);

/* --- time.c --- */
void hook_run_trace(struct cpu *cpu);
void *hook_icache_entry(struct cpu *cpu);

/* --- ipiv.c --- */
void ipiv_offer(struct cpu *cpu);
bool ipiv_controls_valid(struct cpu *cpu);
bool hook_vmcs_field_supported(struct cpu *cpu, uint32_t field);
void hook_apic_page_write(struct cpu *cpu, uint64_t address, uint32_t size, void *data);
void hook_apic_access_trap(struct cpu *cpu);
bool hook_x2apic_write(struct cpu *cpu, uint32_t msr, uint64_t value);

/* --- physical memory, as posted-interrupt processing accesses it --- */
uint64_t physical_read(struct cpu *cpu, uint64_t address);
void physical_write(struct cpu *cpu, uint64_t address, uint64_t value);
