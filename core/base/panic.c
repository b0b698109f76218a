/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/panic.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/msr.h"
#include "arch/x86/trap.h"
#include "core/base/blackbox.h"
#include "core/base/console.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/machine_errors.h"
#include "core/base/symbols.h"

#define MAX_FRAMES 24

static volatile bool panicking;
static uint32_t nmis; /* that nobody was told of yet */
static void (*last_words)(void);

uint32_t panic_take_nmis(void)
{
    return __atomic_load_n(&nmis, __ATOMIC_RELAXED) ? __atomic_exchange_n(&nmis, 0, __ATOMIC_RELAXED) : 0;
}

void panic_set_last_words(void (*show)(void))
{
    last_words = show;
}

static unsigned cpu_number(void)
{
    return rdmsr(IA32_GS_BASE) ? this_cpu()->id : 0;
}

/* Those that run our code: one that the firmware still has would take the NMI without an IDT, and reset the
 * machine. */
static void stop_others(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] && i != cpu_number() && cpus[i]->online)
            lapic_ipi(cpus[i]->apic_id, ICR_NMI);
    }
}

/* The first CPU goes on; a second one, or the same again, stops here. */
static void only_one(void)
{
    interrupts_off();
    if (__atomic_exchange_n(&panicking, true, __ATOMIC_ACQ_REL))
        halt_forever();
    console_panic_mode();
    stop_others();
}

/* back: 1 for a return address, whose call may be the last instruction of its function. */
static void print_address(uint64_t address, unsigned back)
{
    uint64_t offset;
    const char *name = symbol_find(address - back, &offset);

    if (name)
        print("  %016llx %s+0x%llx\n", (unsigned long long)address, name, (unsigned long long)offset + back);
    else
        print("  %016llx\n", (unsigned long long)address);
}

/* Frame pointers are followed only where stacks are: the per-CPU slots, or the boot stack in the image. */
static bool on_a_stack(uint64_t at)
{
    uint64_t slots = at - STACKS_BASE, image = at - (uint64_t)rodata_end;

    return at % 8 == 0 && (slots < MAX_CPUS * STACK_SLOT || image < (uint64_t)(image_end - rodata_end) - 16);
}

static void backtrace(uint64_t rip, uint64_t rbp)
{
    print("backtrace:\n");
    if (rip)
        print_address(rip, 0);
    for (unsigned i = 0; i < MAX_FRAMES && on_a_stack(rbp); i++) {
        const uint64_t *frame = (const uint64_t *)rbp;

        if (!frame[1])
            break;
        print_address(frame[1], 1);
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

static NORETURN void stop_machine(void)
{
    blackbox_note_end(BLACKBOX_PANIC);
    if (last_words)
        last_words();
    print("skerry: halted after a panic\n");
    console_flush();
    halt_forever();
}

void panic(const char *fmt, ...)
{
    char text[256];
    va_list args;

    only_one();
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    print("skerry: panic on CPU %u: %s\n", cpu_number(), text);
    backtrace(0, (uint64_t)__builtin_frame_address(0));
    stop_machine();
}

/* Names of functions stand in one file each: one tells the file, and costs nothing where the ASSERT is. */
void assertion_failed(unsigned line, const char *condition)
{
    uint64_t offset;
    const char *function = symbol_find((uint64_t)__builtin_return_address(0) - 1, &offset);

    panic("%s, line %u: assertion failed: %s", function ? function : "?", line, condition);
}

static void print_registers(const struct trap_frame *f)
{
    static const char *const names[] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9 ", "r8 ",
                                        "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax"};
    const uint64_t *value = &f->r15;

    _Static_assert(offsetof(struct trap_frame, vector) == ARRAY_SIZE(names) * 8,
                   "in the order of the pushes");
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        print("  %s %016llx%s", names[i], (unsigned long long)value[i], i % 3 == 2 ? "\n" : "");
    print("  rip %016llx  rsp %016llx  rflags %llx\n", (unsigned long long)f->rip, (unsigned long long)f->rsp,
          (unsigned long long)f->rflags);
    print("  cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx\n", (unsigned long long)read_cr0(),
          (unsigned long long)read_cr2(), (unsigned long long)read_cr3(), (unsigned long long)read_cr4());
}

void panic_trap(const struct trap_frame *f)
{
    static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                        "#DF", "#09", "#TS", "#NP", "#SS", "#GP", "#PF", "#15",
                                        "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};
    hpa_t page;

    if (f->vector == VECTOR_NMI) {
        if (panicking)
            halt_forever();                             /* another CPU's panic stops us this way */
        __atomic_fetch_add(&nmis, 1, __ATOMIC_RELAXED); /* whom it interrupted may hold any lock */
        return;
    }
    if (f->vector == VECTOR_MC && machine_check_judge(&page) == MACHINE_CHECK_NOT_HERE) {
        machine_check_forgive(); /* all CPUs are told of another's */
        return;
    }
    only_one();
    print("skerry: panic on CPU %u: %s error code %llx\n", cpu_number(),
          f->vector < ARRAY_SIZE(names) ? names[f->vector] : "exception", (unsigned long long)f->error_code);
    if (f->vector == VECTOR_MC)
        machine_errors_print();
    print_registers(f);
    backtrace(f->rip, f->rbp);
    stop_machine();
}

uintptr_t __stack_chk_guard = 0x5ca1ab1e0ddba11;
NORETURN void __stack_chk_fail(void);

NORETURN void __stack_chk_fail(void)
{
    panic("stack smashed in the caller of %p", __builtin_return_address(0));
}
