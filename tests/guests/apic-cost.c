/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the local APIC costs on one CPU, in ticks less the cost of looking: registers, CR8, and IPIs to
 * itself, from the write to behind the handler that ends them. In xAPIC and, where CPUID has it, x2APIC mode.
 * Runs bare, too. Command line: tries=N.
 */
#include "lib/measure.h"

#define SELF_VECTOR 0x51 /* counted and ended */
#define ONLY_VECTOR 0x52 /* counted: somebody else ends it */
#define ALL_TRIES   200

const char guest_name[] = "apic-cost";

static struct samples samples;
static unsigned tries;
static uint32_t empty, empty_wait;

#define MSR(number) "movl $" #number ", %%ecx"

TIMED_FUNCTION(nothing, "", "", "")
TIMED_FUNCTION(nothing_wait, STI_SETUP, WAIT, "cli")

TIMED_FUNCTION(xapic_read, "", "movl 0xfee000f0, %%edx", "")
TIMED_FUNCTION(xapic_tpr_write, "movl $0x10, %%ecx", "movl %%ecx, 0xfee00080", "")
TIMED_FUNCTION(xapic_eoi, "xorl %%ecx, %%ecx", "movl %%ecx, 0xfee000b0", "")
TIMED_FUNCTION(xapic_self_ipi, STI_SETUP, "movl $0x40051, 0xfee00300" WAIT, "cli")

TIMED_FUNCTION(x2apic_read, MSR(0x80f), "rdmsr", "")
TIMED_FUNCTION(x2apic_tpr_write, MSR(0x808), "movl $0x10, %%eax\n\txorl %%edx, %%edx\n\twrmsr", "")
TIMED_FUNCTION(x2apic_eoi, MSR(0x80b), "xorl %%eax, %%eax\n\txorl %%edx, %%edx\n\twrmsr", "")
TIMED_FUNCTION(x2apic_self_ipi, STI_SETUP MSR(0x830),
               "movl $0x40051, %%eax\n\txorl %%edx, %%edx\n\twrmsr" WAIT, "cli")
TIMED_FUNCTION(x2apic_self_ipi_msr, STI_SETUP MSR(0x83f),
               "movl $0x51, %%eax\n\txorl %%edx, %%edx\n\twrmsr" WAIT, "cli")

/* --- registers --- */

static bool in_service(unsigned vector)
{
    return apic_read(APIC_ISR + vector / 32 * 16) >> vector % 32 & 1;
}

static void measure_register(const char *prefix, const char *key, timed_function *one)
{
    uint32_t at;

    samples.count = 0;
    for (unsigned i = 0; i < tries; i++)
        samples_add_net(&samples, one(0, &at), empty);
    samples_report(&samples, prefix, key);
}

static void measure_eoi(const char *prefix, timed_function *one)
{
    bool ended = true;
    uint32_t at;

    samples.count = 0;
    for (unsigned i = 0; i < tries; i++) {
        apic_send_icr(0, ICR_TO_SELF | ONLY_VECTOR);
        interrupts_on();
        __asm__ volatile("nop; nop");
        interrupts_off();
        ended &= in_service(ONLY_VECTOR);
        samples_add_net(&samples, one(0, &at), empty);
        ended &= !in_service(ONLY_VECTOR);
    }
    samples_report(&samples, prefix, "eoi");
    check(ended, "%seoi: each interrupt was in service until then", prefix);
}

static void measure_ipi(const char *prefix, const char *key, timed_function *one)
{
    uint32_t before = arrived, at;

    samples.count = 0;
    for (unsigned i = 0; i < tries; i++)
        samples_add_net(&samples, one(arrived, &at), empty_wait);
    samples_report(&samples, prefix, key);
    check(arrived == before + tries, "%s%s: %u of %u came", prefix, key, (unsigned)(arrived - before), tries);
}

static void start_mode(void (*handler)(void))
{
    on_interrupt_raw(SELF_VECTOR, handler);
    on_interrupt_raw(ONLY_VECTOR, arrive_only);
    apic_enable();
    empty = least_of(nothing, 0);
    empty_wait = least_of(nothing_wait, arrived + 1);
}

static void measure_xapic(void)
{
    start_mode(arrive_xapic);
    measure_register("xapic_", "read", xapic_read);
    measure_register("xapic_", "tpr_write", xapic_tpr_write);
    check(apic_read(APIC_TPR) == 0x10, "xapic_tpr_write: reads back");
    apic_write(APIC_TPR, 0);
    measure_eoi("xapic_", xapic_eoi);
    measure_ipi("xapic_", "self_ipi", xapic_self_ipi);
}

static void measure_x2apic(void)
{
    enter_x2apic();
    start_mode(arrive_x2apic);
    measure_register("x2apic_", "read", x2apic_read);
    measure_register("x2apic_", "tpr_write", x2apic_tpr_write);
    check(apic_read(APIC_TPR) == 0x10, "x2apic_tpr_write: reads back");
    apic_write(APIC_TPR, 0);
    measure_eoi("x2apic_", x2apic_eoi);
    measure_ipi("x2apic_", "self_ipi", x2apic_self_ipi);
    measure_ipi("x2apic_", "self_ipi_msr", x2apic_self_ipi_msr);
}

/* --- CR8 --- */

struct cr8_samples { /* as cr8_cost.asm reads it */
    uint32_t count;
    uint32_t *values;
};
extern const uint8_t cr8_empty[], cr8_write[], cr8_read[];
static uint64_t pml4[512] ALIGNED(4096), pdpt[512] ALIGNED(4096), directory[512] ALIGNED(4096);

static void measure_cr8(const char *key, const uint8_t *code, uint32_t looking)
{
    struct cr8_samples c = {tries, samples.values};

    long_call((uint32_t)pml4, code, &c);
    samples.count = 0;
    for (unsigned i = 0; i < tries; i++)
        samples_add_net(&samples, c.values[i], looking);
    if (key)
        samples_report(&samples, "", key);
}

static void measure_cr8s(void)
{
    uint32_t looking;

    if (!(cpuid(0x80000001, 0).edx & BIT(29)))
        return;
    for (uint64_t i = 0; i < 512; i++)
        directory[i] = i << 21 | 0x83;
    pdpt[0] = (uint32_t)directory | 3u;
    pml4[0] = (uint32_t)pdpt | 3u;
    measure_cr8(NULL, cr8_empty, 0);
    looking = samples.values[0];
    measure_cr8("cr8_write", cr8_write, looking);
    measure_cr8("cr8_read", cr8_read, looking);
    check(apic_read(APIC_TPR) == 0, "CR8 is 0 again, and so is the TPR");
}

void guest_main(const struct boot_info *info)
{
    tries = measure_setup(info, ALL_TRIES);
    measure_xapic();
    measure_cr8s();
    if (has_x2apic())
        measure_x2apic();
}
