/* SPDX-License-Identifier: BSD-2-Clause */
/* apic-smp: when an interrupt is taken, in which order, and how it ends. */
#include "apic_smp.h"

#define IOAPIC           0xfec00000u
#define IOAPIC_EOI       0x40
#define UART_PIN         4
#define UART             0x3f8
#define PIN_LEVEL        0x08000u
#define PIN_REMOTE_IRR   0x04000u
#define PIN_LOGICAL      0x00800u
#define PIN_MASKED       0x10000u
#define IER_EMPTY        2
#define SVR_NO_BROADCAST 0x1000u
#define HALTS            20
#define LONG_IDLE        1000000u

static bool logged(unsigned cpu, const uint16_t *expected, unsigned length)
{
    const struct per_cpu *p = &cpus[cpu];
    bool ok = p->log_length == length;

    for (unsigned i = 0; ok && i < length; i++)
        ok = p->log[i] == expected[i];
    if (ok)
        return true;
    for (unsigned i = 0; i < p->log_length; i++)
        say("  CPU %u: %s %x", cpu, p->log[i] & ENDS ? "ends" : "begins", p->log[i] & 0xffu);
    return false;
}

/* --- priorities --- */

static volatile bool in_handler, release;

/* In service with interrupts on: what is higher nests. */
static void stay(unsigned cpu, unsigned vector)
{
    (void)vector;
    cpus[cpu].seen[0] = apic_get(APIC_PPR);
    in_handler = true;
    interrupts_on();
    wait_flag(&release);
}

static void look_at_ppr(unsigned cpu, unsigned vector)
{
    (void)vector;
    cpus[cpu].seen[1] = apic_get(APIC_PPR);
}

static void nesting(unsigned to)
{
    static const uint16_t order[] = {0x51,        0x81, 0x81 | ENDS, 0x51 | ENDS, 0x59,
                                     0x59 | ENDS, 0x55, 0x55 | ENDS, 0x31,        0x31 | ENDS};
    struct per_cpu *p = &cpus[to];
    bool held;

    in_handler = release = false;
    p->log_length = 0;
    hooks[0x51] = stay;
    hooks[0x81] = look_at_ppr;
    send_icr(to, 0x51);
    wait_flag(&in_handler);
    send_icr(to, 0x31);                   /* lower: waits */
    send_from((to + 1) % CPUS, to, 0x55); /* the same class: waits for EOI */
    send_icr(to, 0x59);
    send_from((to + 2) % CPUS, to, 0x81); /* higher: nests */
    pass(settle);
    held = p->log_length == 3;
    hooks[0x51] = hooks[0x81] = NULL;
    release = true;
    wait_count(&p->log_length, 10);
    pass(settle);
    check(held && logged(to, order, ARRAY_SIZE(order)), "%s: the higher interrupts, the lower waits, CPU %u",
          mode, to);
    check(p->seen[0] == 0x50 && p->seen[1] == 0x80, "%s: PPR is the class in service, %x and %x", mode,
          (unsigned)p->seen[0], (unsigned)p->seen[1]);
}

static volatile uint32_t wanted_tpr;

static void tpr_job(unsigned cpu)
{
    apic_set(APIC_TPR, wanted_tpr);
    cpus[cpu].seen[0] = apic_get(APIC_PPR);
}

static void set_tpr(unsigned cpu, uint32_t tpr)
{
    wanted_tpr = tpr;
    do_job(cpu, tpr_job);
}

static void task_priority(unsigned to)
{
    struct tally low = tally(0x51), high = tally(0x71);
    bool held, passed;

    set_tpr(to, 0x60);
    send_icr(to, 0x51);
    send_from((to + 1) % CPUS, to, 0x71);
    passed = came_to(&high, 1u << to) && cpus[to].seen[0] == 0x60;
    held = cpus[to].count[0x51] == low.before[to];
    set_tpr(to, 0x50);
    pass(settle);
    held = held && cpus[to].count[0x51] == low.before[to];
    set_tpr(to, 0x4f);
    passed = came_to(&low, 1u << to) && passed;
    set_tpr(to, 0xff);
    low = tally(0xfe);
    send_icr(to, 0xfe);
    pass(settle);
    held = held && cpus[to].count[0xfe] == low.before[to];
    set_tpr(to, 0);
    passed = came_to(&low, 1u << to) && passed;
    check(held && passed, "%s: TPR holds back its class and lower, CPU %u", mode, to);
}

static void tpr_halt_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];
    uint32_t low = p->count[0x51], high = p->count[0x71];

    interrupts_off();
    apic_set(APIC_TPR, 0x60);
    p->ok = true;
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    p->seen[0] = p->count[0x51] - low;
    p->seen[1] = p->count[0x71] - high;
    apic_set(APIC_TPR, 0);
    interrupts_on();
}

