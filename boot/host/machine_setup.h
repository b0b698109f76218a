/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine is taken over from the boot loader, and given back; what was found out is in
 * core/base/machine.h. */
#pragma once

#include "boot/host/direct_map.h"
#include "core/base/machine.h"

/* Fills in machine from the boot information at mbi; takes over memory and builds the final address space. */
void machine_setup(hpa_t mbi, uint64_t entry_tsc);

/* All that is memory, and nothing that may be a device, in pieces (boot/host/direct_map.h). */
void machine_map_memory(direct_map_piece_t *map, void *context);

/* Starts console interrupts, timers and clocks: after ACPI is known, on the boot CPU. */
void machine_start_devices(void);

/* Keys from a PS/2 keyboard: where they are wanted, or where there is no serial port. */
void machine_start_keyboard(bool wanted);

/* Devices as the boot loader left them, from the boot CPU with the others stopped: no console afterwards. */
void machine_put_back(void);
