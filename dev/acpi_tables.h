/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables of a guest (ACPI Specification 6.5): root pointer, XSDT, hardware-reduced FADT, MADT, and
 * the DSDT compiled from dev/dsdt.asl; with PCI, the SSDT compiled from dev/pci/ssdt.asl, and MCFG (PCI
 * Firmware Specification 3.3).
 */
#pragma once

#include "arch/x86/types.h"

#define ACPI_TABLES_LAPIC_BASE  0xfee00000u
#define ACPI_TABLES_IOAPIC_BASE 0xfec00000u
#define ACPI_TABLES_ECAM_BASE   0xe0000000u
#define ACPI_TABLES_PM_TIMER    0x608u /* four ports */

struct acpi_params {
    unsigned vcpu_count;
    const uint32_t *apic_ids; /* one per vCPU; 255 and above as x2APIC entries */
    const void *dsdt;         /* a whole table, header included */
    size_t dsdt_size;
    const void *pci; /* the same of PCI; NULL: the guest has none */
    size_t pci_size;
};

/*
 * Builds the tables in a buffer of size bytes that the guest sees at base (16-byte aligned, below 4 GiB).
 * Returns the bytes used, and where the root pointer is in *rsdp; 0 when they do not fit.
 */
size_t acpi_tables_build(uint8_t *buffer, size_t size, gpa_t base, const struct acpi_params *p, gpa_t *rsdp);
