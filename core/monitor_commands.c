/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be typed in the monitor. */
#include "arch/x86/string.h"
#include "core/backend.h"
#include "core/life.h"
#include "core/log.h"
#include "core/monitor.h"
#include "core/power.h"
#include "core/release.h"
#include "core/report.h"
#include "core/smp.h"

struct command {
    const char *name, *arguments, *help;
    bool takes_vm; /* an argument names one of the configuration */
    void (*run)(const struct config *config, const char *argument);
};

static void help(const struct config *config, const char *argument);

/* --- VMs --- */

/* Its number in the configuration; vm_count: there is none. */
static unsigned number(const struct config *config, const char *name)
{
    unsigned i = 0;

    while (i < config->vm_count && strcmp(config->vms[i].name, name))
        i++;
    if (i == config->vm_count)
        print(*name ? "'%s' is no VM, expected a name that 'vm' lists\n"
                    : "%sname a VM, as 'vm' lists them\n",
              name);
    return i;
}

struct vm *monitor_find(const struct config *config, const char *name)
{
    unsigned i = number(config, name);

    if (i == config->vm_count)
        return NULL;
    if (!vms[i])
        print("[vm %s] is not built: 'create %s'\n", name, name);
    return vms[i];
}

static const char *state(const struct vm *vm)
{
    if (!vm)
        return "not built";
    if (vm->stopped)
        return "stopped";
    if (!vm->live)
        return "ending";
    return vm->paused ? "paused" : "runs";
}

static uint64_t exits(const struct vm *vm)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        for (unsigned r = 0; r < EXIT_REASONS; r++)
            sum += vm->vcpus[i]->stats->exits[r];
    }
    return sum;
}

static void list(const struct config *config, const char *argument UNUSED)
{
    print("%-16s %-10s %5s %10s %12s %7s\n", "VM", "state", "vCPUs", "memory", "exits", "resets");
    for (unsigned i = 0; i < config->vm_count; i++) {
        const struct vm_config *c = &config->vms[i];

        print("%-16s %-10s %5u %6llu MiB %12llu %7u\n", c->name, state(vms[i]), c->vcpus,
              (unsigned long long)(c->memory / MIB), (unsigned long long)(vms[i] ? exits(vms[i]) : 0),
              vms[i] ? vms[i]->resets : 0);
    }
}

static void apply(const struct config *config, const char *name, const char *(*operation)(struct vm *vm),
                  const char *done)
{
    struct vm *vm = monitor_find(config, name);
    const char *why = vm ? operation(vm) : NULL;

    if (why)
        print("[vm %s] %s\n", name, why);
    else if (vm && done)
        log_info("[vm %s] %s", name, done);
}

static void start(const struct config *config, const char *name)
{
    apply(config, name, vm_start, "is started");
}

static void stop(const struct config *config, const char *name)
{
    apply(config, name, vm_stop, NULL);
}

static void reset(const struct config *config, const char *name)
{
    apply(config, name, vm_reset, NULL);
}

static void pause(const struct config *config, const char *name)
{
    apply(config, name, vm_pause, "is paused");
}

static void resume(const struct config *config, const char *name)
{
    apply(config, name, vm_resume, "goes on");
}

static void destroy(const struct config *config, const char *name)
{
    uint64_t before = memory_free_pages();

    apply(config, name, vm_destroy, NULL);
    if (memory_free_pages() != before)
        log_info("[vm %s] is destroyed, %llu pages are free again", name,
                 (unsigned long long)(memory_free_pages() - before));
}

static void create(const struct config *config, const char *name)
{
    unsigned i = number(config, name);
    const char *why = i < config->vm_count ? vm_create(config, i) : NULL;

    if (why)
        print("[vm %s] %s\n", name, why);
    else if (i < config->vm_count)
        vm_print_costs(vms[i]);
}

static void console(const struct config *config, const char *name)
{
    struct vm *vm = *name ? monitor_find(config, name) : NULL;

    if (vm && !vm->live)
        print("[vm %s] does not run\n", name);
    else if (vm || !*name)
        monitor_close(vm);
}

/* --- the machine --- */

static void memory(const struct config *config UNUSED, const char *argument UNUSED)
{
    print("%llu of %llu KiB are free, Skerry holds %llu KiB\n", (unsigned long long)(memory_free_pages() * 4),
          (unsigned long long)(memory_total_pages() * 4),
          (unsigned long long)((memory_host.pages[MEMORY_EPT] + memory_host.pages[MEMORY_VMCS] +
                                memory_host.pages[MEMORY_STATE]) *
                               4));
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        vm_print_costs(vm);
}

