/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/x86/acpi.c over a small fake physical memory that hands out exactly the bytes asked for. */
#include "tests/unit/unit.h"

#include "arch/x86/acpi.h"

#include <stdio.h>
#include <string.h>

#define BASE 0xe0000u

static uint8_t memory[65536];
static uint32_t next; /* offset of the next free byte */
static uint32_t tables[16];
static unsigned table_count;
static unsigned warnings;
static char last_warning[128];
static struct acpi_info info;

static const void *map(void *context, hpa_t at, size_t n)
{
    (void)context;
    if (at.value < BASE || at.value - BASE > sizeof(memory) || n > sizeof(memory) - (at.value - BASE))
        return NULL;
    return memory + (at.value - BASE);
}

static void warn(void *context, const char *table, const char *what)
{
    (void)context;
    warnings++;
    assert_int_equal(strlen(table), 4);
    snprintf(last_warning, sizeof(last_warning), "%s: %s", table, what);
}

static uint8_t sum(const uint8_t *data, size_t size)
{
    uint8_t total = 0;

    while (size-- > 0)
        total = (uint8_t)(total + *data++);
    return total;
}

static void reset(void)
{
    memset(memory, 0, sizeof(memory));
    next = 64;
    table_count = 0;
    warnings = 0;
    last_warning[0] = '\0';
}

static void seal(uint8_t *table)
{
    uint32_t size = (uint32_t)load_le(table + 4, 4);

    table[9] = 0;
    table[9] = (uint8_t)-sum(table, size);
}

/* Adds a table of `size` bytes with the given body; returns it, to be changed and sealed again. */
static uint8_t *add(const char *signature, uint32_t size, const void *body, uint32_t body_size)
{
    uint8_t *t = memory + next;

    memcpy(t, signature, 4);
    store_le(t + 4, size, 4);
    if (body_size > 0)
        memcpy(t + 36, body, body_size);
    seal(t);
    tables[table_count++] = BASE + next;
    next = (uint32_t)ALIGN_UP(next + size, 16);
    return t;
}

static bool parse(unsigned revision)
{
    const struct acpi_source source = {map, warn, NULL};
    unsigned entry = revision >= 2 ? 8 : 4, count = table_count;
    uint8_t rsdp[36] = "RSD PTR ", body[128];
    uint32_t root = BASE + next;

    for (unsigned i = 0; i < count; i++)
        store_le(body + i * entry, tables[i], entry);
    add(revision >= 2 ? "XSDT" : "RSDT", 36 + count * entry, body, count * entry);
    rsdp[15] = (uint8_t)revision;
    if (revision >= 2)
        store_le(rsdp + 24, root, 8);
    else
        store_le(rsdp + 16, root, 4);
    rsdp[20] = 36;
    rsdp[8] = (uint8_t)-sum(rsdp, 20);
    rsdp[32] = (uint8_t)-sum(rsdp, 36);
    return acpi_parse(&source, rsdp, revision >= 2 ? 36 : 20, &info);
}

static const uint8_t madt_body[] = {
    0x00, 0x00, 0xe0, 0xfe, 1,    0,    0,    0,                 /* local APIC address, PCAT_COMPAT */
    0,    8,    0,    0,    1,    0,    0,    0,                 /* APIC ID 0, enabled */
    0,    8,    1,    2,    2,    0,    0,    0,                 /* APIC ID 2, online capable */
    0,    8,    2,    4,    0,    0,    0,    0,                 /* APIC ID 4, neither */
    0,    8,    3,    255,  1,    0,    0,    0,                 /* APIC ID 255: none */
    1,    12,   9,    0,    0,    0,    0xc0, 0xfe, 24, 0, 0, 0, /* I/O APIC 9 */
    2,    10,   0,    0,    2,    0,    0,    0,    5,  0,       /* IRQ 0 -> GSI 2 */
    4,    6,    255,  5,    0,    1,                             /* NMI of all */
    9,    16,   0,    0,    0x34, 0x12, 0,    0,    1,  0, 0, 0, 5, 0, 0, 0, /* x2APIC ID 1234h */
    9,    16,   0,    0,    0,    0,    0,    0,    1,  0, 0, 0, 5, 0, 0, 0, /* x2APIC ID 0 again */
};

