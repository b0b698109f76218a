/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables of a guest, written one behind the other, each sealed with its checksum. */
#include "dev/acpi_tables.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/power.h"

#define HEADER_SIZE 36
#define RSDP_SIZE   36
#define FADT_SIZE   276
#define MCFG_SIZE   60
#define XSDT_TABLES 2 /* FADT and MADT; the DSDT hangs on the FADT */
#define PCI_TABLES  2 /* MCFG and SSDT */

enum {
    FADT_WBINVD = 1 << 0,
    FADT_TIMER_32 = 1 << 8,
    FADT_RESET_REGISTER = 1 << 10,
    FADT_HW_REDUCED = 1 << 20
};
enum { BOOT_NO_VGA = 1 << 2 }; /* of the FADT's boot flags; "no CMOS RTC" and "8042" stay clear */
enum { GAS_PORT = 1, GAS_BYTE = 1, GAS_DWORD = 3 };
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_X2APIC = 9, MADT_ENABLED = 1 };

struct writer {
    uint8_t *data;
    size_t used, size;
    bool overflow;
};

static void put_value(struct writer *w, uint64_t value, unsigned n)
{
    if (n > w->size - w->used) {
        w->overflow = true;
        return;
    }
    store_le(w->data + w->used, value, n);
    w->used += n;
}

static void put_block(struct writer *w, const void *from, size_t n)
{
    const uint8_t *p = from;

    for (size_t i = 0; i < n; i++)
        put_value(w, p[i], 1);
}

static void put_zeros(struct writer *w, size_t n)
{
    while (n-- > 0)
        put_value(w, 0, 1);
}

static void align_table(struct writer *w)
{
    put_zeros(w, ALIGN_UP(w->used, 16) - w->used);
}

static void seal_table(uint8_t *from, size_t n, uint8_t *checksum)
{
    uint8_t sum = 0;

    *checksum = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + from[i]);
    *checksum = (uint8_t)-sum;
}

/* Returns where the table begins. */
static size_t begin_table(struct writer *w, const char *signature, uint8_t revision)
{
    size_t start;

    align_table(w);
    start = w->used;
    put_block(w, signature, 4);
    put_value(w, 0, 4); /* length, set by end_table() */
    put_value(w, revision, 1);
    put_value(w, 0, 1); /* checksum */
    put_block(w, "SKERRY", 6);
    put_block(w, "SKERRY  ", 8);
    put_value(w, 1, 4);
    put_block(w, "SKRY", 4);
    put_value(w, 1, 4);
    return start;
}

static void end_table(struct writer *w, size_t start)
{
    if (w->overflow)
        return;
    store_le(w->data + start + 4, w->used - start, 4);
    seal_table(w->data + start, w->used - start, w->data + start + 9);
}

/* A generic address: an I/O port of so many bits. */
static void put_port(struct writer *w, uint16_t port, unsigned bits)
{
    put_value(w, GAS_PORT, 1);
    put_value(w, bits, 1);
    put_value(w, 0, 1);
    put_value(w, bits == 8 ? GAS_BYTE : GAS_DWORD, 1);
    put_value(w, port, 8);
}

/* Up to the next field at `offset` of the table that began at `start`. */
static void skip_to(struct writer *w, size_t start, size_t offset)
{
    ASSERT(w->used <= start + offset); /* no field before it has grown */
    put_zeros(w, start + offset - w->used);
}

static void put_fadt(struct writer *w, uint64_t dsdt)
{
    size_t start = begin_table(w, "FACP", 6);

    if (w->overflow)
        return;
    skip_to(w, start, 76);
    put_value(w, ACPI_TABLES_PM_TIMER, 4); /* hardware-reduced or not, systems look for it */
    skip_to(w, start, 91);
    put_value(w, 4, 1); /* its length */
    skip_to(w, start, 109);
    put_value(w, BOOT_NO_VGA, 2);
    put_value(w, 0, 1);
    put_value(w, FADT_WBINVD | FADT_TIMER_32 | FADT_RESET_REGISTER | FADT_HW_REDUCED, 4);
    put_port(w, POWER_PORT_RESET, 8);
    put_value(w, POWER_RESET_VALUE, 1);
    put_value(w, 0, 2); /* ARM boot flags */
    put_value(w, 5, 1); /* minor version of ACPI 6.5 */
    put_value(w, 0, 8); /* FACS: hardware-reduced machines need none */
    put_value(w, dsdt, 8);
    if (w->overflow)
        return;
    skip_to(w, start, 208);
    put_port(w, ACPI_TABLES_PM_TIMER, 32);
    skip_to(w, start, 244);
    put_port(w, POWER_PORT_SLEEP, 8);
    put_port(w, POWER_PORT_STATUS, 8);
    put_block(w, "SKERRY\0\0", 8); /* hypervisor vendor */
    ASSERT(w->overflow || w->used - start == FADT_SIZE);
    end_table(w, start);
}

static void put_cpu(struct writer *w, unsigned uid, uint32_t apic_id)
{
    bool x2apic = apic_id >= 255;

    put_value(w, x2apic ? MADT_X2APIC : MADT_LAPIC, 1);
    put_value(w, x2apic ? 16 : 8, 1);
    if (!x2apic) {
        put_value(w, uid, 1);
        put_value(w, apic_id, 1);
        put_value(w, MADT_ENABLED, 4);
        return;
    }
    put_value(w, 0, 2);
    put_value(w, apic_id, 4);
    put_value(w, MADT_ENABLED, 4);
    put_value(w, uid, 4);
}

