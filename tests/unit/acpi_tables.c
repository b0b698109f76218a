/* SPDX-License-Identifier: BSD-2-Clause */
/* dev/acpi_tables.c, read back by the host's own parser and by iasl, with the real DSDT. */
#include "tests/unit/unit.h"

#include "arch/x86/acpi.h"
#include "dev/acpi_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0xe0000u

static uint8_t buffer[8192], dsdt[4096], ssdt[4096];
static size_t dsdt_size, ssdt_size, used;
static unsigned warnings;

static const void *map(void *context, hpa_t at, size_t n)
{
    (void)context;
    return at.value >= BASE && at.value - BASE <= used && n <= used - (at.value - BASE)
               ? buffer + (at.value - BASE)
               : NULL;
}

static void warn(void *context, const char *table, const char *what)
{
    (void)context;
    print_message("%s: %s\n", table, what);
    warnings++;
}

static size_t read_table(const char *name, uint8_t table[4096])
{
    FILE *f = fopen(name, "rb");
    size_t size;

    assert_non_null(f);
    size = fread(table, 1, 4096, f);
    fclose(f);
    return size;
}

static int read_aml(void **state)
{
    (void)state;
    dsdt_size = read_table(BUILD "/dev/dsdt.aml", dsdt);
    ssdt_size = read_table(BUILD "/dev/pci/ssdt.aml", ssdt);
    return dsdt_size < 36 || ssdt_size < 36;
}

static void build(struct acpi_info *info, const uint32_t *ids, unsigned count, bool pci)
{
    const struct acpi_params params = {count, ids, dsdt, dsdt_size, pci ? ssdt : NULL, ssdt_size};
    const struct acpi_source source = {map, warn, NULL};
    gpa_t rsdp;

    memset(buffer, 0xcc, sizeof(buffer));
    used = acpi_tables_build(buffer, sizeof(buffer), gpa(BASE), &params, &rsdp);
    assert_int_not_equal(used, 0);
    assert_int_equal(buffer[used], 0xcc);
    warnings = 0;
    assert_true(acpi_parse(&source, buffer + (rsdp.value - BASE), 36, info));
    assert_int_equal(warnings, 0);
}

/* Both of the FADT's fields, as systems read one or the other; 32 bits wide. */
static void expect_pm_timer(uint64_t fadt)
{
    assert_int_equal(load_le(buffer + fadt + 76, 4), 0x608);
    assert_int_equal(buffer[fadt + 91], 4);
    assert_int_equal(load_le(buffer + fadt + 112, 4) & 1 << 8, 1 << 8);
    assert_int_equal(load_le(buffer + fadt + 208, 4), 0x03002001);
    assert_int_equal(load_le(buffer + fadt + 212, 8), 0x608);
}

static void read_back(void **state)
{
    static const uint32_t ids[] = {0, 1, 2, 254, 255, 300};
    static struct acpi_info info;

    (void)state;
    build(&info, ids, 6, false);
    assert_true(info.madt.present);
    assert_false(info.madt.pcat_compat);
    assert_int_equal(info.madt.local_apic.value, 0xfee00000);
    assert_int_equal(info.madt.cpu_count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(info.madt.cpus[i].apic_id, ids[i]);
    }
    assert_int_equal(info.madt.ioapic_count, 1);
    assert_int_equal(info.madt.ioapics[0].id, 3);
    assert_int_equal(info.madt.ioapics[0].address.value, 0xfec00000);
    assert_int_equal(info.madt.ioapics[0].gsi_base, 0);
    assert_int_equal(info.madt.override_count, 0);
    assert_true(info.fadt.hw_reduced);
    assert_int_equal(info.fadt.sleep_control.space, ACPI_PORT);
    assert_int_equal(info.fadt.sleep_control.address, 0x600);
    assert_int_equal(info.fadt.reset.address, 0xcf9);
    assert_int_equal(info.fadt.reset_value, 6);
    expect_pm_timer(load_le(buffer + (load_le(buffer + 24, 8) - BASE) + 36, 8) - BASE);
    assert_int_equal(info.fadt.pm1a_control.address, 0);
    assert_true(info.s5.present);
    assert_int_equal(info.s5.a, 5);
}

