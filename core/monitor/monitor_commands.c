/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be typed in the monitor. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/base/words.h"
#include "boot/host/power.h"
#include "boot/host/release.h"
#include "boot/host/smp.h"
#include "core/life/life.h"
#include "core/monitor/line_edit.h"
#include "core/monitor/monitor.h"
#include "core/monitor/monitor_command.h"
#include "core/report/report.h"
#include "core/vm/backend.h"
#include "dev/pc.h"

/* A word of arguments that begins with [ may be left out. VM is a name of the configuration; words that |
 * parts are to be chosen from; [TEXT] is all that follows. */
struct command {
    const char *name, *arguments, *help;
    monitor_command *run;
};

static monitor_command help;

/* --- VMs --- */

/* Its number in the configuration; vm_count: there is none. */
static unsigned vm_number(const struct config *config, const char *name)
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
    unsigned i = vm_number(config, name);

    if (i == config->vm_count)
        return NULL;
    if (!vms[i])
        print("[vm %s] is not built: 'create %s'\n", name, name);
    return vms[i];
}

static uint64_t count_exits(const struct vm *vm)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        for (unsigned r = 0; r < EXIT_KINDS; r++)
            sum += vm->vcpus[i]->stats->exits[r];
    }
    return sum;
}

static void list(const struct config *config, const char *const words[] UNUSED)
{
    print("%-16s %-10s %5s %10s %12s %7s\n", "VM", "state", "vCPUs", "memory", "exits", "resets");
    for (unsigned i = 0; i < config->vm_count; i++) {
        const struct vm_config *c = &config->vms[i];

        print("%-16s %-10s %5u %6llu MiB %12llu %7u\n", c->name, vm_situation(vms[i]), c->vcpus,
              (unsigned long long)(c->memory / MIB), (unsigned long long)(vms[i] ? count_exits(vms[i]) : 0),
              vms[i] ? vms[i]->resets : 0);
    }
}

static void apply_to_vm(const struct config *config, const char *name,
                        const char *(*operation)(struct vm *vm), const char *done)
{
    struct vm *vm = monitor_find(config, name);
    const char *why = vm ? operation(vm) : NULL;

    if (why)
        print("[vm %s] %s\n", name, why);
    else if (vm && done)
        log_info("[vm %s] %s", name, done);
}

static void start_vm(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_start, "is started");
}

static void stop_vm(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_stop, NULL);
}

static void reset_vm(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_reset, NULL);
}

static void pause_vm(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_pause, "is paused");
}

static void resume_vm(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_resume, "goes on");
}

static void nmi(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], vm_nmi, "gets an NMI");
}

static const char *send_break_to(struct vm *vm)
{
    if (!vm_lives(vm))
        return "does not run";
    return pc_break(vm) ? NULL : "has a UART that is full, or looped back";
}

static void send_break(const struct config *config, const char *const words[])
{
    apply_to_vm(config, words[0], send_break_to, "gets a break");
}

static void destroy_vm(const struct config *config, const char *const words[])
{
    const char *name = words[0];
    uint64_t before = memory_free_pages();

    apply_to_vm(config, name, vm_destroy, NULL);
    if (memory_free_pages() != before)
        log_info("[vm %s] is destroyed, %llu pages are free again", name,
                 (unsigned long long)(memory_free_pages() - before));
}

static void create(const struct config *config, const char *const words[])
{
    const char *name = words[0];
    unsigned i = vm_number(config, name);
    const char *why = i < config->vm_count ? vm_create(config, i) : NULL;

    if (why)
        print("[vm %s] %s\n", name, why);
    else if (i < config->vm_count)
        report_costs(vms[i]);
}

static void console(const struct config *config, const char *const words[])
{
    const char *name = words[0];
    struct vm *vm = *name ? monitor_find(config, name) : NULL;

    if (vm && !vm_lives(vm))
        print("[vm %s] does not run\n", name);
    else if (vm || !*name)
        monitor_close(vm);
}

/* --- the machine --- */

static void memory(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    print("%llu of %llu KiB are free, Skerry holds %llu KiB\n", (unsigned long long)(memory_free_pages() * 4),
          (unsigned long long)(memory_total_pages() * 4),
          (unsigned long long)((memory_host.pages[MEMORY_TABLES] + memory_host.pages[MEMORY_CONTROL] +
                                memory_host.pages[MEMORY_STATE]) *
                               4));
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        report_costs(vm);
}

