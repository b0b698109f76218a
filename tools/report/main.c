/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A survey of skerry.efi (boot/efi/survey.h) as a table: skerry-report FILE. What VMX must have and what
 * would be used is said by the hypervisor's own table (vmx/caps.c), which reads the MSRs of the report
 * instead of this machine's. Ends with 0 if the machine is fit, 1 if it is not, 2 if the file is no such
 * report.
 */
#define rdmsr real_rdmsr
#include "arch/x86/cpu.h"
#undef rdmsr

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/panic.h"

#define MOST_NUMBERS 6
#define MOST_LINES   4096
#define LINE_SIZE    128

struct line {
    char word[24], name[8];
    unsigned long long numbers[MOST_NUMBERS];
    unsigned count;
};

static struct line lines[MOST_LINES];
static unsigned line_count;

static const struct line *find(const char *word, unsigned long long first, unsigned long long second,
                               unsigned compared)
{
    for (unsigned i = 0; i < line_count; i++) {
        const struct line *l = &lines[i];

        if (strcmp(l->word, word) == 0 && (compared < 1 || l->numbers[0] == first) &&
            (compared < 2 || l->numbers[1] == second))
            return l;
    }
    return NULL;
}

static unsigned long long number(const char *word)
{
    const struct line *l = find(word, 0, 0, 0);

    return l ? l->numbers[0] : 0;
}

static uint64_t rdmsr(uint32_t msr)
{
    const struct line *l = find("msr", msr, 0, 1);

    return l ? l->numbers[1] : 0; /* the surveyor left out what is not there */
}

#include "vmx/caps.c"
#include "vmx/caps_print.c"

void assertion_failed(unsigned line, const char *condition)
{
    fprintf(stderr, "skerry-report: line %u: assertion failed: %s\n", line, condition);
    abort();
}

void print(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
}

/* Whether this model's is known to be broken is for the page to say. */
bool vmx_hv_timer_usable(void)
{
    return true;
}

/* --- the file --- */

/* Numbers are hexadecimal behind these, else decimal; of acpi the first word is a name. */
static bool is_hexadecimal(const char *word, unsigned at)
{
    return strcmp(word, "cpuid") == 0 || strcmp(word, "msr") == 0 || strcmp(word, "firmware") == 0 ||
           (strcmp(word, "cpu") == 0 && at == 0);
}

static bool take_words(char *text, struct line *l)
{
    char *rest = NULL, *word = strtok_r(text, " \n", &rest);

    if (!word || strlen(word) >= sizeof(l->word))
        return false;
    strcpy(l->word, word);
    for (word = strtok_r(NULL, " \n", &rest); word && l->count < MOST_NUMBERS;
         word = strtok_r(NULL, " \n", &rest)) {
        if (l->count == 0 && !l->name[0] && strcmp(l->word, "acpi") == 0)
            snprintf(l->name, sizeof(l->name), "%s", word);
        else
            l->numbers[l->count] = strtoull(word, NULL, is_hexadecimal(l->word, l->count) ? 16 : 10),
            l->count++;
    }
    return true;
}

static bool read_report(const char *name)
{
    FILE *file = fopen(name, "r");
    char text[LINE_SIZE];

    while (file && line_count < MOST_LINES && fgets(text, sizeof(text), file)) {
        struct line l = {.count = 0};

        if (take_words(text, &l))
            lines[line_count++] = l;
    }
    if (file)
        fclose(file);
    return line_count > 1 && strcmp(lines[0].word, "skerry-survey") == 0 && lines[0].numbers[0] == 1 &&
           strcmp(lines[line_count - 1].word, "end") == 0;
}

