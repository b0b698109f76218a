/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's local APIC in software, in xAPIC and x2APIC mode (SDM volume 3, "Advanced programmable interrupt
 * controller"). Its registers lie in one page in the layout of the virtual-APIC page, so that the processor
 * can take over register by register. Runs on its vCPU's CPU; only vlapic_post*() may be called from others.
 */
#pragma once

#include "arch/x86/types.h"

struct vcpu;
struct vlapic;

#define VLAPIC_BASE UINT64_C(0xfee00000)

/* Whether this VM may use x2APIC mode. */
bool vlapic_x2apic_allowed(const struct vcpu *v);

/* IA32_APIC_BASE.EN. */
bool vlapic_hardware_enabled(const struct vcpu *v);

/* What INIT does to it: registers as at reset, ID and mode kept. On its vCPU's CPU. */
void vlapic_init(struct vcpu *v);

/* Register access by xAPIC offset within the page; 32 bits. Invalid ones read 0 and set the ESR. */
uint32_t vlapic_mmio_read(struct vcpu *v, unsigned offset);
void vlapic_mmio_write(struct vcpu *v, unsigned offset, uint32_t value);
/* False while the guest is not in xAPIC mode: its page is then ordinary absent memory. */
bool vlapic_mmio_enabled(const struct vcpu *v);

/* MSRs 800h-8ffh, IA32_APIC_BASE and IA32_TSC_DEADLINE: false is #GP. */
bool vlapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vlapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);

/* CR8. */
unsigned vlapic_tpr_class(const struct vcpu *v);
void vlapic_set_tpr_class(struct vcpu *v, unsigned priority_class);

/* Guest TSC = host TSC + offset; deadlines move with it. */
void vlapic_set_tsc_offset(struct vcpu *v, uint64_t offset);

/*
 * Who watches the clock while the vCPU runs: the host's timer, which arming it sets, or (on) the backend,
 * which asks for the deadline (host TSC, 0: none, or not his to watch). When the vCPU halts, the deadline
 * moves to the host's timer and back.
 */
void vlapic_use_hv_timer(struct vcpu *v, bool on);
uint64_t vlapic_backend_deadline(const struct vcpu *v);
void vlapic_timer_to_host(struct vcpu *v);
void vlapic_timer_from_host(struct vcpu *v);

/* Fires the timer if it is due and collects the mailbox. */
void vlapic_update(struct vcpu *v);

/* The vector that may be delivered now, by priority and enablement, or -1. */
int vlapic_pending(const struct vcpu *v);
/* Takes it into service: IRR to ISR. */
void vlapic_accept(struct vcpu *v, unsigned vector);
/* A pending NMI, taken. */
bool vlapic_take_nmi(struct vcpu *v);
bool vlapic_nmi_pending(const struct vcpu *v);

/* Delivery from any CPU. level: remember to tell the I/O APIC at EOI. */
void vlapic_post(struct vcpu *v, unsigned vector, bool level);
void vlapic_post_nmi(struct vcpu *v);

/* True when a message to this destination reaches v (logical or physical mode). */
bool vlapic_matches(const struct vcpu *v, uint32_t destination, bool logical);
