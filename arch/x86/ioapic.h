/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's I/O APICs, as far as the hypervisor needs them: one pin to one CPU. */
#pragma once

#include "arch/x86/types.h"

#define IOAPIC_MAX_PINS 256

/* Masks every pin of the I/O APIC whose registers are mapped at regs; returns their number, and what they
 * were.
 */
unsigned ioapic_setup(void *regs, uint64_t before[IOAPIC_MAX_PINS]);
void ioapic_mask(void *regs, unsigned pins);
void ioapic_put_back(void *regs, unsigned pins, const uint64_t before[IOAPIC_MAX_PINS]);

/* Routes a pin, edge- or level-triggered, active high or low, to vector on the CPU with this APIC ID. */
void ioapic_route(void *regs, unsigned pin, unsigned vector, uint32_t apic_id, bool level, bool active_low);