static void list_cpus(const struct config *config UNUSED, const char *argument UNUSED)
{
    print(" CPU  APIC ID\n");
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct vcpu *owner = cpus[i]->owner, *now = cpus[i]->vcpu;

        const char *whose = owner ? "alone" : cpus[i]->shared ? "shared" : "free";

        if (owner)
            now = owner;
        if (now)
            print("%4u %8u  %-7s [vm %s] vcpu %u\n", i, cpus[i]->apic_id, whose, now->vm->config->name,
                  now->id);
        else
            print("%4u %8u  %s\n", i, cpus[i]->apic_id, whose);
    }
}

static void statistics(const struct config *config, const char *name)
{
    struct vm *one = *name ? monitor_find(config, name) : NULL;

    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (!*name || vm == one)
            report_statistics(vm);
    }
}

static void capabilities(const struct config *config UNUSED, const char *argument UNUSED)
{
    backend.print_capabilities();
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        print("[vm %s]\n", vm->config->name);
        backend.explain_vm(vm->config);
    }
}

static void switch_off(const struct config *config UNUSED, const char *argument UNUSED)
{
    power_off();
}

static void reboot(const struct config *config UNUSED, const char *argument UNUSED)
{
    power_reboot();
}

static void release(const struct config *config UNUSED, const char *argument UNUSED)
{
    if (release_possible())
        power_release();
    print("there is nothing to release the machine to, expected release = FILE in [host]\n");
}

static const struct command commands[] = {
    {"help", "[COMMAND]", "this list, or one line of it", false, help},
    {"vm", "", "the VMs of the configuration, and how they are", false, list},
    {"console", "[VM]", "leaves the monitor: keys go to this VM", true, console},
    {"start", "VM", "starts a VM that has stopped", true, start},
    {"stop", "VM", "stops a VM, whatever on-exit says", true, stop},
    {"pause", "VM", "its vCPUs and clocks stand still", true, pause},
    {"resume", "VM", "they go on", true, resume},
    {"reset", "VM", "starts it anew, with zeroed memory", true, reset},
    {"destroy", "VM", "gives back all that a stopped VM holds", true, destroy},
    {"create", "VM", "builds it again, from the configuration", true, create},
    {"stats", "[VM]", "exits and other counts per vCPU", true, statistics},
    {"trace", "[show|last|on|off] [VM] [N]", "the last events of all CPUs, of a VM, of the run before", true,
     monitor_trace},
    {"vmx", "", "what VMX this CPU has, and what of it each VM uses", false, capabilities},
    {"memory", "", "who holds how much", false, memory},
    {"cpu", "", "whose the CPUs are", false, list_cpus},
    {"release", "", "stops all VMs and starts the kernel that [host] names", false, release},
    {"reboot", "", "stops all VMs and resets the machine", false, reboot},
    {"poweroff", "", "stops all VMs and switches the machine off", false, switch_off},
};

static void help(const struct config *config UNUSED, const char *argument)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!*argument || !strcmp(argument, commands[i].name))
            print("  %-9s %-10s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
}

/* --- words --- */

/* Cuts the first word off; returns the rest. */
static char *split(char *text)
{
    while (*text && *text != ' ')
        text++;
    while (*text == ' ')
        *text++ = 0;
    return text;
}

void monitor_run(const struct config *config, char *text)
{
    const char *rest;
    char *argument;

    while (*text == ' ')
        text++;
    argument = split(text);
    if (!*text)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, text))
            continue;
        rest = commands[i].run == monitor_trace ? "" : split(argument); /* that one takes several */
        if (*rest || (*argument && !*commands[i].arguments))
            print("usage: %s %s\n", text, commands[i].arguments);
        else
            commands[i].run(config, argument);
        return;
    }
    print("'%s' is no command, expected one that 'help' lists\n", text);
}

static bool begins(const char *name, const char *text, unsigned length)
{
    return !strncmp(name, text, length);
}

const char *monitor_candidate(const struct config *config, const char *text, unsigned length, unsigned n)
{
    unsigned start = length;
    bool vm = false;

    while (start > 0 && text[start - 1] != ' ')
        start--;
    for (unsigned i = 0; start > 0 && i < ARRAY_SIZE(commands); i++) {
        size_t word = strlen(commands[i].name);

        vm |= commands[i].takes_vm && begins(commands[i].name, text, (unsigned)word) && text[word] == ' ';
    }
    for (unsigned i = 0; vm && i < config->vm_count; i++) {
        if (begins(config->vms[i].name, text + start, length - start) && n-- == 0)
            return config->vms[i].name;
    }
    for (unsigned i = 0; start == 0 && i < ARRAY_SIZE(commands); i++) {
        if (begins(commands[i].name, text, length) && n-- == 0)
            return commands[i].name;
    }
    return NULL;
}
