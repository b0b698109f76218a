/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pin of a CPU's local APIC the machine's NMI comes by: PCI errors, a button, a watchdog. */
#pragma once

#include "arch/x86/acpi.h"

struct nmi_line {
    uint8_t pin; /* LINT0 or LINT1 */
    bool low;    /* active low */
};

/*
 * Of a CPU, by APIC ID, on a machine that has booted with that one. One CPU is enough: the boot CPU, by LINT1
 * or the pin that MADT says; others only where MADT says that it is wired to them and not to the boot CPU.
 * False: none.
 */
bool nmi_line(const struct acpi_madt *madt, uint32_t apic_id, uint32_t boot_apic_id, struct nmi_line *line);
