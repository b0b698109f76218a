/* SPDX-License-Identifier: BSD-2-Clause */
/* The one machine Skerry runs on: what was found out about it at boot. Read-only afterwards. */
#pragma once

#include "arch/x86/acpi.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/multiboot2.h"
#include "arch/x86/paging.h"
#include "arch/x86/put_back.h"
#include "core/base/ticks.h"

struct machine {
    struct boot_info boot;
    struct acpi_info acpi;
    struct mtrrs mtrrs;
    struct cpu_note boot_cpu; /* as the boot loader left it */
    uint64_t entry_tsc;       /* TSC at the Multiboot2 entry */
    uint64_t tsc_hz;
    struct tick_scale tsc_scale; /* TSC ticks to nanoseconds */
    uint64_t start_time;         /* seconds since 1970 when TSC was start_tsc */
    uint64_t start_tsc;
    uint16_t serial_port; /* 0: none */
};

extern struct machine machine;
extern struct page_table host_tables; /* the hypervisor's own address space */

/* Fills in machine from the boot information at mbi; takes over memory and builds the final address space. */
void machine_setup(hpa_t mbi, uint64_t entry_tsc);

/* Starts console interrupts, timers and clocks: after ACPI is known, on the boot CPU. */
void machine_start_devices(void);

/* Devices as the boot loader left them, from the boot CPU with the others stopped: no console afterwards. */
void machine_put_back(void);

/* The end of what the direct map reaches: all memory, and everything below 4 GiB. */
uint64_t machine_memory_top(void);

/* n bytes of a firmware table, or NULL when the direct map does not reach that far. */
const void *machine_table(hpa_t at, size_t n);

/* Maps device registers or a framebuffer for good; flags MAP_DEVICE or MAP_WC. */
void *machine_map_device(hpa_t at, uint64_t size, uint64_t flags);

/* Seconds and nanoseconds since 1970. */
uint64_t machine_time(void);
uint64_t machine_time_ns(void);

/* True when word stands on the boot command line. */
bool machine_option(const char *word);
/* True when NAME=off does. */
bool machine_option_off(const char *name);

/* The module that the boot loader gave this name (the first word of its string), or NULL. */
const struct boot_module *machine_module(const char *name);
