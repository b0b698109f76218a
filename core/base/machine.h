/* SPDX-License-Identifier: BSD-2-Clause */
/* The one machine Skerry runs on: what was found out about it at boot. Read-only afterwards. */
#pragma once

#include "arch/x86/acpi.h"
#include "arch/x86/clock.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/multiboot2.h"
#include "arch/x86/paging.h"
#include "arch/x86/put_back.h"
#include "core/base/ticks.h"

struct machine {
    struct boot_info boot;
    hpa_t information; /* that of the boot loader, from which boot is, and which it points into */
    uint32_t information_size;
    struct acpi_info acpi;
    struct mtrrs mtrrs;
    uint64_t uncached;            /* bytes of RAM that they leave uncached, which nobody is given */
    struct cpu_note boot_cpu;     /* as the boot loader left it */
    uint64_t entry_tsc;           /* TSC at the Multiboot2 entry */
    struct tsc_source tsc_source; /* of its rate: */
    uint64_t tsc_hz;
    uint64_t tsc_warp; /* ticks by which a CPU's was seen to differ from the boot CPU's; 0: one TSC for all */
    struct tick_scale tsc_scale; /* TSC ticks to nanoseconds */
    uint64_t start_time;         /* seconds since 1970 when TSC was start_tsc */
    uint64_t start_tsc;
    struct acpi_register serial; /* the console's serial port; address 0: none */
};

extern struct machine machine;
extern struct page_table host_tables; /* the hypervisor's own address space */

/* Maps into the hypervisor's own address space; there is memory for the tables, or the machine stops. */
void machine_map(uint64_t va, uint64_t pa, uint64_t size, uint64_t flags);

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
/* What stands there behind NAME=, up to the end of the command line, or NULL. */
const char *machine_option_value(const char *name);
/* True when NAME=off does. */
bool machine_option_off(const char *name);

/* The module that the boot loader gave this name (the first word of its string), or NULL. */
const struct boot_module *machine_module(const char *name);
