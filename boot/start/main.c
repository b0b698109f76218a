/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of starting: machine, CPUs, configuration, explain page, VMs. */
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "arch/x86/trap.h"
#include "core/base/blackbox.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "boot/host/machine_setup.h"
#include "boot/host/power.h"
#include "boot/host/release.h"
#include "boot/host/smp.h"
#include "core/life/life.h"
#include "core/monitor/monitor.h"
#include "core/report/explain.h"
#include "core/report/report.h"
#include "core/report/trace_show.h"
#include "boot/start/parts.h"
#include "core/vm/backend.h"
#include "dev/net/networks.h"
#include "dev/net/poll.h"
#include "sched/sched.h"
#include "vcpu/cpuid.h"
#include "vcpu/guards.h"
#include "vcpu/msr.h"
#include "svm/backend.h"
#include "vmx/backend.h"

#define CONFIG_NAME "skerry.cfg"

NORETURN void boot_main(hpa_t mbi, uint64_t image_base, uint64_t entry_tsc);

/* The backends that this image has, in the order in which they are tried. */
static const struct backend *const backends[] = {&vmx_backend, &svm_backend};

static struct config *config;
static volatile bool released; /* the VMs are built: the CPUs may schedule */

/* All VMs have ended: then so does the machine, but not under the operator's hands. */
static void end_if_over(void)
{
    if (vm_all_ended() && !monitor_is_open())
        power_when_done();
}

static void nothing_to_run(void)
{
    end_if_over();
    console_idle();
    if (this_cpu()->polls)
        poll_ports();
}

static void work(void)
{
    monitor_work();
    end_if_over();
}

static const struct loop_hooks hooks = {
    .work = work,
    .leave = power_leave,
    .idle = nothing_to_run,
};

static bool enable_this_cpu(const char **why)
{
    return backend.cpu_enable(this_cpu(), why);
}

static void other_cpu(void)
{
    while (!released && !this_cpu()->leave)
        wait_for_interrupt();
    sched_loop(&hooks);
}

/* Without a backend the other CPUs only prove that they start. */
static void idle_cpu(void)
{
    while (!this_cpu()->leave)
        wait_for_interrupt();
    power_leave();
}

static void report(void *context UNUSED, unsigned line, const char *text)
{
    print(CONFIG_NAME ":%u: %s\n", line, text);
}

static struct config *read_config(void)
{
    const struct boot_module *m = machine_module(CONFIG_NAME);

    if (!m)
        return NULL;
    config =
        memory_alloc_zeroed(&memory_host, MEMORY_STATE, ALIGN_UP(sizeof(*config), PAGE_SIZE) / PAGE_SIZE);
    if (!config)
        panic("no memory for the configuration");
    config_parse(phys_to_virt(m->start), m->size, config, report, NULL);
    log_set_debug(config->host.debug);
    blackbox_name_vms(config);
    release_prepare(config);
    return config;
}

static void choose_focus(void)
{
    struct vm *focus = vm_next(NULL);

    for (struct vm *vm = focus; vm; vm = vm_next(vm)) {
        if (!strcmp(vm->config->name, config->host.focus))
            focus = vm;
    }
    ASSERT(focus);
    console_set_prefixes(vm_count > 1);
    console_focus(&focus->console);
    monitor_setup(config);
}

static NORETURN void start_vms(void)
{
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        report_costs(vm);
    choose_focus();
    if (machine_option("selftest"))
        backend.self_test(vm_next(NULL)->vcpus[0]);
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        vm_start(vm);
    released = true;
    for (unsigned i = 1; i < cpu_count; i++)
        cpu_kick(cpus[i]);
    console_set_waiting(false);
    sched_loop(&hooks);
}

/* VMs that name their CPUs get them first, then VMs that need CPUs of their own. */
static unsigned claim_order(const struct vm_config *c)
{
    return (c->cpus_line ? 0 : 2) + (c->sched == SCHED_SHARED ? 1 : 0);
}

static void build_vms(struct config *c)
{
    for (unsigned i = 0; i < 4 * c->vm_count; i++) {
        struct vm_config *vm = &c->vms[i % c->vm_count];

        if (vm->valid && claim_order(vm) == i / c->vm_count && !vm_build(vm, i % c->vm_count)) {
            vm->valid = false;
            c->errors++;
        }
    }
}

/* What calls them does not ask whether they are there. */
static void check_operations(const struct backend *b)
{
    const void *const *operation = (const void *const *)b;

    _Static_assert(offsetof(struct backend, pdpte_reserved) % sizeof(*operation) == 0,
                   "pointers up to there");
    for (unsigned i = 0; i < offsetof(struct backend, pdpte_reserved) / sizeof(*operation); i++)
        ASSERT(operation[i]);
}

/* False: *missing says what the processor lacks. */
static bool choose_backend(const char **missing)
{
    *missing = "VMX (CPUID.1:ECX bit 5) or SVM (CPUID.80000001h:ECX bit 2)";
    for (unsigned i = 0; i < ARRAY_SIZE(backends); i++)
        config_add_switches(backends[i]->switches); /* a configuration may be for several machines */
    for (unsigned i = 0; i < ARRAY_SIZE(backends); i++) {
        const char *why = NULL;

        if (!backends[i]->probe(&why)) {
            *missing = why ? why : *missing;
            continue;
        }
        backend = *backends[i];
        check_operations(&backend);
        guards_init();
        vcpu_cpuid_init();
        vcpu_msr_init();
        return true;
    }
    return false;
}

/* On the boot CPU's own guarded stack. */
static NORETURN void start(void)
{
    const char *missing = NULL, *why;
    struct config *c;
    bool usable;

    machine_start_devices();
    if (machine_option("crash")) /* shows what a fault of the hypervisor looks like: writes to its own code */
        *(volatile char *)start = 0;
    life_setup(vm_parts, vm_part_count);
    usable = choose_backend(&missing);
    sched_enable();
    smp_start_others(usable ? enable_this_cpu : NULL, usable ? other_cpu : idle_cpu);
    blackbox_setup();
    trace_show_setup();
    c = read_config();
    machine_start_keyboard(c && c->host.ps2_keyboard);
    if (usable && !enable_this_cpu(&why))
        panic("the boot CPU: %s", why);
    if (usable && c) {
        if (!networks_create(c))
            panic("no memory for the networks");
        build_vms(c);
    }
    explain(c, usable ? NULL : missing);
    if (machine_option("explain"))
        power_halt("explain was asked for");
    if (machine_option("release"))
        power_release();
    if (!usable)
        power_halt("this CPU lacks %s, which Skerry needs to run guests", missing);
    if (!vm_count)
        power_halt("no VM to start");
    start_vms();
}

NORETURN void boot_main(hpa_t mbi, uint64_t image_base, uint64_t entry_tsc)
{
    image_phys_base = image_base;
    machine_setup(mbi, entry_tsc);
    smp_setup_boot_cpu();
    trap_set_handler(panic_trap);
    cpu_switch_stack(this_cpu()->stack_top, start);
}
