/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's ACPI tables: root pointer, root table, and one parser per table. */
#include "arch/x86/acpi.h"

#include "arch/x86/string.h"

#define HEADER_SIZE 36
#define TABLE_MAX   (16 * MIB)
#define ROOT_MAX    512 /* tables */

_Static_assert(ACPI_MAX_CPUS == 256 && ACPI_MAX_IOAPICS == 64 && ACPI_MAX_OVERRIDES == 32 && ROOT_MAX == 512,
               "the warnings say so");

struct parser {
    const struct acpi_source *source;
    struct acpi_info *out;
    bool overflow; /* was reported: a table can hold millions of entries too many */
};

/* A whole table, header included, whose length and checksum are right. */
struct table {
    const uint8_t *data;
    uint32_t size;
};

static uint8_t sum(const uint8_t *data, size_t size)
{
    uint8_t total = 0;

    for (size_t i = 0; i < size; i++)
        total = (uint8_t)(total + data[i]);
    return total;
}

static void warn(const struct parser *p, const uint8_t *signature, const char *what)
{
    char name[5] = "????";

    for (unsigned i = 0; i < 4 && signature != NULL; i++)
        name[i] = signature[i] > 0x20 && signature[i] < 0x7f ? (char)signature[i] : '?';
    p->source->warn(p->source->context, name, what);
}

static void warn_overflow(struct parser *p, const char *what)
{
    if (!p->overflow)
        warn(p, (const uint8_t *)"APIC", what);
    p->overflow = true;
}

static const void *map_table(const struct parser *p, hpa_t at, size_t size)
{
    if (at.value == 0 || size > UINT64_MAX - at.value)
        return NULL;
    return p->source->map(p->source->context, at, size);
}

/* False, after a report, unless a table lies there and is intact. */
static bool open_table(const struct parser *p, hpa_t at, struct table *t)
{
    const uint8_t *header = map_table(p, at, HEADER_SIZE);

    if (header == NULL) {
        warn(p, NULL, "a table lies outside the reachable memory");
        return false;
    }
    t->size = le32(header + 4);
    if (t->size < HEADER_SIZE || t->size > TABLE_MAX) {
        warn(p, header, "its length is wrong");
        return false;
    }
    t->data = map_table(p, at, t->size);
    if (t->data == NULL) {
        warn(p, header, "it ends outside the reachable memory");
        return false;
    }
    if (sum(t->data, t->size) !=
        0) /* so do other kernels: much firmware is careless there, and what counts is looked at */
        warn(p, header, "its checksum is wrong, it is used all the same");
    return true;
}

static struct acpi_register generic_address(const uint8_t *at)
{
    static const uint8_t sizes[] = {0, 1, 2, 4, 8};

    return (struct acpi_register){
        .space = at[0],
        .width = at[1],
        .access = at[3] < ARRAY_SIZE(sizes) ? sizes[at[3]] : 0,
        .address = le64(at + 4),
    };
}

/* --- MADT --- */

static void add_cpu(struct parser *p, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
    struct acpi_madt *m = &p->out->madt;

    if (!(flags & 1)) /* not there: the firmware lists hundreds that could be plugged in */
        return;
    for (unsigned i = 0; i < m->cpu_count; i++) {
        if (m->cpus[i].apic_id == apic_id)
            return;
    }
    if (m->cpu_count == ACPI_MAX_CPUS) {
        warn_overflow(p, "more than 256 CPUs, the rest is not used");
        return;
    }
    m->cpus[m->cpu_count++] = (struct acpi_cpu){apic_id, uid};
}

static void madt_local_apic(struct parser *p, const uint8_t *e)
{
    if (e[3] != 0xff)
        add_cpu(p, e[3], e[2], le32(e + 4));
}

static void madt_x2apic(struct parser *p, const uint8_t *e)
{
    if (le32(e + 4) != UINT32_MAX)
        add_cpu(p, le32(e + 4), le32(e + 12), le32(e + 8));
}

static void madt_ioapic(struct parser *p, const uint8_t *e)
{
    struct acpi_madt *m = &p->out->madt;

    if (m->ioapic_count == ACPI_MAX_IOAPICS) {
        warn_overflow(p, "more than 64 I/O APICs, the rest is not used");
        return;
    }
    m->ioapics[m->ioapic_count++] = (struct acpi_ioapic){e[2], hpa(le32(e + 4)), le32(e + 8)};
}

static void madt_override(struct parser *p, const uint8_t *e)
{
    struct acpi_madt *m = &p->out->madt;

    if (m->override_count == ACPI_MAX_OVERRIDES) {
        warn_overflow(p, "more than 32 interrupt overrides, the rest is not used");
        return;
    }
    m->overrides[m->override_count++] = (struct acpi_override){e[3], le32(e + 4), le16(e + 8)};
}

static void madt_address(struct parser *p, const uint8_t *e)
{
    p->out->madt.local_apic = hpa(le64(e + 4));
}

