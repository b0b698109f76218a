/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reset ports. */
#include "dev/power.h"

enum { SLEEP_ENABLE = 0x20, RESET_NOW = 0x04, RESET_KEPT = 0x0a, PULSE_RESET = 0xfe, ABSENT = 0xff };

void power_reset(struct power *p)
{
    p->reset_control = 0;
}

bool power_read(const struct power *p, uint16_t port, uint8_t *value)
{
    switch (port) {
    case POWER_PORT_SLEEP:
    case POWER_PORT_STATUS: *value = 0; return true;
    case POWER_PORT_RESET: *value = p->reset_control; return true;
    case POWER_PORT_KEYBOARD:
        *value = ABSENT;
        return true; /* drivers take all ones for "none" and do not wait */
    default: return false;
    }
}

bool power_write(struct power *p, uint16_t port, uint8_t value, enum power_event *event)
{
    bool off = (value & SLEEP_ENABLE) && (value >> 2 & 7) == POWER_S5;

    switch (port) {
    case POWER_PORT_SLEEP: *event = off ? POWER_OFF : POWER_NONE; return true;
    case POWER_PORT_STATUS: *event = POWER_NONE; return true;
    case POWER_PORT_RESET:
        *event = value & RESET_NOW ? POWER_RESET : POWER_NONE;
        p->reset_control = value & RESET_KEPT;
        return true;
    case POWER_PORT_KEYBOARD: *event = value == PULSE_RESET ? POWER_RESET : POWER_NONE; return true;
    default: return false;
    }
}
