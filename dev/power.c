/* SPDX-License-Identifier: BSD-2-Clause */
/* Power-off and reset ports. */
#include "dev/power.h"
enum { SLEEP_ENABLE = 0x20, RESET_NOW = 0x04, RESET_KEPT = 0x0a, FAST_RESET = 0x01, FAST_A20 = 0x02 };

void power_reset(struct power *p)
{
    *p = (struct power){.fast = FAST_A20};
}

uint8_t power_read(const struct power *p, uint16_t port)
{
    switch (port) {
    case POWER_PORT_RESET: return p->reset_control;
    case POWER_PORT_FAST: return p->fast;
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
    case POWER_PORT_FAST: p->fast = value & FAST_A20; return value & FAST_RESET ? POWER_RESET : POWER_NONE;
    default: return POWER_NONE;
    }
}