static void row(const char *what, const char *fmt, ...)
{
    va_list args;

    printf("  %-34s ", what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

/* --- the processor --- */

static uint32_t leaf(unsigned number_of, unsigned subleaf, unsigned reg)
{
    const struct line *l = find("cpuid", number_of, subleaf, 2);

    return l ? (uint32_t)l->numbers[2 + reg] : 0;
}

enum { EAX, EBX, ECX, EDX };

static void show_processor(void)
{
    uint32_t vendor[3] = {leaf(0, 0, EBX), leaf(0, 0, EDX), leaf(0, 0, ECX)}, brand[12];
    char text[49] = "", maker[13] = "";

    for (unsigned i = 0; i < 12; i++)
        brand[i] = leaf(0x80000002 + i / 4, 0, i % 4);
    memcpy(text, brand, 48);
    memcpy(maker, vendor, 12);
    row("processor", "%s %s, signature %x", maker, text, leaf(1, 0, EAX));
    row("rate of the TSC", "%.1f MHz, %s", (double)number("tsc") / 1e6,
        leaf(0x80000007, 0, EDX) & BIT(8) ? "invariant" : "may change with the processor's");
    row("local APIC", "%s",
        rdmsr(0x1b) & BIT(10)       ? "x2APIC mode"
        : leaf(1, 0, ECX) & BIT(21) ? "xAPIC mode, x2APIC can be had"
                                    : "xAPIC");
}

/* NULL: it may be switched on. */
static const char *feature_control(void)
{
    uint64_t value = rdmsr(0x3a);

    if (!(leaf(1, 0, ECX) & BIT(5)))
        return "this CPU has no VMX, or the firmware hides it";
    if ((value & BIT(0)) && !(value & BIT(2)))
        return "VMX is locked off by the firmware: look for \"Virtualization Technology\" in its setup";
    return NULL;
}

static bool show_vmx(void)
{
    const char *missing = feature_control();

    if (!missing && !vmx_caps_read(&vmx_caps, &missing))
        row("VMX", "NOT FIT: lacks %s", missing);
    else if (missing)
        row("VMX", "NOT FIT: %s", missing);
    else
        row("VMX", "fit: all that is required is there");
    if (!missing)
        vmx_caps_explain(&vmx_caps);
    return !missing;
}

/* --- the machine --- */

static void show_memory(void)
{
    unsigned long long usable = 0;

    for (unsigned type = 1; type <= 7; type++) {
        const struct line *l = find("memory", type, 0, 1);

        if (l && type != 5 && type != 6)
            usable += l->numbers[1];
    }
    row("memory", "%llu MiB free for the hypervisor and VMs", usable >> 8);
}

static void show_tables(void)
{
    printf("  %-34s", "ACPI tables");
    for (unsigned i = 0; i < line_count; i++) {
        if (strcmp(lines[i].word, "acpi") == 0)
            printf(" %s", lines[i].name);
    }
    putchar('\n');
}

static void show_stand_stills(void)
{
    double rate = (double)number("tsc"), seconds = (double)number("seconds");

    for (unsigned i = 0; i < line_count; i++) {
        const struct line *l = &lines[i];
        char what[32];

        if (strcmp(l->word, "cpu") != 0)
            continue;
        snprintf(what, sizeof(what), "CPU with APIC ID %llx", l->numbers[0]);
        if (number("smi-count"))
            row(what, "stood still for %.1f us at the longest, %.1f SMIs a minute",
                (double)l->numbers[1] / rate * 1e6, (double)l->numbers[2] * 60 / seconds);
        else
            row(what, "stood still for %.1f us at the longest; it does not count SMIs",
                (double)l->numbers[1] / rate * 1e6);
    }
}

int main(int argc, char **argv)
{
    bool fit;

    if (argc != 2 || !read_report(argv[1]) || !number("tsc") || !number("seconds")) {
        fprintf(stderr,
                "skerry-report: %s: no whole report, expected \\skerry\\report.txt as 'survey' wrote it\n",
                argc == 2 ? argv[1] : "no file");
        return 2;
    }
    show_processor();
    fit = show_vmx();
    show_memory();
    show_tables();
    show_stand_stills();
    return !fit;
}