static void madt(void **state)
{
    uint8_t more[sizeof(madt_body) + 12];

    (void)state;
    reset();
    add("APIC", 36 + sizeof(madt_body), madt_body, sizeof(madt_body));
    assert_true(parse(2));
    assert_int_equal(warnings, 0);
    assert_true(info.madt.present && info.madt.pcat_compat);
    assert_int_equal(info.madt.local_apic.value, 0xfee00000);
    assert_int_equal(info.madt.cpu_count, 2);
    assert_int_equal(info.madt.cpus[0].apic_id, 0);
    assert_int_equal(info.madt.cpus[1].apic_id, 0x1234);
    assert_int_equal(info.madt.ioapics[0].id, 9);
    assert_int_equal(info.madt.ioapics[0].address.value, 0xfec00000);
    assert_int_equal(info.madt.ioapics[0].gsi_base, 24);
    assert_int_equal(info.madt.overrides[0].gsi, 2);
    assert_int_equal(info.madt.overrides[0].flags, 5);
    assert_int_equal(info.madt.cpus[1].uid, 5);
    assert_int_equal(info.madt.nmi_count, 1);
    assert_int_equal(info.madt.nmis[0].uid, ACPI_ALL_CPUS);
    assert_int_equal(info.madt.nmis[0].flags, 5);
    assert_int_equal(info.madt.nmis[0].pin, 1);

    reset();
    memcpy(more, madt_body, sizeof(madt_body));
    memcpy(more + sizeof(madt_body), "\5\14\0\0\0\0\0\0\1\0\0\0", 12);
    add("APIC", 36 + sizeof(more), more, sizeof(more));
    assert_true(parse(0));
    assert_int_equal(info.madt.local_apic.value, 0x100000000);
}

static void madt_nmis(void **state)
{
    static const uint8_t body[] = {0,  0,  0xe0, 0xfe, 1,    0,    0, 0, /* local APIC address, PCAT_COMPAT */
                                   4,  6,  7,    0xf,  0,    0,          /* CPU 7, LINT0, level, active low */
                                   10, 12, 3,    0,    0x34, 0x12, 0, 0,
                                   1,  0,  0,    0}; /* x2APIC's CPU 1234h, LINT1 */

    (void)state;
    reset();
    add("APIC", 36 + sizeof(body), body, sizeof(body));
    assert_true(parse(2));
    assert_int_equal(info.madt.nmi_count, 2);
    assert_int_equal(info.madt.nmis[0].uid, 7);
    assert_int_equal(info.madt.nmis[0].flags, 0xf);
    assert_int_equal(info.madt.nmis[0].pin, 0);
    assert_int_equal(info.madt.nmis[1].uid, 0x1234);
    assert_int_equal(info.madt.nmis[1].flags, 3);
    assert_int_equal(info.madt.nmis[1].pin, 1);
}

static void madt_malformed(void **state)
{
    static const uint8_t bad[][4] = {{0, 0}, {0, 1}, {0, 4, 0, 1}, {0, 9}, {9, 4}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t body[8 + 4] = {0};

        memcpy(body + 8, bad[i], 4);
        reset();
        add("APIC", 36 + sizeof(body), body, sizeof(body));
        assert_true(parse(2));
        assert_true(info.madt.present);
        assert_int_equal(info.madt.cpu_count, 0);
        assert_string_equal(last_warning, "APIC: an entry is malformed, what is behind it is not used");
    }
}

