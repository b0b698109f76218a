/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/power.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "core/base/blackbox.h"
#include "core/base/console.h"
#include "core/base/format.h"
#include "core/base/latency.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "boot/host/release.h"
#include "boot/host/smp.h"
#include "boot/host/soft_off.h"
#include "core/vm/backend.h"

#define LEAVE_SECONDS 2

#define RESET_CONTROL        0xcf9 /* of nearly every chipset */
#define SYSTEM_RESET         0x02
#define RESET_CPU            0x04
#define KEYBOARD_COMMAND     0x64
#define KEYBOARD_PULSE_RESET 0xfe

enum end { END_OPEN, END_OFF, END_REBOOT, END_RELEASE };

static enum end end; /* decided once: several CPUs may find at the same time that all is over */
static NORETURN void release(void);

static bool decide(enum end wanted)
{
    enum end open = END_OPEN;

    return __atomic_compare_exchange_n(&end, &open, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void give_up_virtualization(void)
{
    ASSERT(!this_cpu()->active);
    backend.cpu_disable(this_cpu());
    cpu_put_back(&this_cpu()->before);
}

void power_leave(void)
{
    if (__atomic_load_n(&end, __ATOMIC_SEQ_CST) == END_RELEASE && !this_cpu()->id)
        release();
    give_up_virtualization();
    __atomic_store_n(&this_cpu()->left, true, __ATOMIC_RELEASE);
    halt_forever();
}

/* Every CPU does VMCLEAR and VMXOFF before the machine leaves our hands. False: one did not. */
static bool take_back_cpus(void)
{
    bool all = true;
    uint64_t start;

    ASSERT(end != END_OPEN); /* a CPU that comes meanwhile does not begin another one */
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] == this_cpu())
            continue;
        cpus[i]->leave = true;
        cpu_kick(cpus[i]);
    }
    start = rdtsc();
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpus[i] != this_cpu() && !cpus[i]->left) {
            if (rdtsc() - start > machine.tsc_hz * LEAVE_SECONDS) {
                log_error("CPU %u does not give its guest up", i);
                all = false;
                break;
            }
            cpu_pause();
        }
    }
    if (all && cpu_count > 1)
        latency_note(LATENCY_LEAVE, start);
    give_up_virtualization();
    latency_report();
    console_flush(); /* the VMs' words, while there are VMs */
    return all;
}

static NORETURN void switch_off(void)
{
    log_info("power off");
    console_flush();
    blackbox_erase();
    soft_off(&machine.acpi.fadt, &machine.acpi.s5);
    power_halt("this machine does not switch itself off");
}

void power_off(void)
{
    if (!decide(END_OFF))
        power_leave();
    take_back_cpus();
    switch_off();
}

static void wait_for_reset(void)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < machine.tsc_hz / 20)
        cpu_pause();
}

/* From the clean way to the one that always works. */
void power_reboot(void)
{
    static const struct table_pointer none;

    if (!decide(END_REBOOT))
        power_leave();
    take_back_cpus();
    log_info("reboot");
    console_flush();
    blackbox_note_end(BLACKBOX_REBOOT);
    soft_reset(&machine.acpi.fadt);
    wait_for_reset();
    outb(RESET_CONTROL, SYSTEM_RESET);
    outb(RESET_CONTROL, SYSTEM_RESET | RESET_CPU);
    wait_for_reset();
    outb(KEYBOARD_COMMAND, KEYBOARD_PULSE_RESET);
    wait_for_reset();
    lidt(&none);
    __asm__ volatile("ud2"); /* without an IDT: a triple fault */
    halt_forever();
}

/* The kernel that comes expects to be on the boot CPU. */
static NORETURN void release(void)
{
    if (!take_back_cpus())
        log_error("not released: a CPU is missing");
    else
        release_start();
    switch_off();
}

void power_release(void)
{
    if (!release_possible()) {
        log_error("not released: no usable 'release' in [host] of skerry.cfg");
        power_off();
    }
    if (decide(END_RELEASE) && this_cpu()->id) {
        cpus[0]->leave = true;
        cpu_kick(cpus[0]);
    }
    power_leave(); /* the boot CPU: release() */
}

void power_when_done(void)
{
    switch (release_when_done()) {
    case DONE_REBOOT: power_reboot();
    case DONE_RELEASE: power_release();
    default: power_off();
    }
}

void power_halt(const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    log_info("halted: %s", text);
    console_flush();
    halt_forever();
}
