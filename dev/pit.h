/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8254 timer (Intel 8254 data sheet) at ports 40h to 43h, and port 61h (system control port B of the AT) in
 * front of its counter 2. Its counters are computed when they are read: 1.193182 MHz of the host's time.
 * Counter 0 has no interrupt, there is no 8259; counters 0 and 1 have their gates high. A new count counts at
 * once, also in modes 2 and 3, in which the chip ends its period first.
 *
 *   61h  bit 0 gate of counter 2, bit 1 speaker: kept, bit 4 toggles with each refresh, bit 5 output of
 * counter 2
 */
#pragma once

#include "arch/x86/types.h"

#define PIT_PORT         0x40
#define PIT_PORTS        4
#define PIT_PORT_CONTROL 0x61
#define PIT_COUNTERS     3
#define PM_TIMER_HZ      UINT64_C(3579545) /* the ACPI timer's rate; the 8254's is a third of it */

struct pit_counter {
    uint64_t start;  /* tick at which the count began, */
    uint64_t held;   /* or, while the gate holds it, how far it came */
    uint16_t reload; /* 0: the most */
    uint16_t latch;
    uint8_t control; /* as written: access in bits 5:4, mode in bits 3:1, BCD in bit 0 */
    uint8_t low;     /* of a count of two bytes, until the second comes */
    uint8_t status;
    bool gate, counts, loaded, triggered;
    bool latched, status_latched, second_read, second_write;
};

struct pit {
    struct pit_counter counters[PIT_COUNTERS];
    uint8_t control_port; /* bits of port 61h that are kept */
};

void pit_reset(struct pit *p);

/* offset: 0 to 3, or PIT_PORT_CONTROL. now: nanoseconds of a clock that never goes back. */
uint8_t pit_read(struct pit *p, unsigned offset, uint64_t now);
void pit_write(struct pit *p, unsigned offset, uint8_t value, uint64_t now);

/* The ACPI timer (ACPI 6.5, "Power Management Timer"), of 32 bits. */
uint32_t pm_timer(uint64_t now);
