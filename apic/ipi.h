/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between the APICs of a VM: from I/O APIC and devices, and from one vCPU to others. */
#pragma once

#include "arch/x86/types.h"

struct vm;
struct vcpu;

enum delivery { FIXED, LOWEST, SMI, RESERVED_MODE, NMI, INIT, STARTUP, EXTINT };

_Static_assert(NMI == 4 && INIT == 5 && STARTUP == 6 && EXTINT == 7, "delivery modes as the ICR has them");

/* A message-signalled interrupt (SDM volume 3, "Message signalled interrupts"). */
struct msi {
    uint32_t address; /* FEEh in bits 31:20, destination in 19:12 (bits 14:8 of it in 11:5, as KVM has it),
                         bit 3 redirection hint, bit 2 logical */
    uint32_t data;    /* vector, delivery mode in bits 10:8, bit 14 assert, bit 15 level */
};

#define MSI_BASE    0xfee00000u
#define MSI_LOGICAL BIT(2)
#define MSI_ASSERT  BIT(14)
#define MSI_LEVEL   BIT(15)

/* Of the ICR; its vector, delivery mode, ASSERT and shorthand beside those of arch/x86/lapic.h. */
#define ICR_LOGICAL BIT(11)
#define ICR_PENDING BIT(12)
#define ICR_LEVEL   BIT(15)
#define ICR_TO_SELF BIT(18)
/* Reserved bits, shorthand, trigger, destination and delivery mode. */
#define ICR_NOT_PLAIN (UINT64_C(0xfff32000) | 3 << 18 | ICR_LEVEL | ICR_LOGICAL | 7 << 8)

/* Delivers it to one or several vCPUs, from any CPU. True when at least one took it. */
bool vm_deliver_msi(struct vm *vm, struct msi msi);

/* Where a message goes, found out before it is sent: to one vCPU. Zero: not known. */
union msi_route {
    struct {
        bool direct;
        uint8_t vector;
        uint16_t apic_id;
        uint32_t made; /* when vm->apic_changes was this */
    };
    uint64_t word;
};

_Static_assert(sizeof(union msi_route) == 8, "is read and written at once");

/* Of a fixed, edge-triggered message that exactly one vCPU hears; else zero. From any CPU. */
union msi_route vm_find_route(const struct vm *vm, struct msi msi);

/* One post into its mailbox. False, with nothing sent: zero or no longer true; vm_deliver_msi() knows better.
 */
bool vm_post_route(const struct vm *vm, union msi_route route);

/* A fixed interrupt or NMI, as the ICR says, to the APIC IDs first + n for each bit n that is set: how many
 * took it. */
unsigned vlapic_send_to_set(struct vcpu *sender, const uint64_t set[2], uint32_t first, uint32_t icr);

/* True when a message to this destination reaches v (logical or physical mode). */
bool vlapic_matches(const struct vcpu *v, uint32_t destination, bool logical);

/*
 * Whether the processor itself sends what this ICR value asks for, given a valid entry in the PID-pointer
 * table: a fixed, edge-triggered interrupt to one physical destination (SDM volume 3, "IPI virtualization").
 */
bool icr_is_virtualized(bool x2apic, uint64_t icr);
