/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's local APIC in software, in xAPIC and x2APIC mode (SDM volume 3, "Advanced programmable interrupt
 * controller"). Its registers lie in one page in the layout of the virtual-APIC page, so that the processor
 * can take over register by register. Runs on its vCPU's CPU; only vlapic_post*() may be called from others.
 */
#pragma once

#include "core/vm/part.h"

struct vlapic;
struct guest_tsc;

#define VLAPIC_BASE  UINT64_C(0xfee00000)
#define FIRST_VECTOR 16 /* those below are illegal in any message */

/* A part of a VM (core/vm/part.h): what its local APICs share, and one for each vCPU. */
bool apic_create(struct vm *vm, const struct placement *p);
bool vlapic_create(struct vcpu *v, const struct placement *p);
void vlapic_reset(struct vcpu *v, const struct start_state *start);

enum vlapic_mode { VLAPIC_OFF, VLAPIC_XAPIC, VLAPIC_X2APIC };
enum vlapic_mode vlapic_mode(const struct vcpu *v);

/* Where its registers are in xAPIC mode. */
gpa_t vlapic_base(const struct vcpu *v);

/* For the processor: the virtual-APIC page and the posted-interrupt descriptor. */
hpa_t vlapic_page(const struct vcpu *v);
hpa_t vlapic_pid(const struct vcpu *v);

/* Whether this VM may use x2APIC mode. */
bool vlapic_x2apic_allowed(const struct vcpu *v);

/* Its registers in words. v does not run. */
void vlapic_dump(const struct vcpu *v);

/* What INIT does to it: registers as at reset, ID and mode kept. On its vCPU's CPU. */
void vlapic_init(struct vcpu *v);

/* Register access by xAPIC offset within the page; 32 bits. Invalid ones read 0 and set the ESR. */
uint32_t vlapic_mmio_read(struct vcpu *v, unsigned offset);
void vlapic_mmio_write(struct vcpu *v, unsigned offset, uint32_t value);
/* 1 to 8 bytes at any offset (apic/registers.h). */
uint64_t vlapic_mmio_read_any(struct vcpu *v, unsigned offset, unsigned size);
void vlapic_mmio_write_any(struct vcpu *v, unsigned offset, unsigned size, uint64_t value);
/* False while the guest is not in xAPIC mode: its page is then ordinary absent memory. */
bool vlapic_mmio_enabled(const struct vcpu *v);

/* MSRs 800h-8ffh: false is #GP. */
bool vlapic_read_x2apic(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vlapic_write_x2apic(struct vcpu *v, uint32_t msr, uint64_t value);

/* IA32_APIC_BASE (false is #GP) and IA32_TSC_DEADLINE. */
uint64_t vlapic_read_base(const struct vcpu *v);
bool vlapic_write_base(struct vcpu *v, uint64_t value);
uint64_t vlapic_read_deadline(struct vcpu *v);
void vlapic_write_deadline(struct vcpu *v, uint64_t guest_tsc);

/* CR8. */
unsigned vlapic_tpr_class(const struct vcpu *v);
void vlapic_set_tpr_class(struct vcpu *v, unsigned priority_class);

/* The line between host and guest TSC; deadlines move with it. */
void vlapic_set_tsc(struct vcpu *v, const struct guest_tsc *tsc);
/* What its TSC shows now. */
uint64_t vlapic_tsc(const struct vcpu *v);
/* The guest's clock stood still for so long: what it waits for comes later by that. v does not run. */
void vlapic_shift_time(struct vcpu *v, const struct guest_tsc *tsc, uint64_t host_ticks);

/*
 * What watches the deadline while the vCPU runs: the host's timer, which arming it sets, or (on) the backend,
 * which asks for the deadline (host TSC, 0: none, or the host's timer watches it). When the vCPU halts, the
 * deadline moves to the host's timer and back.
 */
void vlapic_use_hv_timer(struct vcpu *v, bool on);
uint64_t vlapic_backend_deadline(const struct vcpu *v);
uint64_t vlapic_expires(const struct vcpu *v); /* whatever watches it */
void vlapic_timer_to_host(struct vcpu *v);
void vlapic_timer_from_host(struct vcpu *v);

/* Fires the timer if it is due: the vector that is now in IRR, or 0. That an interrupt is due is up to the
 * caller. */
unsigned vlapic_timer_expire(struct vcpu *v);

/* What the notes of a vCPU are about (DUE_EOI, DUE_TIMER, ASKED_MAIL): each may make an interrupt due. */
void vlapic_settle_eoi(struct vcpu *v);
void vlapic_timer_fire_if_due(struct vcpu *v);
void vlapic_collect(struct vcpu *v);
/* All of it, for a vCPU that waits. */
void vlapic_update(struct vcpu *v);
/* With the TPR shadow, in which the guest's TPR changes unseen: before anybody looks at what is pending. */
void vlapic_update_priority(struct vcpu *v);

/* The highest vector in IRR, or -1; in ISR, or -1. Whether software made requests since this was asked. */
bool vlapic_take_requested(struct vcpu *v);
int vlapic_requested(const struct vcpu *v);
int vlapic_in_service(const struct vcpu *v);
/* The vector that may be delivered now, by priority and enablement, or -1. */
int vlapic_pending(const struct vcpu *v);
/* Takes it into service: IRR to ISR. */
void vlapic_accept(struct vcpu *v, unsigned vector);

/* --- what the processor does of it, after it did so --- */

/* The backend lets the guest write the page at offset; this acts on what it wrote. */
void vlapic_page_written(struct vcpu *v, unsigned offset);
/* The processor ended the interrupt of a level-triggered vector. */
void vlapic_broadcast_eoi(struct vcpu *v, unsigned vector);
/* Which vectors those are, a bit each; and whether one was added since they were asked for. */
void vlapic_level_vectors(struct vcpu *v, uint64_t out[4]);
bool vlapic_level_changed(const struct vcpu *v);
/* The guest changes its TPR in the page, without our doing. */
void vlapic_use_tpr_shadow(struct vcpu *v, bool on);

/* --- pv_eoi.c: EOIs without an exit in software, in a vCPU without virtual-interrupt delivery --- */

/* The guest's word for it, or NULL for none. */
void vlapic_pv_eoi_register(struct vcpu *v, uint32_t *word);
/* At an entry, with everything delivered that can be. */
void vlapic_pv_eoi_offer(struct vcpu *v);

/* --- mailbox.c: mail, and its notification --- */

/* Delivery from any CPU. level: remember to tell the I/O APIC at EOI. */
void vlapic_post(struct vcpu *v, unsigned vector, bool level);
void vlapic_post_nmi(struct vcpu *v);
bool vlapic_has_mail(const struct vcpu *v);

/* Whether the processor collects the mail while v runs (VECTOR_POSTED), or a kick makes us do it. */
void vlapic_use_posted(struct vcpu *v, bool on);
/* v gets this CPU: from now on it is notified here, and what came meanwhile is collected. */
void vlapic_schedule_in(struct vcpu *v);
/* v loses its CPU but would run on: nobody is notified. */
void vlapic_schedule_out(struct vcpu *v);
/* v waits: mail wakes this CPU (VECTOR_WAKEUP). False: there is mail already, it must not wait. */
bool vlapic_block(struct vcpu *v);
void vlapic_unblock(struct vcpu *v);
