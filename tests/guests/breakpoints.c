/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody to be debugged: it goes round and round, interrupts off, through code at addresses that everybody
 * knows, and makes sure that its own int3, single steps and debug registers work whatever a debugger outside
 * does. A q on the serial line ends it. With `two` a second CPU does the same beside it.
 */
#include "lib/guest.h"
#include "lib/second_cpu.h"

#define BP         3
#define UART       0x3f8
#define LSR_READY  BIT(0)
#define EFLAGS_TF  BIT(8)
#define EFLAGS_RF  BIT(16)
#define DR6_B0     BIT(0)
#define DR6_BD     BIT(13)
#define DR6_BS     BIT(14)
#define DR7_FIXED  0x400u
#define DR7_LOCAL0 BIT(0)
#define DR7_GD     BIT(13)
#define CPUS       2
#define MONITOR    0x1c /* Ctrl-\ */

/* One each: what the first CPU calls. The second has its own, SECOND further on. */
#define TO_STEP   0x300000u
#define TO_BREAK  0x300100u
#define OWN_BREAK 0x300200u
#define SECOND    0x1000u

const char guest_name[] = "breakpoints";

struct counts {
    unsigned rounds, int3, steps, own, detected, wrong;
};

static volatile struct counts counts[CPUS];
static volatile bool over, second_over;

#define DEBUG_REGISTER(n)                                               \
    static uint32_t read_dr##n(void)                                    \
    {                                                                   \
        uint32_t value;                                                 \
        __asm__ volatile("movl %%dr" #n ", %0" : "=r"(value));          \
        return value;                                                   \
    }                                                                   \
    static void write_dr##n(uint32_t value)                             \
    {                                                                   \
        __asm__ volatile("movl %0, %%dr" #n : : "r"(value) : "memory"); \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

static void on_int3(struct trap_frame *frame)
{
    (void)frame;
    counts[this_cpu()].int3++;
}

static void on_debug(struct trap_frame *frame)
{
    volatile struct counts *c = &counts[this_cpu()];
    uint32_t dr6 = read_dr6();

    if (dr6 & DR6_BS) {
        c->steps++;
        frame->eflags &= ~EFLAGS_TF;
    } else if (dr6 & DR6_BD) {
        c->detected++;
    } else if ((dr6 & DR6_B0) && frame->eip == read_dr0()) {
        c->own++;
        frame->eflags |= EFLAGS_RF;
    } else {
        c->wrong++; /* somebody else's */
    }
    write_dr6(0);
}

static void put_code(uint32_t offset)
{
    static const uint8_t to_step[] = {0xb8, 1,    0, 0, 0,           /* mov eax, 1 */
                                      0x40,                          /* inc eax */
                                      0x53,                          /* push ebx */
                                      0x0f, 0xa2,                    /* cpuid */
                                      0x5b,                          /* pop ebx */
                                      0xc3};                         /* ret */
    static const uint8_t to_break[] = {0xb8, 0x78, 0x56, 0x34, 0x12, /* mov eax, 12345678h */
                                       0xcc,                         /* int3 */
                                       0x90, 0xc3};                  /* nop; ret */
    static const uint8_t own[] = {0x90, 0xc3};

    memcpy((void *)(TO_STEP + offset), to_step, sizeof(to_step));
    memcpy((void *)(TO_BREAK + offset), to_break, sizeof(to_break));
    memcpy((void *)(OWN_BREAK + offset), own, sizeof(own));
}

static void call(uint32_t code)
{
    __asm__ volatile("call *%0" : : "r"(code) : "eax", "ecx", "edx", "memory");
}

/* The registers hold what was put there; a breakpoint and the detection of accesses are on for a moment. */
static void use_debug_registers(volatile struct counts *c, uint32_t offset)
{
    write_dr0(OWN_BREAK + offset);
    write_dr1(c->rounds);
    write_dr2(~c->rounds);
    write_dr3(c->rounds * 0x10001);
    write_dr7(DR7_LOCAL0);
    call(OWN_BREAK + offset);
    c->wrong += read_dr7() != (DR7_FIXED | DR7_LOCAL0);
    write_dr7(DR7_GD);
    c->wrong += read_dr1() != c->rounds || read_dr2() != ~c->rounds || read_dr3() != c->rounds * 0x10001;
    c->wrong += read_dr0() != OWN_BREAK + offset || read_dr7() != DR7_FIXED;
    write_dr7(0);
}

static void single_step(void)
{
    __asm__ volatile("pushfl; orl %0, (%%esp); popfl; nop" : : "i"(EFLAGS_TF) : "memory", "cc");
}

static void go_round(uint32_t offset)
{
    volatile struct counts *c = &counts[this_cpu()];

    call(TO_STEP + offset);
    call(TO_BREAK + offset);
    use_debug_registers(c, offset);
    single_step();
    c->rounds++;
}

/* A q ends it all. What opens the monitor is never seen here. */
static void look_at_keys(void)
{
    while (inb(UART + 5) & LSR_READY) {
        uint8_t key = inb(UART);

        check(key != MONITOR, "key %02x is for us", key);
        over |= key == 'q';
    }
}

static void second(void)
{
    while (!over)
        go_round(SECOND);
    second_over = true;
    stop();
}

static void judge(unsigned cpu)
{
    const volatile struct counts *c = &counts[cpu];

    say("CPU %u: %u rounds, int3 %u, own breakpoint %u", cpu, c->rounds, c->int3, c->own);
    check(c->rounds > 1000, "CPU %u: rounds", cpu);
    check(c->steps == c->rounds, "CPU %u: single steps are its own", cpu);
    check(c->detected == c->rounds, "CPU %u: accesses to debug registers are detected", cpu);
    check(!c->wrong, "CPU %u: debug registers hold what was written", cpu);
    check(c->int3 <= c->rounds && c->own <= c->rounds, "CPU %u: nothing came twice", cpu);
    if (c->int3 == c->rounds && c->own == c->rounds)
        say("CPU %u: no debugger outside", cpu);
}

void guest_main(const struct boot_info *info)
{
    bool two = boot_word(info, "two");

    on_interrupt(BP, on_int3);
    on_interrupt(DB, on_debug);
    put_code(0);
    put_code(SECOND);
    outb(UART, MONITOR); /* to print it opens nothing */
    say("ready");
    uart_drain();
    if (two)
        check(second_cpu_run(second), "the second CPU starts");
    while (!over) {
        go_round(0);
        if (counts[0].rounds % 256)
            continue;
        look_at_keys();
        outb(UART, '\r'); /* nothing to be seen, but Skerry's own lines are sent on when somebody writes */
    }
    while (two && !second_over)
        __asm__ volatile("pause");
    for (unsigned cpu = 0; cpu <= two; cpu++)
        judge(cpu);
    finish();
}
