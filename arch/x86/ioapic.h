/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's I/O APICs, as far as the hypervisor needs them: one pin to one CPU. */
#pragma once

#include "arch/x86/types.h"

/* Masks every pin of the I/O APIC whose registers are mapped at regs; returns the number of pins. */
unsigned ioapic_setup(void *regs);

/* Routes a pin, edge- or level-triggered, active high or low, to vector on the CPU with this APIC ID. */
void ioapic_route(void *regs, unsigned pin, unsigned vector, uint32_t apic_id, bool level, bool active_low);
