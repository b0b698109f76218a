/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest ends: ports of a legacy-free PC, beside the keyboard controller's (dev/keyboard.h). They keep
 * no more state than the chipset's reset register.
 *
 *   600h  ACPI sleep control (ACPI 6.5, "Sleep Control and Status Registers"): bit 5 SLP_EN, bits 4:2 SLP_TYP
 *   601h  ACPI sleep status: always 0
 *   CF9h  reset control: bit 1 hard or soft, bit 2 resets when it rises
 *   92h   system control port A: bit 0 resets when it rises, bit 1 gates address line 20, which is always on
 */
#pragma once

#include "arch/x86/types.h"

#define POWER_PORT_SLEEP  0x600
#define POWER_PORT_STATUS 0x601
#define POWER_PORT_RESET  0xcf9
#define POWER_PORT_FAST   0x92
#define POWER_S5          5 /* SLP_TYP of soft-off, as the DSDT says it */
#define POWER_RESET_VALUE 6 /* for POWER_PORT_RESET */

enum power_event { POWER_NONE, POWER_OFF, POWER_RESET };

struct power {
    uint8_t reset_control, fast;
};

void power_reset(struct power *p);

/* port: one of these. */
uint8_t power_read(const struct power *p, uint16_t port);
enum power_event power_write(struct power *p, uint16_t port, uint8_t value);
