/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine a guest sees: a legacy-free PC with one UART, RTC, I/O APIC and ACPI power control, and nothing
 * else. Everything here takes the VM's lock itself.
 */
#pragma once

#include "arch/x86/types.h"
#include "core/vm/vm.h"

/* One access of 1, 2 or 4 bytes to an I/O port. False: nothing is there (reads give all ones). */
bool pc_port_read(struct vm *vm, uint16_t port, unsigned size, uint32_t *value);
bool pc_port_write(struct vm *vm, uint16_t port, unsigned size, uint32_t value);

/* One access to memory that is not RAM and no local APIC. False: nothing is there. */
bool pc_mmio_read(struct vm *vm, gpa_t at, unsigned size, uint64_t *value);
bool pc_mmio_write(struct vm *vm, gpa_t at, unsigned size, uint64_t value);
