/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's PCI bus with two functions that a test makes up, and what is below it: pins, and messages by their
 * route or without one. Tests may define MUST(condition) first, and link with dev/pci/, dev/bus.c and
 * dev/windows.c.
 */
#pragma once

#include "core/base/panic.h"
#include "core/vm/guest.h"
#include "dev/pc.h"
#include "dev/pci/pci_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MUST
#define MUST(condition) assert(condition)
#endif

#define SLOT    3
#define OTHER   11 /* shares its pin */
#define VECTORS 5
#define TABLE   0x100
#define PBA     0x800
#define HOME    (PCI_MEMORY_BASE + SLOT * PCI_MEMORY_SIZE)
#define IO_HOME (PCI_IO_BASE + SLOT * PCI_IO_SIZE)
#define ON      (COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER)

/* --- below it --- */

void panic(const char *fmt, ...)
{
    fprintf(stderr, "panic: %s\n", fmt);
    abort();
}

static struct vm_config config;
static struct vm vm;
static struct bus bus;
static struct pci_function f, other;
static struct pci_msix_entry entries[VECTORS];

static uint8_t pages[4][2 * PAGE_SIZE] ALIGNED(4096);
static unsigned pages_used;

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind, uint64_t count)
{
    MUST(account == &vm.account);
    MUST(kind == MEMORY_STATE);
    MUST(count >= 1 && count <= 2);
    memset(pages[pages_used], 0, sizeof(pages[0]));
    return pages[pages_used++];
}

unsigned guest_ranges(const struct vm *of, struct guest_range ranges[GUEST_MAX_RANGES])
{
    ranges[0] = (struct guest_range){gpa(0), MIN(of->memory, 3 * GIB)};
    ranges[1] = (struct guest_range){gpa(4 * GIB), of->memory - ranges[0].size};
    return ranges[1].size ? 2 : 1;
}

static uint32_t pins;
static unsigned pin_changes;

void pc_set_pin(struct vm *of, unsigned pin, bool level)
{
    MUST(of == &vm);
    MUST(pin >= 16 && pin <= 23);
    pins = (pins & ~(1u << pin)) | (uint32_t)level << pin;
    pin_changes++;
}

/* By the route, and by looking at each APIC. */
static unsigned posted, delivered;
static struct msi delivery;
static unsigned posted_vector, posted_to;
static bool routes_are_old;

static uint32_t destination(struct msi m)
{
    return (m.address >> 12 & 0xff) | (m.address >> 5 & 0x7f) << 8;
}

union msi_route vm_find_route(const struct vm *of, struct msi m)
{
    union msi_route route = {.direct = !(m.address & MSI_LOGICAL) && !(m.data & 0x700),
                             .vector = (uint8_t)m.data,
                             .apic_id = (uint16_t)destination(m)};

    MUST(of == &vm);
    return route.direct ? route : (union msi_route){.word = 0};
}

bool vm_post_route(const struct vm *of, union msi_route route)
{
    MUST(of == &vm);
    if (!route.direct || routes_are_old)
        return false;
    posted++;
    posted_vector = route.vector;
    posted_to = route.apic_id;
    return true;
}

bool vm_deliver_msi(struct vm *of, struct msi m)
{
    MUST(of == &vm);
    delivered++;
    delivery = m;
    return true;
}

/* --- the function --- */

static struct {
    unsigned reads, writes, bar, offset, size, resets, live_reads, live_writes;
    uint64_t value;
} seen;

static uint64_t bar_read(struct pci_function *of, unsigned bar, unsigned offset, unsigned size)
{
    MUST(of == &f || of == &other);
    MUST(bar < PCI_BARS && offset < of->places[bar].is.size && size <= of->places[bar].is.size - offset);
    seen.reads++;
    seen.bar = bar;
    seen.offset = offset;
    seen.size = size;
    return UINT64_C(0x1122334455667788);
}

static void bar_write(struct pci_function *of, unsigned bar, unsigned offset, unsigned size, uint64_t value)
{
    bar_read(of, bar, offset, size);
    seen.writes++;
    seen.value = value;
}

static uint32_t live_read(struct pci_function *of, unsigned offset, unsigned size)
{
    MUST(of == &f);
    seen.live_reads++;
    seen.offset = offset;
    seen.size = size;
    return 0xcafe0123;
}

static void live_write(struct pci_function *of, unsigned offset, unsigned size, uint32_t value)
{
    live_read(of, offset, size);
    seen.live_writes++;
    seen.value = value;
}

static void was_reset(struct pci_function *of)
{
    MUST(pci_command(of) == 0);
    seen.resets++;
}

static const struct pci_function_ops test_ops = {"test",     bar_read,  bar_write, live_read,
                                                 live_write, was_reset, NULL,      NULL};
