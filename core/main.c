/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of starting: machine, CPUs, configuration, explain page, VMs. */
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "arch/x86/trap.h"
#include "core/backend.h"
#include "core/console.h"
#include "core/explain.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/memory.h"
#include "core/panic.h"
#include "core/power.h"
#include "core/smp.h"
#include "core/vm.h"

#define CONFIG_NAME "skerry.cfg"
#define KEY_FOCUS   0x1c /* Ctrl-\ : the console goes to the next VM */

NORETURN void boot_main(hpa_t mbi, uint64_t image_base, uint64_t entry_tsc);

static struct config *config;
static volatile bool released; /* the VMs are built: the CPUs may schedule */

static void other_cpu(void)
{
    const char *why;

    if (!backend.cpu_enable(this_cpu(), &why))
        panic("CPU %u: %s", this_cpu()->id, why);
    while (!released)
        wait_for_interrupt();
    sched_loop();
}

/* Without a backend the other CPUs only prove that they start. */
static void idle_cpu(void)
{
    halt_forever();
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
    return config;
}

static struct vm *focused_vm(void)
{
    for (unsigned i = 0; i < vm_count; i++) {
        if (vms[i]->live && &vms[i]->console == console_focused())
            return vms[i];
    }
    return NULL;
}

static void next_focus(void)
{
    struct vm *now = focused_vm();

    for (unsigned i = 1; i <= vm_count; i++) {
        struct vm *vm = vms[((now ? now->id : 0) + i) % vm_count];

        if (vm->live) {
            console_focus(&vm->console);
            log_info("console: %s", vm->config->name);
            return;
        }
    }
}

static void on_key(uint8_t byte)
{
    struct vm *vm = focused_vm();

    if (byte == KEY_FOCUS)
        next_focus();
    else if (vm)
        vm_input(vm, byte);
}

static void choose_focus(void)
{
    struct vm *focus = vm_count ? vms[0] : NULL;

    for (unsigned i = 0; i < vm_count; i++) {
        if (!strcmp(vms[i]->config->name, config->host.focus))
            focus = vms[i];
    }
    console_set_prefixes(vm_count > 1);
    console_focus(focus ? &focus->console : NULL);
    console_set_input(on_key);
}

static NORETURN void start_vms(void)
{
    for (unsigned i = 0; i < vm_count; i++) {
        const struct account *a = &vms[i]->account;

        log_info(
            "[vm %s] costs %llu KiB beside its %llu MiB: EPT %llu, VMCS %llu, state %llu pages",
            vms[i]->config->name,
            (unsigned long long)((a->pages[MEMORY_EPT] + a->pages[MEMORY_VMCS] + a->pages[MEMORY_STATE]) * 4),
            (unsigned long long)(vms[i]->memory / MIB), (unsigned long long)a->pages[MEMORY_EPT],
            (unsigned long long)a->pages[MEMORY_VMCS], (unsigned long long)a->pages[MEMORY_STATE]);
    }
    choose_focus();
    if (machine_option("selftest"))
        backend.self_test(vms[0]->vcpus[0]);
    for (unsigned i = 0; i < vm_count; i++)
        vm_start(vms[i]);
    released = true;
    for (unsigned i = 1; i < cpu_count; i++)
        smp_kick(cpus[i]);
    sched_loop();
}

static void build_vms(struct config *c)
{
    for (unsigned i = 0; i < c->vm_count; i++) {
        if (c->vms[i].valid && !vm_build(&c->vms[i])) {
            c->vms[i].valid = false;
            c->errors++;
        }
    }
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
    usable = backend.probe(&missing);
    smp_start_others(usable ? other_cpu : idle_cpu);
    c = read_config();
    if (usable && !backend.cpu_enable(this_cpu(), &why))
        panic("the boot CPU: %s", why);
    if (usable && c)
        build_vms(c);
    explain(c, usable ? NULL : missing);
    if (machine_option("explain"))
        power_halt("explain was asked for");
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