static void list_cpus(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    print(" CPU  APIC ID\n");
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct vcpu *owner = cpus[i]->owner, *now = cpus[i]->vcpu;

        const char *whose = owner             ? "alone"
                            : cpus[i]->polls  ? "network"
                            : cpus[i]->shared ? "shared"
                                              : "free";

        if (owner)
            now = owner;
        if (now)
            print("%4u %8u  %-7s [vm %s] vcpu %u\n", i, cpus[i]->apic_id, whose, now->vm->config->name,
                  now->id);
        else
            print("%4u %8u  %s\n", i, cpus[i]->apic_id, whose);
    }
}

static void show_statistics(const struct config *config, const char *const words[])
{
    const char *name = words[0];
    struct vm *one = *name ? monitor_find(config, name) : NULL;

    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (!*name || vm == one)
            report_statistics(vm);
    }
}

static void capabilities(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    backend.print_capabilities();
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        print("[vm %s]\n", vm->config->name);
        backend.explain_vm(vm->config);
    }
}

static void set_log(const struct config *config UNUSED, const char *const words[])
{
    static const char *const levels[] = {"info", "debug"};
    unsigned level = words_find(words[0], levels, ARRAY_SIZE(levels));

    if (level == ARRAY_SIZE(levels)) {
        print("'%s' is no level, expected info or debug\n", words[0]);
        return;
    }
    log_set_debug(level == 1);
    log_info("log = %s", levels[level]);
}

static void power_off_machine(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    power_off();
}

static void reboot(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    power_reboot();
}

static void release_machine(const struct config *config UNUSED, const char *const words[] UNUSED)
{
    if (release_possible())
        power_release();
    print("there is nothing to release the machine to, expected release = FILE in [host]\n");
}

static const struct command commands[] = {
    {"help", "[COMMAND]", "this list, or one line of it", help},
    {"vm", "", "the VMs of the configuration, and how they are", list},
    {"console", "[VM]", "leaves the monitor: keys go to this VM", console},
    {"start", "VM", "starts a VM that has stopped", start_vm},
    {"stop", "VM", "stops a VM, whatever on-exit says", stop_vm},
    {"pause", "VM", "its vCPUs and clocks stand still", pause_vm},
    {"resume", "VM", "they go on", resume_vm},
    {"reset", "VM", "starts it anew, with zeroed memory", reset_vm},
    {"nmi", "VM", "gives its first vCPU an NMI", nmi},
    {"send-break", "VM", "a break on its serial line", send_break},
    {"destroy", "VM", "gives back all that a stopped VM holds", destroy_vm},
    {"create", "VM", "builds it again, from the configuration", create},
    {"stats", "[VM]", "exits and other counts per vCPU", show_statistics},
    {"trace", "[show|last|on|off] [VM] [N]", "the last events of all CPUs, of a VM, of the run before",
     monitor_trace},
    {"dump", "vmcs|regs|lapic|ept|pci|virtio VM [VCPU|ADDRESS|DEVICE]",
     "what a vCPU is like; how an address is translated", monitor_dump},
    {"x", "VM ADDRESS [COUNT]", "memory at a linear address, as vCPU 0 sees it", monitor_examine},
    {"xp", "VM ADDRESS [COUNT]", "memory at a guest-physical address", monitor_examine_physical},
    {"break", "VM [on|off|ADDRESS]", "stops it here at int3, or at an address; the list", monitor_break},
    {"delete", "VM NUMBER|all", "takes a breakpoint away", monitor_delete},
    {"continue", "VM", "goes on from where it stopped", monitor_continue},
    {"step", "VM [COUNT]", "executes an instruction of the vCPU that stopped", monitor_step},
    {"serial", "VM [TEXT]", "what it has said on its serial line; sends it a line", monitor_serial},
    {"net", "[NETWORK|watch|down|up|rate|mirror] [NETWORK] [PORT] [N]",
     "networks and what goes through; a link, a rate, a mirror is changed", monitor_net},
    {"log", "info|debug", "how much Skerry itself prints", set_log},
    {"vmx", "", "what VMX this CPU has, and what of it each VM uses", capabilities},
    {"memory", "", "who holds how much", memory},
    {"cpu", "", "whose the CPUs are", list_cpus},
    {"release", "", "stops all VMs and starts the kernel that [host] names", release_machine},
    {"reboot", "", "stops all VMs and resets the machine", reboot},
    {"poweroff", "", "stops all VMs and switches the machine off", power_off_machine},
};