static void add_nmi(struct parser *p, struct acpi_nmi nmi)
{
    struct acpi_madt *m = &p->out->madt;

    if (m->nmi_count == ARRAY_SIZE(m->nmis))
        warn_overflow(p, "more than 256 NMI pins, the rest is not used");
    else
        m->nmis[m->nmi_count++] = nmi;
}

static void madt_nmi(struct parser *p, const uint8_t *e)
{
    add_nmi(p, (struct acpi_nmi){e[2] == 0xff ? ACPI_ALL_CPUS : e[2], le16(e + 3), e[5]});
}

static void madt_x2apic_nmi(struct parser *p, const uint8_t *e)
{
    add_nmi(p, (struct acpi_nmi){le32(e + 4), le16(e + 2), e[8]});
}

static const struct {
    uint8_t type, size;
    void (*take)(struct parser *p, const uint8_t *entry);
} madt_entries[] = {
    {0, 8, madt_local_apic}, {1, 12, madt_ioapic}, {2, 10, madt_override},    {4, 6, madt_nmi},
    {5, 12, madt_address},   {9, 16, madt_x2apic}, {10, 12, madt_x2apic_nmi},
};

static bool take_madt_entry(struct parser *p, const uint8_t *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(madt_entries); i++) {
        if (madt_entries[i].type != e[0])
            continue;
        if (e[1] < madt_entries[i].size)
            return false;
        madt_entries[i].take(p, e);
    }
    return true;
}

static bool parse_madt(struct parser *p, const struct table *t)
{
    struct acpi_madt *m = &p->out->madt;

    memset(m, 0, sizeof(*m));
    m->local_apic = hpa(le32(t->data + 36));
    m->pcat_compat = le32(t->data + 40) & 1;
    for (uint32_t at = 44; at < t->size; at += t->data[at + 1]) {
        uint32_t left = t->size - at;

        if (left < 2 || t->data[at + 1] < 2 || t->data[at + 1] > left || !take_madt_entry(p, t->data + at)) {
            warn(p, t->data, "an entry is malformed, what is behind it is not used");
            break;
        }
    }
    return m->present = true;
}

/* --- FADT --- */

/* A register block that old tables give as a 32-bit port and new ones as a generic address. */
static struct acpi_register register_block(const struct table *t, uint32_t old, uint32_t new, uint8_t width)
{
    struct acpi_register r = {0};

    if (t->size >= new + 12)
        r = generic_address(t->data + new);
    if (r.address == 0)
        r = (struct acpi_register){.space = ACPI_PORT, .width = width, .address = le32(t->data + old)};
    return r;
}

static bool parse_fadt(struct parser *p, const struct table *t)
{
    struct acpi_fadt *f = &p->out->fadt;
    const uint8_t *d = t->data;
    uint32_t flags = le32(d + 112);

    *f = (struct acpi_fadt){
        .present = true,
        .hw_reduced = t->size >= 268 && (flags & BIT(20)),
        .pm1a_control = register_block(t, 64, 172, 16),
        .pm1b_control = register_block(t, 68, 184, 16),
        .pm1a_status = register_block(t, 56, 148, 16),
        .pm1b_status = register_block(t, 60, 160, 16),
        .gpe = {{le32(d + 80), d[92]}, {le32(d + 84), d[93]}},
        .pm_timer = (uint16_t)le32(d + 76),
        .smi_command = le32(d + 48),
        .acpi_enable = d[52],
        .dsdt = hpa(le32(d + 40)),
    };
    if (t->size >= 129 && (flags & BIT(10))) {
        f->reset = generic_address(d + 116);
        f->reset_value = d[128];
    }
    if (t->size >= 148 && le64(d + 140) != 0)
        f->dsdt = hpa(le64(d + 140));
    if (f->hw_reduced)
        f->sleep_control = generic_address(d + 244);
    return true;
}

/* --- MCFG, SPCR --- */

static bool parse_mcfg(struct parser *p, const struct table *t)
{
    struct acpi_mcfg *m = &p->out->mcfg;

    m->count = 0;
    for (uint32_t at = 44; t->size - at >= 16 && m->count < ACPI_MAX_SEGMENTS; at += 16) {
        const uint8_t *e = t->data + at;

        if (e[11] < e[10])
            return false;
        m->segments[m->count++] = (struct acpi_segment){hpa(le64(e)), le16(e + 8), e[10], e[11]};
    }
    return m->present = true;
}

static bool parse_spcr(struct parser *p, const struct table *t)
{
    static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
    const uint8_t *d = t->data;

    p->out->spcr = (struct acpi_spcr){
        .present = true,
        .uart = d[36],
        .base = generic_address(d + 40),
        .has_irq = d[52] & 1,
        .has_gsi = d[52] & 2,
        .irq = d[53],
        .gsi = le32(d + 54),
        .baud = d[58] < ARRAY_SIZE(bauds) ? bauds[d[58]] : 0,
    };
    return true;
}

/* --- \_S5 --- */

