/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/machine_errors.h"

#include "arch/x86/machine_check.h"
#include "core/base/format.h"
#include "core/base/log.h"

#define TEXT_SIZE 200

/* Compound error codes (SDM volume 3, table "IA32_MCi_Status [15:0] Compound Error Code Encoding"). */
static const char *kind_of(uint16_t code)
{
    static const struct {
        uint16_t mask, value;
        const char *name;
    } kinds[] = {{0xf800, 0x0800, "bus or interconnect"}, {0xff00, 0x0100, "cache"},
                 {0xff80, 0x0080, "memory controller"},   {0xfff0, 0x0010, "TLB"},
                 {0xffff, 0x0005, "internal parity"},     {0xffff, 0x0400, "internal timer"}};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if ((code & kinds[i].mask & ~0x1000) == kinds[i].value) /* bit 12: corrected ones are filtered */
            return kinds[i].name;
    }
    return "other";
}

static void describe_error(const struct machine_check *m, char *text, size_t size)
{
    int used = format(
        text, size, "CPU with APIC ID %u, bank %u: status %016llx, %s %s error%s%s", m->cpu_apic_id, m->bank,
        (unsigned long long)m->status, m->status & MCI_STATUS_UNCORRECTED ? "uncorrected" : "corrected",
        kind_of((uint16_t)m->status), m->status & MCI_STATUS_CORRUPT ? ", processor state corrupt" : "",
        m->status & MCI_STATUS_OVERFLOW ? ", others lost" : "");

    if (m->status & MCI_STATUS_ADDRESS && (size_t)used < size)
        used += format(text + used, size - (size_t)used, ", address %llx", (unsigned long long)m->address);
    if (m->status & MCI_STATUS_MISC && (size_t)used < size)
        format(text + used, size - (size_t)used, ", misc %llx", (unsigned long long)m->misc);
}

void machine_errors_print(void)
{
    struct machine_check m;
    char text[TEXT_SIZE];
    unsigned at = 0;

    while (machine_check_next(&at, &m)) {
        describe_error(&m, text, sizeof(text));
        print("skerry: machine check: %s\n", text);
    }
}

void machine_errors_explain(void)
{
    unsigned count;
    const struct machine_check *found = machine_check_left(&count);
    char text[TEXT_SIZE];

    for (unsigned i = 0; i < MIN(count, MACHINE_CHECK_MOST_LEFT); i++) {
        describe_error(&found[i], text, sizeof(text));
        print("  left from before: %s\n", text);
    }
    if (count > MACHINE_CHECK_MOST_LEFT)
        print("  left from before: %u more\n", count - MACHINE_CHECK_MOST_LEFT);
}