/* What TPR holds back does not end HLT either. */
static void task_priority_halted(unsigned to)
{
    struct per_cpu *p = &cpus[to];
    struct tally low = tally(0x51);

    p->ok = false;
    start_job(to, tpr_halt_job);
    wait_flag(&p->ok);
    pass(settle);
    send_icr(to, 0x51);
    pass(settle);
    send_icr(to, 0x71);
    finish_job(to);
    check(came_to(&low, 1u << to) && p->seen[0] == 0 && p->seen[1] == 1, "%s: nor does that end HLT", mode);
}

void test_priorities(void)
{
    nesting(1);
    nesting(3);
    task_priority(2);
    task_priority_halted(3);
}

/* --- interrupts off, then on --- */

static volatile bool go;

static void deaf_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    interrupts_off();
    p->ok = true;
    wait_flag(&go);
    p->seen[0] = apic_bit(APIC_IRR, 0x51) && apic_bit(APIC_IRR, 0x52) && apic_bit(APIC_IRR, 0x91);
    p->seen[1] = apic_bit(APIC_ISR, 0x91);
    __asm__ volatile("sti; cli" : : : "memory"); /* no window */
    p->seen[2] = p->log_length;
    __asm__ volatile("sti; nop; cli" : : : "memory"); /* one */
    pass(settle);
    p->seen[3] = p->log_length;
    interrupts_on();
}

static void off_then_on(unsigned to)
{
    static const uint16_t order[] = {0x91, 0x91 | ENDS, 0x52, 0x52 | ENDS, 0x51, 0x51 | ENDS};
    struct per_cpu *p = &cpus[to];

    go = p->ok = false;
    start_job(to, deaf_job);
    wait_flag(&p->ok);
    p->log_length = 0;
    send_icr(to, 0x51);
    send_from((to + 1) % CPUS, to, 0x52);
    send_from((to + 2) % CPUS, to, 0x52); /* a second one of a vector is lost */
    send_icr(to, 0x91);
    pass(settle);
    go = true;
    finish_job(to);
    pass(settle);
    check(p->seen[0] && !p->seen[1], "%s: IRR shows what waits for interrupts to be on, CPU %u", mode, to);
    check(p->seen[2] == 0, "%s: STI and CLI in a row leave no window", mode);
    check(p->seen[3] >= 2 && logged(to, order, ARRAY_SIZE(order)), "%s: then it comes by priority, each once",
          mode);
}

void test_interrupts_off(void)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        off_then_on(cpu);
}

/* --- halted --- */

void test_halted(void)
{
    unsigned woken = 0;

    others_halt(true);
    for (unsigned i = 0; i < HALTS; i++) {
        unsigned to = 1 + i % (CPUS - 1), from = i % 4 ? 0 : 1 + (i + 1) % (CPUS - 1);

        pass(i % 5 ? settle : LONG_IDLE);
        woken += reaches(from, to, VECTOR + i % 3, 1u << to);
    }
    check(woken == HALTS, "%s: %u of %u IPIs ended HLT", mode, woken, HALTS);
    others_halt(false);
}

/* --- disabled by software --- */

static void off_job(unsigned cpu)
{
    struct per_cpu *p = &cpus[cpu];

    apic_set(APIC_LVT_TIMER, TIMER_VECTOR);
    apic_set(APIC_SVR, SVR_OFF);
    p->seen[0] = apic_get(APIC_LVT_TIMER);
}

static void on_job(unsigned cpu)
{
    (void)cpu;
    apic_set(APIC_SVR, SVR_ON);
    apic_set(APIC_LVT_TIMER, LVT_MASKED);
}

void test_software_disable(void)
{
    const uint32_t everybody = cpus[0].x2apic ? UINT32_MAX : 0xff;
    struct tally t;
    bool ok;

    do_job(2, off_job);
    check(cpus[2].seen[0] == (LVT_MASKED | TIMER_VECTOR), "%s: disabled by software, the LVT is masked",
          mode);
    ok = reaches(0, 2, VECTOR, 0) && reaches(1, everybody, VECTOR, EVERYBODY & ~4u) &&
         reaches(3, 0, ICR_OTHERS | VECTOR, 3) && reaches(0, 6, ICR_LOGICAL | VECTOR, 2);
    check(ok, "%s: disabled by software, fixed interrupts are lost", mode);
    ok = reaches(0, 2, ICR_NMI, 4) && reaches(3, 0, ICR_OTHERS | ICR_NMI, 7);
    check(ok, "%s: disabled by software, NMI is not", mode);
    check(reaches(2, 1, VECTOR, 2), "%s: disabled by software, it still sends", mode);
    t = tally(VECTOR);
    do_job(2, on_job);
    ok = came_to(&t, 0); /* what was lost does not come */
    check(reaches(0, 2, VECTOR, 4) && ok, "%s: enabled again, new ones come", mode);
}

/* --- level-triggered, by the serial port's pin of the I/O APIC --- */

static uint32_t io_read(unsigned reg)
{
    mmio_write(IOAPIC, reg);
    return mmio_read(IOAPIC + 0x10);
}

