/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt lines of the ISA devices that the console is: its serial port, and a keyboard. */
#pragma once

#include "arch/x86/acpi.h"

struct interrupt_line {
    uint32_t gsi;    /* input of the I/O APICs */
    bool level, low; /* else edge-triggered, active high */
};

/* Of an ISA interrupt, by the MADT's overrides. */
struct interrupt_line isa_line(const struct acpi_madt *madt, uint8_t irq);

/*
 * Of the serial port at this address: by SPCR, if it is about that port, and by MADT. False: nobody says. An
 * ISA interrupt (an input below 16) is edge-triggered and active high unless an override says otherwise,
 * whatever else the firmware left in SPCR: many leave 0 there (ACPI specification, "Interrupt Source Override
 * Structure"; Microsoft, "Serial Port Console Redirection Table").
 */
bool serial_line(const struct acpi_info *acpi, const struct acpi_register *base, struct interrupt_line *line);