/* Zeroes at its end, as some firmware pads it: what is before them counts. */
static void madt_padded(void **state)
{
    uint8_t body[sizeof(madt_body) + 4] = {0};

    (void)state;
    memcpy(body, madt_body, sizeof(madt_body));
    reset();
    add("APIC", 36 + sizeof(body), body, sizeof(body));
    assert_true(parse(2));
    assert_int_equal(warnings, 1);
    assert_true(info.madt.present);
    assert_int_equal(info.madt.cpu_count, 2);
    assert_int_equal(info.madt.ioapic_count, 1);
    assert_int_equal(info.madt.override_count, 1);
}

/* More of those that could be plugged in than there is room for CPUs. */
/* 8 sockets have dozens. What does not fit is said once. */
static void madt_with_many_ioapics(void **state)
{
    uint8_t body[8 + (ACPI_MAX_IOAPICS + 2) * 12] = {0};

    (void)state;
    for (unsigned i = 0; i < ACPI_MAX_IOAPICS + 2; i++) {
        memcpy(body + 8 + i * 12, "\1\14", 2);
        body[8 + i * 12 + 2] = (uint8_t)i;
    }
    reset();
    add("APIC", 36 + sizeof(body) - 24, body, sizeof(body) - 24);
    assert_true(parse(2));
    assert_int_equal(warnings, 0);
    assert_int_equal(info.madt.ioapic_count, 64);
    assert_int_equal(info.madt.ioapics[63].id, 63);

    reset();
    add("APIC", 36 + sizeof(body), body, sizeof(body));
    assert_true(parse(2));
    assert_int_equal(warnings, 1);
    assert_string_equal(last_warning, "APIC: more than 64 I/O APICs, the rest is not used");
    assert_int_equal(info.madt.ioapic_count, 64);
}

static void madt_with_spares(void **state)
{
    uint8_t body[8 + 300 * 16 + 16] = {0}, *e = body + 8;

    (void)state;
    for (unsigned i = 0; i < 301; i++, e += 16) {
        e[0] = 9;
        e[1] = 16;
        store_le(e + 4, i, 4);
        e[8] = i < 300 ? 2 : 1;
    }
    reset();
    add("APIC", 36 + sizeof(body), body, sizeof(body));
    assert_true(parse(2));
    assert_int_equal(warnings, 0);
    assert_int_equal(info.madt.cpu_count, 1);
    assert_int_equal(info.madt.cpus[0].apic_id, 300);
}

static void madt_overflow(void **state)
{
    uint8_t *t;

    (void)state;
    reset();
    t = add("APIC", 44 + 300 * 16, "", 0);
    for (unsigned i = 0; i < 300; i++) {
        uint8_t *e = t + 44 + i * 16;

        e[0] = 9;
        e[1] = 16;
        store_le(e + 4, 1000 + i, 4);
        e[8] = 1;
    }
    seal(t);
    assert_true(parse(2));
    assert_true(info.madt.present);
    assert_int_equal(info.madt.cpu_count, ACPI_MAX_CPUS);
    assert_int_equal(warnings, 1);
}

/* A name that no package follows, then one with a package length of two bytes and four elements. */
static const uint8_t aml_s5[] = {0x08, '_',  'S',  '5',  '_',  0x08, '_',  'S',  '5',
                                 '_',  0x12, 0x46, 0x00, 0x04, 0x0a, 0x05, 0x01, 0x00};