/* The integer at the start of size bytes of AML: its length, or 0 when it is none that we take. */
static unsigned aml_integer(const uint8_t *aml, size_t size, uint64_t *value)
{
    static const uint8_t widths[] = {[0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8};
    unsigned width;

    if (size == 0)
        return 0;
    if (aml[0] <= 1) {
        *value = aml[0];
        return 1;
    }
    width = aml[0] < ARRAY_SIZE(widths) ? widths[aml[0]] : 0;
    if (width == 0 || size - 1 < width)
        return 0;
    *value = load_le(aml + 1, width);
    return 1 + width;
}

/* The package behind the name _S5_: PackageOp, PkgLength (1 to 4 bytes), number of elements, elements. */
static bool parse_s5_package(const uint8_t *aml, size_t size, struct acpi_s5 *s5)
{
    uint64_t types[2] = {0, 0};
    size_t at;
    unsigned count;

    if (size < 2 || aml[0] != 0x12)
        return false;
    at = 2 + (aml[1] >> 6);
    if (size <= at)
        return false;
    count = aml[at++];
    for (unsigned i = 0; i < MIN(count, 2); i++) {
        unsigned used = aml_integer(aml + at, size - at, &types[i]);

        if (used == 0 || types[i] > 7)
            return false;
        at += used;
    }
    *s5 = (struct acpi_s5){count > 0, (uint8_t)types[0], (uint8_t)types[1]};
    return count > 0;
}

static void find_s5(struct parser *p, const struct table *t)
{
    for (uint32_t at = HEADER_SIZE; t->size - at >= 5 && !p->out->s5.present; at++) {
        if (memcmp(t->data + at, "_S5_", 4) == 0)
            parse_s5_package(t->data + at + 4, t->size - at - 4, &p->out->s5);
    }
}

static bool parse_ssdt(struct parser *p, const struct table *t)
{
    find_s5(p, t);
    return true;
}

static bool parse_dmar(struct parser *p, const struct table *t)
{
    (void)p;
    (void)t;
    return true;
}

/* --- root --- */

static const struct {
    char signature[5];
    uint32_t least; /* size */
    bool (*parse)(struct parser *p, const struct table *t);
} parsers[] = {
    {"APIC", 44, parse_madt}, {"FACP", 116, parse_fadt}, {"MCFG", 44, parse_mcfg},
    {"SPCR", 80, parse_spcr}, {"SSDT", 36, parse_ssdt},  {"DMAR", 48, parse_dmar},
};

_Static_assert(sizeof(parsers[0].signature) == 4 + 1, "four characters");

static void parse_table(struct parser *p, hpa_t at)
{
    struct table t;

    if (!open_table(p, at, &t))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(parsers); i++) {
        if (memcmp(t.data, parsers[i].signature, 4) != 0)
            continue;
        if (t.size < parsers[i].least || !parsers[i].parse(p, &t))
            warn(p, t.data, "its contents are malformed");
        else if (parsers[i].parse == parse_dmar)
            p->out->dmar = at;
    }
}

/* entry: size of an address in the root table, 4 for RSDT and 8 for XSDT. */
static bool parse_root(struct parser *p, hpa_t at, const char *signature, unsigned entry)
{
    struct table root;
    unsigned count;

    if (!open_table(p, at, &root) || memcmp(root.data, signature, 4) != 0)
        return false;
    count = (root.size - HEADER_SIZE) / entry;
    if (count > ROOT_MAX)
        warn(p, root.data, "more than 512 tables, the rest is not used");
    for (unsigned i = 0; i < MIN(count, ROOT_MAX); i++)
        parse_table(p, hpa(load_le(root.data + HEADER_SIZE + (size_t)i * entry, entry)));
    return true;
}

static void parse_dsdt(struct parser *p)
{
    struct table dsdt;

    if (p->out->fadt.present && open_table(p, p->out->fadt.dsdt, &dsdt))
        find_s5(p, &dsdt);
}

static bool rsdp_valid(const uint8_t *rsdp, size_t size)
{
    return size >= 20 && memcmp(rsdp, "RSD PTR ", 8) == 0 && sum(rsdp, 20) == 0;
}

bool acpi_parse(const struct acpi_source *source, const void *rsdp, size_t size, struct acpi_info *out)
{
    static const uint8_t name[] = "RSDP";
    struct parser p = {.source = source, .out = out};
    const uint8_t *r = rsdp;
    bool found = false;

    memset(out, 0, sizeof(*out));
    if (!rsdp_valid(r, size)) {
        warn(&p, name, "signature or checksum is wrong");
        return false;
    }
    if (r[15] >= 2 && size >= 36 && sum(r, 36) == 0 && le64(r + 24) != 0)
        found = parse_root(&p, hpa(le64(r + 24)), "XSDT", 8);
    if (!found)
        found = parse_root(&p, hpa(le32(r + 16)), "RSDT", 4);
    if (found)
        parse_dsdt(&p);
    else
        warn(&p, name, "it leads to no table");
    return found;
}