static const struct pci_identity identity = {
    .vendor = 0x1af4,
    .device = 0x1044,
    .subsystem_vendor = 0x1234,
    .subsystem = 0x5678,
    .class_code = 0x00ff05,
    .revision = 1,
    .intx = true,
    .bars = {{PCI_BAR_MEMORY32, 0x4000},
             {PCI_BAR_MEMORY32, 0x1000},
             {PCI_BAR_IO, 32},
             {PCI_BAR_NONE, 0},
             {PCI_BAR_MEMORY64, 0x100000},
             {PCI_BAR_NONE, 0}},
    .msix = {VECTORS, 1, TABLE, PBA, entries},
};
static const uint8_t vendor_body[20] = {0, 0, 20, 5},
                     vendor_mask[20] = {0xff, 0xff, 0, 0, 0xff, [8] = 0xff, 0xff, 0xff, 0xff};
static unsigned msix_at, vendor_at;

static inline void fake_pci_set_up(void)
{
    static const struct pci_identity plain = {
        .vendor = 0x1af4, .device = 0x1041, .intx = true, .bars = {{PCI_BAR_MEMORY32, 0x4000}}};

    memset(&vm, 0, sizeof(vm));
    memset(&bus, 0, sizeof(bus));
    memset(&f, 0, sizeof(f));
    memset(&other, 0, sizeof(other));
    memset(entries, 0, sizeof(entries));
    memset(&seen, 0, sizeof(seen));
    config = (struct vm_config){.pci = true};
    vm = (struct vm){.config = &config, .bus = &bus, .memory = 4 * GIB};
    pins = pin_changes = posted = delivered = pages_used = 0;
    routes_are_old = false;
    MUST(pci_create(&vm, NULL));
    MUST(!pci_add(&vm, &f, &test_ops, SLOT, &identity));
    vendor_at = pci_add_capability(
        &f, &(struct pci_capability){PCI_CAPABILITY_VENDOR, 20, vendor_body, vendor_mask, 16});
    MUST(!pci_add(&vm, &other, &test_ops, OTHER, &plain));
    msix_at = 0x40;
}

/* --- as a guest reaches it --- */

static inline uint32_t in(unsigned port, unsigned size)
{
    uint32_t value;

    bus_port_read(&bus, (uint16_t)port, size, &value);
    return value;
}

static inline void out(unsigned port, unsigned size, uint32_t value)
{
    bus_port_write(&bus, (uint16_t)port, size, value);
}

static inline uint64_t load(uint64_t at, unsigned size)
{
    uint64_t value;

    bus_mmio_read(&bus, gpa(at), size, &value);
    return value;
}

static inline void store(uint64_t at, unsigned size, uint64_t value)
{
    bus_mmio_write(&bus, gpa(at), size, value);
}

static inline uint64_t ecam(unsigned slot, unsigned offset)
{
    return PCI_ECAM_BASE + (slot << 15) + offset;
}

/* By both ways, which agree. */
static inline uint32_t config_read(unsigned slot, unsigned offset, unsigned size)
{
    uint32_t value;

    out(0xcf8, 4, 0x80000000 | slot << 11 | (offset & 0xfc));
    value = in(0xcfc + offset % 4, size);
    MUST(load(ecam(slot, offset), size) == value);
    return value;
}

/* By one or the other. */
static inline void config_write(unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
    static bool by_ecam;

    by_ecam = !by_ecam;
    if (by_ecam) {
        store(ecam(slot, offset), size, value);
        return;
    }
    out(0xcf8, 4, 0x80000000 | slot << 11 | (offset & 0xfc));
    out(0xcfc + offset % 4, size, value);
}

static inline uint32_t get(unsigned offset, unsigned size)
{
    return config_read(SLOT, offset, size);
}

static inline void set(unsigned offset, unsigned size, uint32_t value)
{
    config_write(SLOT, offset, size, value);
}

/* An entry of its MSI-X table, word by word. */
static inline uint64_t entry(unsigned vector, unsigned word)
{
    return HOME + 0x4000 + TABLE + vector * 16 + word * 4;
}

static inline void set_entry(unsigned vector, uint32_t address, uint32_t data)
{
    store(entry(vector, 0), 8, address);
    store(entry(vector, 2), 8, data);
}

static inline void start_msix(void)
{
    set(4, 2, ON);
    for (unsigned i = 0; i < VECTORS; i++)
        set_entry(i, (uint32_t)MSI_BASE | i << 12, 0x40 + i);
    set(msix_at + 2, 2, MSIX_ENABLE);
}

/* Messages since this was asked. */
static inline unsigned sent(void)
{
    unsigned n = posted + delivered;

    posted = delivered = 0;
    return n;
}
