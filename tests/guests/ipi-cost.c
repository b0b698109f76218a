/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What IPIs between two CPUs cost, in ticks less the cost of looking: the sender's write of the ICR; from
 * before that write to the first instruction of the handler, on a CPU that spins and on one that halts; there
 * and back. In xAPIC and, where CPUID has it, x2APIC mode. Runs bare, too. The time-stamp counters must be in
 * step. Command line: tries=N.
 */
#include "lib/measure.h"
#include "lib/second_cpu.h"

#define STAMP_VECTOR   0x51
#define PING_VECTOR    0x53
#define ALL_TRIES      200
#define GAP            3000u    /* ticks: the handler has returned, whatever its end cost */
#define SHORT_IDLE     10000u   /* HLT is 100 us old, at 100 MHz */
#define LONG_IDLE      1000000u /* 10 ms */
#define LOST_AFTER     50000000u
#define ALL_LONG_TRIES 10

const char guest_name[] = "ipi-cost";

static struct samples samples, delays;
static unsigned tries, long_tries;
static uint32_t empty, empty_wait;
static uint32_t came;  /* interrupts, in the latest measurement */
static uint32_t early; /* of them by the clock of who took it, before they were sent */

/* --- the second CPU does one job after the other --- */

typedef void job_function(void);
static job_function *volatile job = apic_enable;
static volatile uint32_t stop_job;

static void second_main(void)
{
    for (;;) {
        while (!job)
            __asm__ volatile("pause");
        job();
        job = NULL;
    }
}

static void start_job(job_function *function)
{
    stop_job = 0;
    job = function;
}

static void finish_job(void)
{
    uint64_t start = rdtsc();

    while (job && rdtsc() - start < LOST_AFTER)
        ;
    if (job) {
        check(false, "the second CPU ends its job");
        finish();
    }
}

static void pass(uint32_t ticks)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < ticks)
        ;
}

/* Interrupts on, with nothing else to do. */
static void spin_job(void)
{
    __asm__ volatile("sti\n1:\tcmpl $0, %0\n\tje 1b\n\tcli" : : "m"(stop_job) : "memory", "cc");
}

/* The same in HLT; whoever sets stop_job sends an interrupt behind it, which a wake-up for nothing may
 * precede. */
static void halt_job(void)
{
    __asm__ volatile("1:\tsti\n\thlt\n\tcli\n\tcmpl $0, %0\n\tje 1b" : : "m"(stop_job) : "memory", "cc");
    interrupts_on();
    pass(GAP);
    interrupts_off();
}

static void x2apic_job(void)
{
    enter_x2apic();
    apic_enable();
}

/* --- sending --- */

/* To APIC ID 1. */
#define XAPIC_SEND(vector)  "movl $0x01000000, 0xfee00310\n\tmovl $" #vector ", 0xfee00300"
#define X2APIC_SEND(vector) "movl $" #vector ", %%eax\n\tmovl $1, %%edx\n\twrmsr"
#define X2APIC_SETUP        "movl $0x830, %%ecx\n\t"

TIMED_FUNCTION(nothing, "", "", "")
TIMED_FUNCTION(nothing_wait, STI_SETUP, WAIT, "cli")
TIMED_FUNCTION(xapic_send, "", XAPIC_SEND(0x51), "")
TIMED_FUNCTION(xapic_ping, STI_SETUP, XAPIC_SEND(0x53) WAIT, "cli")
TIMED_FUNCTION(x2apic_send, X2APIC_SETUP, X2APIC_SEND(0x51), "")
TIMED_FUNCTION(x2apic_ping, STI_SETUP X2APIC_SETUP, X2APIC_SEND(0x53) WAIT, "cli")

/* False when an interrupt is lost. */
static bool await(uint32_t before)
{
    uint64_t start = rdtsc();

    while (arrived == before) {
        if (rdtsc() - start > LOST_AFTER)
            return false;
    }
    return true;
}

/* --- measurements --- */

/* One way to a CPU that has been left alone for `idle` ticks. */
static void measure_one_way(bool halted, uint32_t idle, unsigned count, timed_function *send)
{
    uint32_t first = arrived, at;
    bool ok = true;

    samples.count = delays.count = early = 0;
    start_job(halted ? halt_job : spin_job);
    for (unsigned i = 0; ok && i < count; i++) {
        uint32_t before = arrived, took;

        pass(idle);
        took = send(0, &at);
        ok = await(before);
        samples_add_net(&samples, took, empty);
        samples_add(&delays, (uint32_t)arrival - at);
        early += (int32_t)((uint32_t)arrival - at) < 0;
    }
    pass(GAP);
    came = arrived - first;
    stop_job = 1;
    if (halted)
        (void)send(0, &at); /* to look at stop_job */
    finish_job();
    if (halted)
        check(arrived == first + count + 1, "%u of %u arrived, with the last one",
              (unsigned)(arrived - first), count + 1);
}

static void report_delays(const char *prefix, const char *key, unsigned count)
{
    samples_report(&delays, prefix, key);
    check(came == count && !early, "%s%s: %u of %u arrived, %u before they were sent", prefix, key,
          (unsigned)came, count, (unsigned)early);
}

static void measure_round_trip(const char *prefix, timed_function *ping)
{
    uint32_t first = arrived, at;

    samples.count = 0;
    start_job(spin_job);
    for (unsigned i = 0; i < tries && arrived == first + i; i++) {
        pass(GAP);
        samples_add_net(&samples, ping(arrived, &at), empty_wait);
    }
    came = arrived - first;
    stop_job = 1;
    finish_job();
    samples_report(&samples, prefix, "ping_pong");
    check(came == tries, "%sping_pong: %u of %u came back", prefix, (unsigned)came, tries);
}

static void measure_mode(const char *prefix, timed_function *send, timed_function *ping)
{
    measure_one_way(false, GAP, tries, send);
    samples_report(&samples, prefix, "send");
    report_delays(prefix, "to_spinning", tries);
    measure_round_trip(prefix, ping);
    measure_one_way(true, SHORT_IDLE, tries, send);
    samples_report(&samples, prefix, "send_to_halted");
    report_delays(prefix, "to_halted_short", tries);
    measure_one_way(true, LONG_IDLE, long_tries, send);
    report_delays(prefix, "to_halted_long", long_tries);
}

void guest_main(const struct boot_info *info)
{
    tries = measure_setup(info, ALL_TRIES);
    long_tries = tries < ALL_LONG_TRIES ? tries : ALL_LONG_TRIES;
    apic_enable();
    empty = least_of(nothing, 0);
    empty_wait = least_of(nothing_wait, arrived + 1);
    on_interrupt_raw(STAMP_VECTOR, stamp_xapic);
    on_interrupt_raw(PING_VECTOR, answer_xapic);
    on_interrupt_raw(ANSWER_VECTOR, arrive_xapic);
    if (!second_cpu_run(second_main)) {
        check(false, "the second CPU starts");
        return;
    }
    finish_job();
    measure_mode("xapic_", xapic_send, xapic_ping);
    if (!has_x2apic())
        return;
    start_job(x2apic_job);
    finish_job();
    enter_x2apic();
    apic_enable();
    on_interrupt_raw(STAMP_VECTOR, stamp_x2apic);
    on_interrupt_raw(PING_VECTOR, answer_x2apic);
    on_interrupt_raw(ANSWER_VECTOR, arrive_x2apic);
    measure_mode("x2apic_", x2apic_send, x2apic_ping);
}