static void io_write(unsigned reg, uint32_t value)
{
    mmio_write(IOAPIC, reg);
    mmio_write(IOAPIC + 0x10, value);
}

static void set_pin(uint32_t destination, uint32_t low)
{
    io_write(0x10 + 2 * UART_PIN, PIN_MASKED);
    io_write(0x11 + 2 * UART_PIN, destination << 24);
    io_write(0x10 + 2 * UART_PIN, low);
}

static bool remote_irr(void)
{
    return io_read(0x10 + 2 * UART_PIN) & PIN_REMOTE_IRR;
}

static void raise_line(void)
{
    uart_drain();
    outb(UART + 1, IER_EMPTY);
}

static volatile unsigned still_up; /* how often the handler leaves the line as it is */

static void uart_hook(unsigned cpu, unsigned vector)
{
    struct per_cpu *p = &cpus[cpu];

    p->seen[0] = apic_bit(APIC_ISR, vector);
    p->seen[1] = apic_bit(APIC_TMR, vector);
    p->seen[2] = remote_irr();
    if (still_up)
        still_up--;
    else
        outb(UART + 1, 0);
}

static bool level_to(unsigned to, uint32_t destination, uint32_t low)
{
    struct tally t = tally(HIGH_VECTOR);
    const struct per_cpu *p = &cpus[to];
    bool ok;

    still_up = 2;
    set_pin(destination, PIN_LEVEL | low | HIGH_VECTOR);
    raise_line();
    ok = wait_count(&p->count[HIGH_VECTOR], t.before[to] + 3); /* twice more while it is up */
    pass(settle);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        ok = ok && cpus[cpu].count[HIGH_VECTOR] == t.before[cpu] + (cpu == to ? 3 : 0);
    ok = ok && p->seen[0] && p->seen[1] && p->seen[2] && !remote_irr();
    set_pin(0, PIN_MASKED);
    return ok;
}

static void suppress_job(unsigned cpu)
{
    (void)cpu;
    apic_set(APIC_SVR, SVR_ON | SVR_NO_BROADCAST);
}

static void broadcast_job(unsigned cpu)
{
    (void)cpu;
    apic_set(APIC_SVR, SVR_ON);
}

static void directed_eoi_job(unsigned cpu)
{
    (void)cpu;
    mmio_write(IOAPIC + IOAPIC_EOI, HIGH_VECTOR);
}

/* The EOI of the local APIC does not reach the I/O APIC: that has an EOI register, for any CPU. */
static void suppressed(unsigned to)
{
    struct tally t = tally(HIGH_VECTOR);
    bool held, again;

    do_job(to, suppress_job);
    still_up = 0;
    set_pin(to, PIN_LEVEL | HIGH_VECTOR);
    raise_line();
    held = came_to(&t, 1u << to) && remote_irr();
    raise_line();
    pass(settle);
    held = held && cpus[to].count[HIGH_VECTOR] == t.before[to] + 1;
    t = tally(HIGH_VECTOR);
    do_job((to + 1) % CPUS, directed_eoi_job);
    again = came_to(&t, 1u << to) && remote_irr();
    do_job(to, directed_eoi_job);
    again = again && !remote_irr();
    set_pin(0, PIN_MASKED);
    do_job(to, broadcast_job);
    check(held, "%s: level-triggered, EOI broadcast suppressed, CPU %u", mode, to);
    check(again, "%s: level-triggered, EOI register of the I/O APIC", mode);
}

/* The same vector as an edge from another CPU, between two levels. */
static bool level_and_edge(unsigned to)
{
    bool ok = level_to(to, to, 0);

    hooks[HIGH_VECTOR] = NULL;
    ok = reaches((to + 1) % CPUS, to, HIGH_VECTOR, 1u << to) && ok;
    hooks[HIGH_VECTOR] = uart_hook;
    return level_to(to, to, 0) && ok;
}

void test_level(void)
{
    bool ok = true;

    hooks[HIGH_VECTOR] = uart_hook;
    for (unsigned to = 0; to < CPUS; to++)
        ok = level_to(to, to, 0) && ok;
    check(ok, "%s: level-triggered, to each CPU, until the line is down", mode);
    ok = level_to(2, 4, PIN_LOGICAL) && level_to(3, 8, PIN_LOGICAL | ICR_LOWEST);
    check(ok, "%s: level-triggered, logical and lowest priority", mode);
    others_halt(true);
    ok = level_to(1, 1, 0) && level_to(3, 3, 0);
    check(ok, "%s: level-triggered, to a CPU that halts", mode);
    others_halt(false);
    check(level_and_edge(1) && level_and_edge(2), "%s: one vector level-triggered, edge, and level again",
          mode);
    if (apic_get(APIC_VERSION) & BIT(24)) {
        suppressed(1);
        suppressed(3);
    }
    hooks[HIGH_VECTOR] = NULL;
}
