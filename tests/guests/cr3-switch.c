/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks with address spaces of their own that hand the CPU on in a ring: what a round costs, in ticks less
 * the cost of looking, and how many exits it took where a hypervisor counts them. Each task sees its own
 * number at one address. Runs bare, too. Command line: tries=N; targets, to register the address spaces.
 */
#include "lib/measure.h"

#include "hypercall/abi.h"
#include "lib/hypercall.h"

#define TASKS       8
#define ALL_TRIES   500
#define OWN         0xc0000000u /* where each task has a page of its own */
#define CR4_PSE     BIT(4)
#define PRESENT     3u /* and writable */
#define LARGE       0x80u
#define STACK_WORDS 256

const char guest_name[] = "cr3-switch";

static uint32_t directories[TASKS][1024] ALIGNED(4096), tables[TASKS][1024] ALIGNED(4096);
static uint32_t pages[TASKS][1024] ALIGNED(4096);
static uint32_t stacks[TASKS][STACK_WORDS] ALIGNED(16), stack_of[TASKS];
static volatile unsigned tasks;
static volatile uint32_t wrong;
static struct samples samples;

/* On the stack: what the compiler keeps across calls. */
static void __attribute__((noinline)) switch_to(unsigned from, unsigned to)
{
    __asm__ volatile("pushl %%ebp\n\tpushl %%ebx\n\tpushl %%esi\n\tpushl %%edi\n\tpushl $1f\n\t"
                     "movl %%esp, (%0)\n\tmovl %2, %%cr3\n\tmovl (%1), %%esp\n\tret\n"
                     "1:\tpopl %%edi\n\tpopl %%esi\n\tpopl %%ebx\n\tpopl %%ebp"
                     :
                     : "a"(&stack_of[from]), "d"(&stack_of[to]), "c"(directories[to])
                     : "memory", "cc");
}

static void look(unsigned task)
{
    if (*(volatile uint32_t *)OWN != task)
        wrong++;
}

static void __attribute__((noinline, used)) task_main(unsigned task)
{
    for (;;) {
        look(task);
        switch_to(task, task + 1 < tasks ? task + 1 : 0);
    }
}

/* Where a task begins, with its number in the place of EBX. */
void task_start(void);
__asm__("task_start: popl %edi\n\tpopl %esi\n\tpopl %ebx\n\tpopl %ebp\n\tpushl %ebx\n\tcall task_main");

static void make_task(unsigned task)
{
    uint32_t *stack = &stacks[task][STACK_WORDS];

    for (uint32_t i = 0; i < 1024; i++)
        directories[task][i] = i << 22 | LARGE | PRESENT;
    directories[task][OWN >> 22] = (uint32_t)tables[task] | PRESENT;
    tables[task][0] = (uint32_t)pages[task] | PRESENT;
    pages[task][0] = task;
    stack -= 5; /* as switch_to() leaves it */
    stack[0] = (uint32_t)task_start;
    stack[3] = task;
    stack_of[task] = (uint32_t)stack;
}

static uint64_t exits(void)
{
    if (cpuid(SKERRY_CPUID_BASE, 0).ebx != 0x72656b53)
        return 0;
    return ((const volatile struct skerry_statistics *)SKERRY_STATISTICS_BASE)
        ->exits[SKERRY_EXIT_CONTROL_REGISTER];
}

static void measure(unsigned count, unsigned tries, const char *key)
{
    uint32_t empty = UINT32_MAX;
    uint64_t before;

    tasks = 2;
    for (unsigned task = 1; task < count; task++) { /* each runs once, and hands on to task 0 */
        make_task(task);
        tasks = task + 1;
        switch_to(0, task);
    }
    tasks = count;
    for (unsigned i = 0; i < 100; i++) {
        uint32_t start = (uint32_t)rdtsc(), took = (uint32_t)rdtsc() - start;

        empty = took < empty ? took : empty;
    }
    samples.count = 0;
    before = exits();
    for (unsigned i = 0; i < tries; i++) {
        uint32_t start = (uint32_t)rdtsc();

        switch_to(0, 1);
        samples_add_net(&samples, (uint32_t)rdtsc() - start, empty);
    }
    before = exits() - before;
    samples_report(&samples, "", key);
    say("%s exits %u of %u switches", key, (unsigned)before, tries * count);
}

void guest_main(const struct boot_info *info)
{
    unsigned tries = measure_setup(info, ALL_TRIES);
    bool refused = false;

    for (unsigned task = 0; task < TASKS; task++)
        make_task(task);
    if (boot_word(info, "targets")) {
        for (uint32_t slot = 0; slot < 4; slot++)
            refused |= hypercall(SKERRY_CALL_CR3_TARGET, slot, (uint32_t)directories[slot], 0, 0) != 0;
        check(!refused, "4 address spaces are registered");
    }
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3((uint32_t)directories[0]);
    write_cr0(read_cr0() | BIT(31));
    look(0);
    measure(2, tries, "two_tasks");
    measure(TASKS, tries, "eight_tasks");
    write_cr0(read_cr0() & ~BIT(31));
    check(!wrong, "each task saw its own page");
}