static void fadt(void **state)
{
    uint8_t *t;
    uint32_t dsdt;

    (void)state;
    reset();
    add("DSDT", 36 + sizeof(aml_s5), aml_s5, sizeof(aml_s5));
    dsdt = tables[--table_count];
    t = add("FACP", 276, "", 0);
    store_le(t + 40, dsdt, 4);
    store_le(t + 48, 0xb2, 4);
    t[52] = 0xa0;
    store_le(t + 64, 0x604, 4);
    t[184] = 1;
    t[185] = 32;
    store_le(t + 188, 0x1234, 8);
    store_le(t + 56, 0x600, 4);
    store_le(t + 80, 0x620, 4);
    t[92] = 16;
    store_le(t + 112, BIT(10), 4);
    t[116] = 1;
    t[117] = 8;
    store_le(t + 120, 0xcf9, 8);
    t[128] = 6;
    seal(t);
    assert_true(parse(2));
    assert_int_equal(warnings, 0);
    assert_true(info.fadt.present);
    assert_false(info.fadt.hw_reduced);
    assert_int_equal(info.fadt.pm1a_control.space, ACPI_PORT);
    assert_int_equal(info.fadt.pm1a_control.address, 0x604);
    assert_int_equal(info.fadt.pm1b_control.address, 0x1234);
    assert_int_equal(info.fadt.pm1b_control.width, 32);
    assert_int_equal(info.fadt.pm1a_status.address, 0x600);
    assert_int_equal(info.fadt.pm1b_status.address, 0);
    assert_int_equal(info.fadt.gpe[0].port, 0x620);
    assert_int_equal(info.fadt.gpe[0].size, 16);
    assert_int_equal(info.fadt.gpe[1].size, 0);
    assert_int_equal(info.fadt.reset.address, 0xcf9);
    assert_int_equal(info.fadt.reset_value, 6);
    assert_int_equal(info.fadt.smi_command, 0xb2);
    assert_int_equal(info.fadt.acpi_enable, 0xa0);
    assert_true(info.s5.present);
    assert_int_equal(info.s5.a, 5);
    assert_int_equal(info.s5.b, 1);

    store_le(t + 112, BIT(20), 4);
    store_le(t + 248, 0x600, 8);
    store_le(t + 140, 0xffff0000, 8); /* X_DSDT out of reach */
    seal(t);
    table_count = 1;
    assert_true(parse(2));
    assert_true(info.fadt.hw_reduced);
    assert_int_equal(info.fadt.sleep_control.address, 0x600);
    assert_int_equal(info.fadt.reset.address, 0);
    assert_false(info.s5.present);
    assert_int_equal(warnings, 1);
}

static void s5_variants(void **state)
{
    static const struct {
        uint8_t size, aml[14], present, a, b;
    } cases[] = {
        {9, {'_', 'S', '5', '_', 0x12, 4, 1, 0x0a, 7}, 1, 7, 0},
        {10, {'_', 'S', '5', '_', 0x12, 5, 2, 0x0b, 3, 0}, 0, 0, 0}, /* second element cut off */
        {9, {'_', 'S', '5', '_', 0x12, 4, 1, 0x0a, 8}, 0, 0, 0},     /* more than three bits */
        {8, {'_', 'S', '5', '_', 0x12, 4, 1, 0x0a}, 0, 0, 0},
        {7, {'_', 'S', '5', '_', 0x12, 4, 0}, 0, 0, 0}, /* empty package */
        {6, {'_', 'S', '5', '_', 0x12, 0xc0}, 0, 0, 0},
        {4, {'_', 'S', '5', '_'}, 0, 0, 0},
        {14, {'_', 'S', '5', '_', 0x12, 10, 2, 0x0c, 5, 0, 0, 0, 0x0a, 4}, 1, 5, 4},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        reset();
        add("SSDT", 36u + cases[i].size, cases[i].aml, cases[i].size);
        next = tables[0] - BASE + 36u + cases[i].size + 16;
        assert_true(parse(2));
        assert_int_equal(info.s5.present, cases[i].present);
        assert_int_equal(info.s5.a, cases[i].a);
        assert_int_equal(info.s5.b, cases[i].b);
    }
}

