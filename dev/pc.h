/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine a guest sees: a legacy-free PC with one UART, RTC, I/O APIC and ACPI power control, and nothing
 * else. Everything here takes the VM's lock itself.
 */
#pragma once

#include "arch/x86/types.h"
#include "core/vm/part.h"

/* A part of a VM (core/vm/part.h). Its firmware: the ACPI tables, and the code at the reset vector. */
bool pc_create(struct vm *vm, const struct placement *p);
bool pc_write_firmware(struct vm *vm, struct image *image);
void pc_reset(struct vm *vm);

void pc_input_ready(struct vm *vm);          /* under the VM's lock */
void pc_eoi(struct vm *vm, unsigned vector); /* a local APIC ended a level-triggered interrupt */

/* One access of 1, 2 or 4 bytes to an I/O port. False: nothing is there (reads give all ones). */
bool pc_port_read(struct vm *vm, uint16_t port, unsigned size, uint32_t *value);
bool pc_port_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value);

/* One access to memory that is not RAM and no local APIC. False: nothing is there. */
bool pc_mmio_read(struct vm *vm, gpa_t at, unsigned size, uint64_t *value);
bool pc_mmio_write(struct vm *vm, gpa_t at, unsigned size, uint64_t value);