/* Without PCI, the root knows two tables, with it four: and MCFG says where ECAM of bus 0 is. */
static void pci_brings_two_tables(void **state)
{
    static const uint8_t mcfg[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint32_t ids[] = {0, 1, 2};
    static struct acpi_info info;
    uint64_t xsdt, at;

    (void)state;
    build(&info, ids, 3, false);
    xsdt = load_le(buffer + 24, 8) - BASE;
    assert_int_equal(load_le(buffer + xsdt + 4, 4), 36 + 2 * 8);
    build(&info, ids, 3, true);
    assert_int_equal(info.madt.cpu_count, 3);
    assert_true(info.fadt.hw_reduced && info.s5.present);
    xsdt = load_le(buffer + 24, 8) - BASE;
    assert_int_equal(load_le(buffer + xsdt + 4, 4), 36 + 4 * 8);
    at = load_le(buffer + xsdt + 36 + 2 * 8, 8) - BASE;
    assert_memory_equal(buffer + at, "MCFG", 4);
    assert_int_equal(load_le(buffer + at + 4, 4), 36 + sizeof(mcfg));
    assert_memory_equal(buffer + at + 36, mcfg, sizeof(mcfg));
    at = load_le(buffer + xsdt + 36 + 3 * 8, 8) - BASE;
    assert_memory_equal(buffer + at, ssdt, ssdt_size);
}

/* As many vCPUs as a VM can have, in the area that it has for them. */
static void the_largest_fits(void **state)
{
    static struct acpi_info info;
    uint32_t ids[64];

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        ids[i] = 1000 + i;
    build(&info, ids, 64, true);
    assert_in_range(used, 1, 0x1000); /* half of it is still free */
}

static void no_room(void **state)
{
    static const uint32_t ids[] = {0, 1};
    const struct acpi_params params = {2, ids, dsdt, dsdt_size, ssdt, ssdt_size};
    static struct acpi_info info;
    gpa_t rsdp;
    size_t whole;

    (void)state;
    build(&info, ids, 2, true);
    whole = used;
    for (size_t size = 0; size < whole; size++) {
        uint8_t *small = malloc(size + 1);

        assert_int_equal(acpi_tables_build(small, size, gpa(BASE), &params, &rsdp), 0);
        free(small);
    }
    assert_int_equal(acpi_tables_build(buffer, whole, gpa(BASE), &params, &rsdp), whole);
}

/* Writes one table to a file for iasl; returns the command's status. */
static int disassemble(const char *name, uint64_t at)
{
    uint32_t size = (uint32_t)load_le(buffer + (at - BASE) + 4, 4);
    char path[160], command[1024];
    FILE *f;

    snprintf(path, sizeof(path), BUILD "/unit/%s.aml", name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(buffer + (at - BASE), 1, size, f), size);
    fclose(f);
    snprintf(command, sizeof(command),
             "iasl -d %s >%s.log 2>&1 && ! grep -iE 'invalid|incorrect|warning|error' %s.log %.*s.dsl", path,
             path, path, (int)strlen(path) - 4, path);
    return system(command);
}

static void iasl_reads_them(void **state)
{
    static const uint32_t ids[] = {0, 300};
    static struct acpi_info info;
    uint64_t xsdt, fadt, madt, mcfg;

    (void)state;
    build(&info, ids, 2, true);
    xsdt = load_le(buffer + 24, 8);
    fadt = load_le(buffer + (xsdt - BASE) + 36, 8);
    madt = load_le(buffer + (xsdt - BASE) + 44, 8);
    mcfg = load_le(buffer + (xsdt - BASE) + 52, 8);
    assert_int_equal(disassemble("xsdt", xsdt), 0);
    assert_int_equal(disassemble("facp", fadt), 0);
    assert_int_equal(disassemble("apic", madt), 0);
    assert_int_equal(disassemble("mcfg", mcfg), 0);
    assert_int_equal(disassemble("ssdt", load_le(buffer + (xsdt - BASE) + 60, 8)), 0);
    assert_int_equal(disassemble("dsdt", info.fadt.dsdt.value), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back),        cmocka_unit_test(pci_brings_two_tables),
        cmocka_unit_test(the_largest_fits), cmocka_unit_test(no_room),
        cmocka_unit_test(iasl_reads_them),
    };

    return cmocka_run_group_tests(tests, read_aml, NULL);
}