static void help(const struct config *config UNUSED, const char *const words[])
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!*words[0] || !strcmp(words[0], commands[i].name))
            print("  %s %s%*s %s\n", commands[i].name, commands[i].arguments,
                  (int)MAX(0, 20 - (int)(strlen(commands[i].name) + strlen(commands[i].arguments))), "",
                  commands[i].help);
    }
}

/* --- words --- */

/* Word number at of a pattern; its length in *n, 0: there is none. */
static const char *pattern_word(const char *pattern, unsigned at, unsigned *n)
{
    for (;; at--) {
        for (*n = 0; pattern[*n] && pattern[*n] != ' ';)
            ++*n;
        if (!at || !*n)
            return pattern;
        pattern += *n + (pattern[*n] == ' ');
    }
}

static unsigned pattern_words(const char *pattern)
{
    unsigned count = 0, n;

    while (pattern_word(pattern, count, &n), n)
        count++;
    return count;
}

/* The last word of such a pattern is a text: it gets its spaces back, up to the end of the line. */
static void join_text(const char *pattern, const char *words[], unsigned *count, const char *end)
{
    unsigned last = pattern_words(pattern), length;

    if (*count <= last || strncmp(pattern_word(pattern, last - 1, &length), "[TEXT]", 6) != 0)
        return;
    for (char *c = (char *)words[last]; c < end; c++)
        *c = *c ? *c : ' ';
    *count = last + 1;
}

void monitor_run(const struct config *config, char *text)
{
    const char *words[1 + MONITOR_WORDS], *end = text + strlen(text);
    unsigned count = words_split(text, words, ARRAY_SIZE(words));

    for (unsigned i = 0; count && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, words[0]))
            continue;
        ASSERT(pattern_words(commands[i].arguments) <= MONITOR_WORDS);
        join_text(commands[i].arguments, words, &count, end);
        if (count - 1 > pattern_words(commands[i].arguments))
            print("usage: %s %s\n", words[0], commands[i].arguments);
        else
            commands[i].run(config, words + 1);
        return;
    }
    if (count)
        print("'%s' is no command, expected one that 'help' lists\n", words[0]);
}

/* What has been typed of the word that is to be completed. */
struct typed {
    const char *text;
    unsigned length;
};

static bool begins(const char *name, const struct typed *t)
{
    return !strncmp(name, t->text, t->length);
}

static const char *candidate_command(const struct typed *t, unsigned n)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (begins(commands[i].name, t) && n-- == 0)
            return commands[i].name;
    }
    return NULL;
}

static const char *candidate_vm(const struct config *config, const struct typed *t, unsigned n)
{
    for (unsigned i = 0; i < config->vm_count; i++) {
        if (begins(config->vms[i].name, t) && n-- == 0)
            return config->vms[i].name;
    }
    return NULL;
}

/* One of the words that | parts. */
static const char *candidate_choice(const char *choices, unsigned length, const struct typed *t, unsigned n)
{
    static char choice[16];

    for (unsigned from = 0, to; from < length; from = to + 1) {
        for (to = from; to < length && choices[to] != '|';)
            to++;
        ASSERT(to - from < sizeof(choice));
        format(choice, sizeof(choice), "%.*s", (int)(to - from), choices + from);
        if (choice[0] >= 'a' && begins(choice, t) && n-- == 0)
            return choice;
    }
    return NULL;
}

static const char *candidate_argument(const struct config *config, const struct command *c, unsigned at,
                                      const struct typed *t, unsigned n)
{
    unsigned length;
    const char *pattern = pattern_word(c->arguments, at, &length);

    if (length && *pattern == '[') {
        pattern++;
        length -= 2;
    }
    if (length == 2 && !strncmp(pattern, "VM", 2))
        return candidate_vm(config, t, n);
    if (length == 7 && !strncmp(pattern, "COMMAND", 7))
        return candidate_command(t, n);
    return candidate_choice(pattern, length, t, n);
}

const char *monitor_candidate(const struct config *config, const char *text, unsigned length, unsigned n)
{
    char line[LINE_SIZE];
    const char *words[1 + MONITOR_WORDS];
    struct typed typed = {"", 0};
    unsigned count;

    ASSERT(length < sizeof(line));
    format(line, sizeof(line), "%.*s", (int)length, text);
    count = words_split(line, words, ARRAY_SIZE(words));
    if (count > ARRAY_SIZE(words))
        return NULL;
    if (count && text[length - 1] != ' ')
        typed = (struct typed){words[count - 1], (unsigned)strlen(words[--count])};
    if (!count)
        return candidate_command(&typed, n);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].name, words[0]))
            return candidate_argument(config, &commands[i], count - 1, &typed, n);
    }
    return NULL;
}