/* An I/O APIC ID shares its number space with the local APICs on old systems: the lowest that is free. */
static uint8_t ioapic_id(const struct acpi_params *p)
{
    for (unsigned id = 0; id < 255; id++) {
        bool used = false;

        for (unsigned i = 0; i < p->vcpu_count; i++)
            used = used || p->apic_ids[i] == id;
        if (!used)
            return (uint8_t)id;
    }
    return 0;
}

static void put_madt(struct writer *w, const struct acpi_params *p)
{
    size_t start = begin_table(w, "APIC", 5);

    put_value(w, ACPI_TABLES_LAPIC_BASE, 4);
    put_value(w, 0, 4); /* flags: no 8259 */
    for (unsigned i = 0; i < p->vcpu_count; i++)
        put_cpu(w, i, p->apic_ids[i]);
    put_value(w, MADT_IOAPIC, 1);
    put_value(w, 12, 1);
    put_value(w, ioapic_id(p), 1);
    put_value(w, 0, 1);
    put_value(w, ACPI_TABLES_IOAPIC_BASE, 4);
    put_value(w, 0, 4); /* first global interrupt */
    end_table(w, start);
}

static void put_rsdp(struct writer *w, uint64_t xsdt)
{
    size_t start;

    align_table(w);
    start = w->used;
    put_block(w, "RSD PTR ", 8);
    put_value(w, 0, 1); /* checksum of the first 20 bytes */
    put_block(w, "SKERRY", 6);
    put_value(w, 2, 1);
    put_value(w, 0, 4); /* no RSDT */
    put_value(w, RSDP_SIZE, 4);
    put_value(w, xsdt, 8);
    put_value(w, 0, 4); /* checksum of all, reserved */
    if (w->overflow)
        return;
    seal_table(w->data + start, 20, w->data + start + 8);
    seal_table(w->data + start, RSDP_SIZE, w->data + start + 32);
}

/* One segment of one bus. */
static void put_mcfg(struct writer *w)
{
    size_t start = begin_table(w, "MCFG", 1);

    put_value(w, 0, 8);
    put_value(w, ACPI_TABLES_ECAM_BASE, 8);
    put_value(w, 0, 2); /* segment */
    put_value(w, 0, 1); /* first and last bus */
    put_value(w, 0, 1);
    put_value(w, 0, 4);
    ASSERT(w->overflow || w->used - start == MCFG_SIZE);
    end_table(w, start);
}

/* Where each table goes: one behind the other. */
struct plan {
    unsigned tables;
    uint64_t xsdt, fadt, madt, mcfg, dsdt, ssdt; /* addresses */
};

static struct plan plan_tables(uint64_t base, const struct acpi_params *p)
{
    struct plan t = {.tables = XSDT_TABLES + (p->pci ? PCI_TABLES : 0)};

    t.xsdt = base + ALIGN_UP(RSDP_SIZE, 16);
    t.fadt = ALIGN_UP(t.xsdt + HEADER_SIZE + 8 * t.tables, 16);
    t.madt = ALIGN_UP(t.fadt + FADT_SIZE, 16);
    t.mcfg =
        ALIGN_UP(t.madt + 44 + 12 + p->vcpu_count * (size_t)16, 16); /* room for the larger kind of entry */
    t.dsdt = p->pci ? ALIGN_UP(t.mcfg + MCFG_SIZE, 16) : t.mcfg;
    t.ssdt = ALIGN_UP(t.dsdt + p->dsdt_size, 16);
    return t;
}

static void put_xsdt(struct writer *w, const struct plan *t)
{
    const uint64_t tables[XSDT_TABLES + PCI_TABLES] = {t->fadt, t->madt, t->mcfg, t->ssdt};
    size_t start = begin_table(w, "XSDT", 1);

    for (unsigned i = 0; i < t->tables; i++)
        put_value(w, tables[i], 8);
    end_table(w, start);
}

/* Up to where the plan has the next one. */
static void pad_to(struct writer *w, uint64_t base, uint64_t at)
{
    if (w->overflow)
        return;
    ASSERT(base + w->used <= at);
    put_zeros(w, at - base - w->used);
}

/* The root pointer comes first: some look for it only at the start of an area. */
size_t acpi_tables_build(uint8_t *buffer, size_t size, gpa_t base, const struct acpi_params *p, gpa_t *rsdp)
{
    struct writer w = {.data = buffer, .size = size};
    const struct plan t = plan_tables(base.value, p);

    ASSERT(base.value % 16 == 0 && base.value + size <= 4 * GIB);
    put_rsdp(&w, t.xsdt);
    pad_to(&w, base.value, t.xsdt);
    put_xsdt(&w, &t);
    pad_to(&w, base.value, t.fadt);
    put_fadt(&w, t.dsdt);
    pad_to(&w, base.value, t.madt);
    put_madt(&w, p);
    pad_to(&w, base.value, t.mcfg);
    if (p->pci)
        put_mcfg(&w);
    pad_to(&w, base.value, t.dsdt);
    put_block(&w, p->dsdt, p->dsdt_size);
    if (p->pci) {
        pad_to(&w, base.value, t.ssdt);
        put_block(&w, p->pci, p->pci_size);
    }
    *rsdp = base;
    return w.overflow ? 0 : w.used;
}
