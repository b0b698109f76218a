/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's ACPI tables (ACPI Specification 6.5; MCFG: PCI Firmware Specification 3.3; SPCR: Microsoft's
 * "Serial Port Console Redirection Table"), as far as a hypervisor needs them before any driver runs.
 * A table that is missing or malformed is flagged absent; a malformed one is also reported, as is a wrong
 * checksum. Of the MADT what is before a malformed entry is used.
 */
#pragma once

#include "arch/x86/types.h"

#define ACPI_MAX_CPUS      256
#define ACPI_MAX_IOAPICS   64
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_SEGMENTS  8

/* How acpi_parse reaches memory and speaks. */
struct acpi_source {
    /* n bytes at a physical address, or NULL when unreachable. They must stay readable during acpi_parse. */
    const void *(*map)(void *context, hpa_t at, size_t n);
    /* table: four characters and a NUL; what: one line, no newline. */
    void (*warn)(void *context, const char *table, const char *what);
    void *context;
};

enum acpi_space { ACPI_MEMORY = 0, ACPI_PORT = 1, ACPI_PCI = 2 };

/* A "generic address structure"; address 0: there is no such register. */
struct acpi_register {
    uint8_t space; /* enum acpi_space, or another number of the specification */
    uint8_t width; /* bits */
    uint64_t address;
    uint8_t access; /* bytes at a time; 0: as wide as it is */
};

struct acpi_cpu { /* that is there */
    uint32_t apic_id;
    uint32_t uid; /* its number in other entries */
};

#define ACPI_ALL_CPUS UINT32_MAX

struct acpi_nmi { /* that comes by a pin of local APICs */
    uint32_t uid; /* of the CPU, or ACPI_ALL_CPUS */
    uint16_t flags;
    uint8_t pin; /* LINT0 or LINT1 */
};

struct acpi_ioapic {
    uint8_t id;
    hpa_t address;
    uint32_t gsi_base;
};

struct acpi_override { /* of an ISA interrupt */
    uint8_t irq;
    uint32_t gsi;
    uint16_t flags; /* bits 1:0 polarity (1 high, 3 low), bits 3:2 trigger (1 edge, 3 level), 0: as the bus */
};

struct acpi_madt {
    bool present;
    bool pcat_compat; /* there are also two 8259s */
    hpa_t local_apic;
    struct acpi_cpu cpus[ACPI_MAX_CPUS]; /* in the order of the table, each APIC ID once */
    unsigned cpu_count;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    unsigned ioapic_count;
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];
    unsigned override_count;
    struct acpi_nmi nmis[ACPI_MAX_CPUS];
    unsigned nmi_count;
};

struct acpi_gpe { /* a block of general-purpose events */
    uint32_t port;
    uint8_t size; /* bytes: statuses, then as many enables; 0: there is no such block */
};

struct acpi_fadt {
    bool present;
    bool hw_reduced;
    struct acpi_register pm1a_control, pm1b_control;
    struct acpi_register pm1a_status, pm1b_status;
    struct acpi_gpe gpe[2];
    struct acpi_register sleep_control; /* hw_reduced only */
    struct acpi_register reset;         /* address 0 when the firmware supports none */
    uint8_t reset_value;
    uint16_t pm_timer;    /* port of the 3.579545 MHz counter; 0: none */
    uint32_t smi_command; /* port; 0: always in ACPI mode */
    uint8_t acpi_enable;  /* written to smi_command to enter ACPI mode */
    hpa_t dsdt;
};

struct acpi_segment { /* PCI Express configuration space */
    hpa_t base;       /* of bus 0, also when first_bus is not 0 */
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct acpi_mcfg {
    bool present;
    struct acpi_segment segments[ACPI_MAX_SEGMENTS];
    unsigned count;
};

struct acpi_spcr {
    bool present;
    uint8_t uart;              /* interface type: 0 16550, 1 16550 subset (16450), 12h 16550 by "base" */
    struct acpi_register base; /* address 0: console redirection is off */
    bool has_irq, has_gsi;     /* 8259 input; I/O APIC input */
    uint8_t irq;
    uint32_t gsi;
    uint32_t baud; /* 0: leave it as the firmware set it */
};

/* What is written to SLP_TYP of PM1a and PM1b for soft-off, from \_S5 in DSDT or SSDT. */
struct acpi_s5 {
    bool present;
    uint8_t a, b; /* 0 to 7 */
};

struct acpi_info {
    struct acpi_madt madt;
    struct acpi_fadt fadt;
    struct acpi_mcfg mcfg;
    struct acpi_spcr spcr;
    struct acpi_s5 s5;
    hpa_t dmar; /* DMA remapping table, length and checksum right; 0: absent */
};

/*
 * Reads all tables that are reached from a copy of the root pointer (20 or 36 bytes). False when the root
 * pointer or the table it points at is unusable: then everything is absent. Always fills in *out.
 */
bool acpi_parse(const struct acpi_source *source, const void *rsdp, size_t size, struct acpi_info *out);