static void mcfg_spcr_dmar(void **state)
{
    uint8_t body[8 + 10 * 16] = {0}, spcr[44] = {0x12, 0, 0, 0, 1, 8, 0, 1, 0xf8, 3};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        store_le(body + 8 + i * 16, 0xb0000000 + i * 0x1000, 8);
        body[8 + i * 16 + 11] = 255;
    }
    reset();
    add("MCFG", 36 + sizeof(body), body, sizeof(body));
    spcr[16] = 3;
    spcr[17] = 4;
    spcr[18] = 20;
    spcr[22] = 7;
    add("SPCR", 80, spcr, sizeof(spcr));
    add("DMAR", 48, "", 0);
    assert_true(parse(2));
    assert_int_equal(warnings, 0);
    assert_int_equal(info.mcfg.count, ACPI_MAX_SEGMENTS);
    assert_int_equal(info.mcfg.segments[1].base.value, 0xb0001000);
    assert_int_equal(info.mcfg.segments[1].last_bus, 255);
    assert_int_equal(info.spcr.uart, 0x12);
    assert_int_equal(info.spcr.base.address, 0x3f8);
    assert_int_equal(info.spcr.base.space, ACPI_PORT);
    assert_int_equal(info.spcr.base.width, 8);
    assert_int_equal(info.spcr.base.access, 1);
    assert_true(info.spcr.has_irq && info.spcr.has_gsi);
    assert_int_equal(info.spcr.irq, 4);
    assert_int_equal(info.spcr.gsi, 20);
    assert_int_equal(info.spcr.baud, 115200);
    assert_int_equal(info.dmar.value, tables[2]);
}

static void malformed_tables(void **state)
{
    uint8_t *t;

    (void)state;
    reset();
    t = add("MCFG", 60, "", 0);
    t[20] ^= 1;
    assert_true(parse(2));
    assert_string_equal(last_warning, "MCFG: its checksum is wrong, it is used all the same");
    assert_true(info.mcfg.present);

    reset();
    t = add("MCFG", 60, "", 0);
    t[44 + 10] = 1; /* first bus behind the last */
    seal(t);
    assert_true(parse(2));
    assert_false(info.mcfg.present);

    reset();
    t = add("SP\1\xffR", 60, "", 0);
    store_le(t + 4, 35, 4);
    assert_true(parse(2));
    assert_string_equal(last_warning, "SP??: its length is wrong");

    reset();
    t = add("SPCR", 60, "", 0);
    assert_true(parse(2));
    assert_string_equal(last_warning, "SPCR: its contents are malformed");

    reset();
    tables[table_count++] = 0xfffffff0;
    tables[table_count++] = 0;
    tables[table_count++] = BASE + sizeof(memory) - 35;
    t = add("SPCR", 80, "", 0);
    store_le(t + 4, 0xf00000, 4);
    assert_true(parse(0));
    assert_int_equal(warnings, 4);
    assert_string_equal(last_warning, "SPCR: it ends outside the reachable memory");
}

static void root_malformed(void **state)
{
    const struct acpi_source source = {map, warn, NULL};
    uint8_t rsdp[36] = "RSD PTR ";

    (void)state;
    reset();
    assert_false(acpi_parse(&source, rsdp, 36, &info)); /* checksum */
    rsdp[8] = (uint8_t)-sum(rsdp, 20);
    assert_false(acpi_parse(&source, rsdp, 19, &info));
    assert_false(acpi_parse(&source, rsdp, 20, &info)); /* leads nowhere */
    assert_int_equal(warnings, 4);
    add("SPCR", 80, "", 0); /* a table, but no root */
    store_le(rsdp + 16, tables[0], 4);
    rsdp[8] = 0;
    rsdp[8] = (uint8_t)-sum(rsdp, 20);
    assert_false(acpi_parse(&source, rsdp, 20, &info));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(madt),
        cmocka_unit_test(madt_nmis),
        cmocka_unit_test(madt_malformed),
        cmocka_unit_test(madt_padded),
        cmocka_unit_test(madt_with_spares),
        cmocka_unit_test(madt_overflow),
        cmocka_unit_test(madt_with_many_ioapics),
        cmocka_unit_test(fadt),
        cmocka_unit_test(s5_variants),
        cmocka_unit_test(mcfg_spcr_dmar),
        cmocka_unit_test(malformed_tables),
        cmocka_unit_test(root_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
