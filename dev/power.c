/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reset ports. */
#include "dev/power.h"
enum { SLEEP_ENABLE = 0x20, RESET_NOW = 0x04, RESET_KEPT = 0x0a, PULSE_RESET = 0xfe, ABSENT = 0xff };

void power_reset(struct power *p)
{
    p->reset_control = 0;
}

uint8_t power_read(const struct power *p, uint16_t port)
{
    switch (port) {
    case POWER_PORT_RESET: return p->reset_control;
    case POWER_PORT_KEYBOARD: return ABSENT; /* drivers take all ones for "none" and do not wait */
    default: return 0;
    }
}

enum power_event power_write(struct power *p, uint16_t port, uint8_t value)
{
    switch (port) {
    case POWER_PORT_SLEEP:
        return (value & SLEEP_ENABLE) && (value >> 2 & 7) == POWER_S5 ? POWER_OFF : POWER_NONE;
    case POWER_PORT_RESET:
        p->reset_control = value & RESET_KEPT;
        return value & RESET_NOW ? POWER_RESET : POWER_NONE;
    case POWER_PORT_KEYBOARD: return value == PULSE_RESET ? POWER_RESET : POWER_NONE;
    default: return POWER_NONE;
    }
}
