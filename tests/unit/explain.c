/* SPDX-License-Identifier: BSD-2-Clause */
/* The page at the start on the largest machine: as long as a screen, in lines that fit on it. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_cpu.h"

static char page[1 << 16];

void print(const char *fmt, ...)
{
    size_t used = strlen(page);
    va_list args;

    va_start(args, fmt);
    vsnprintf(page + used, sizeof(page) - used, fmt, args);
    va_end(args);
}

#define SKERRY_VERSION "12.34.56-789-g0123456789ab"
#include "core/report/explain.c"

#define WIDEST 120
#define LINES  50

struct machine machine;
struct backend backend;
struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;
static struct vm a_vm;
static struct vcpu vcpus[VM_MAX_VCPUS];

void cpu_brand(char name[49])
{
    strcpy(name, "Intel(R) Xeon(R) Platinum 8490HABCD CPU @ 3.5GHz");
}

unsigned cpu_physical_bits(void)
{
    return 52;
}

bool feature_present(enum cpu_feature f)
{
    return f % 2;
}

const char *feature_name(enum cpu_feature f UNUSED)
{
    return "tsc-deadline-and-more";
}

const char *feature_instead(enum cpu_feature f UNUSED)
{
    return "all memory counts as uncached, as the manual demands, and more";
}

bool lapic_has_tsc_deadline(void)
{
    return false;
}

unsigned machine_check_banks(void)
{
    return 32;
}

void machine_errors_explain(void)
{
}

/* As many lines as it has, each with what it can be at most. */
void explain_found(void)
{
    print("  family 270, model 255, stepping 15 (fffffff), microcode ffffffff\n");
    print("  32 variable MTRR(s) in use, default type reserved\n");
    print("  local APIC in x2APIC mode, as the firmware left it\n");
    print("  4294967295 SMI(s) on the boot CPU since the reset\n");
}

uint64_t memory_total_pages(void)
{
    return 4096 * GIB / PAGE_SIZE;
}

uint64_t memory_free_pages(void)
{
    return 4096 * GIB / PAGE_SIZE;
}

struct vm *vm_next(const struct vm *after)
{
    return after ? NULL : &a_vm;
}

unsigned config_count_cards(const struct config *c UNUSED, const char *net UNUSED, bool link UNUSED)
{
    return 64;
}

static void no_rows(void)
{
}

static void no_rows_of_vm(const struct vm_config *c UNUSED)
{
}

static struct config config;

static int set_up(void **unused)
{
    static struct cpu each[MAX_CPUS];
    static char queue;

    (void)unused;
    page[0] = 0;
    backend.explain = no_rows;
    backend.explain_vm = no_rows_of_vm;
    machine = (struct machine){.boot = {.loader = "GRUB 2.12-1ubuntu7.3-and-a-longer-version"},
                               .tsc_hz = UINT64_C(3500000000),
                               .tsc_warp = UINT64_C(12345678901234),
                               .tsc_source = {"the ACPI timer", true, 123456}};
    machine.acpi.madt.cpu_count = 2 * MAX_CPUS;
    cpu_count = MAX_CPUS;
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        each[i] = (struct cpu){.id = i, .queue = i >= 64 && i != 100 ? (void *)&queue : NULL};
        cpus[i] = &each[i];
    }
    memset(&config, 0, sizeof(config));
    config.vm_count = 2;
    config.vms[0] =
        (struct vm_config){.name = "large", .valid = true, .kernel = "vmlinuz", .vcpus = VM_MAX_VCPUS};
    config.vms[1] = config.vms[0];
    config.vms[1].sched = SCHED_SHARED;
    a_vm = (struct vm){.config = &config.vms[0], .vcpu_count = VM_MAX_VCPUS};
    for (unsigned k = 0; k < a_vm.vcpu_count; k++) {
        vcpus[k].cpu = cpus[k];
        a_vm.vcpus[k] = &vcpus[k];
    }
    return 0;
}

static void fits(void **unused)
{
    unsigned lines = 0;

    (void)unused;
    explain(&config, NULL);
    for (const char *line = page, *end; *line; line = end + 1, lines++) {
        end = strchr(line, '\n');
        assert_non_null(end);
        if (end - line > WIDEST)
            fail_msg("%d characters: %.*s", (int)(end - line), (int)(end - line), line);
    }
    assert_in_range(lines, 30, LINES);
}

static void expect(const char *line)
{
    page[0] = 0;
    explain_placement(&config.vms[strstr(line, "share") ? 1 : 0]);
    assert_string_equal(page, line);
}

/* CPUs that follow each other are one range, and others are not. */
static void ranges(void **unused)
{
    (void)unused;
    a_vm.vcpu_count = 5;
    expect("    vcpus 0-4, each alone on one of CPUs 0-4\n");
    vcpus[2].cpu = cpus[77];
    expect("    vcpus 0-1, each alone on one of CPUs 0-1\n    vcpu 2 alone on CPU 77\n"
           "    vcpus 3-4, each alone on one of CPUs 3-4\n");
    expect("    vcpus share CPU 64-99 101-255, weight 0, slices of 0 us\n");
    cpus[66]->queue = NULL;
    expect("    vcpus share CPU 64 65 67-99 101-255, weight 0, slices of 0 us\n");
    for (unsigned i = 64; i < MAX_CPUS; i += 2)
        cpus[i]->queue = NULL;
    expect("    vcpus share CPU 65 67 69 71 73 75 77 79 81 83 85 87 89 91 93 95 97 ..., weight 0, slices of "
           "0 us\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fits, set_up),
        cmocka_unit_test_setup(ranges, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
