/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser of skerry.cfg: one pass over the lines; the keys are in core/config/config_keys.c. */
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/panic.h"
#include "core/config/config_keys.h"

#define MAX_REPORTS 20
#define EXCERPT_MAX 40
enum section { SECTION_NONE, SECTION_HOST, SECTION_NAMED, SECTION_SKIPPED };

struct parser {
    struct config *config;
    config_report *report;
    void *context;
    unsigned line;
    enum section section;
    unsigned host_line;     /* of [host]; 0: not seen */
    struct vm_config *vm;   /* the one that is named; NULL: none is */
    struct net_config *net; /* so, too */
    unsigned
        given[CONFIG_MAX_KEYS + CONFIG_MAX_SWITCHES]; /* line on which a key of this section was given, by its
                                                      place in the table, or in that of switches behind it */
};

/* --- reports --- */

struct excerpt {
    char text[EXCERPT_MAX + 4];
};

/* At most EXCERPT_MAX characters of s, all printable, "..." where something was left out. */
static struct excerpt excerpt(struct span s)
{
    struct excerpt e = {""};
    size_t used = 0;

    for (; s.at < s.end; s.at++) {
        unsigned char c = (unsigned char)*s.at;
        bool plain = c >= 0x20 && c < 0x7f;

        if (used > (plain ? EXCERPT_MAX - 4u : EXCERPT_MAX - 7u))
            break;
        used += (size_t)format(e.text + used, sizeof(e.text) - used, plain ? "%c" : "\\x%02x", c);
    }
    format(e.text + used, sizeof(e.text) - used, span_empty(s) ? "" : "...");
    return e;
}

static void PRINTF_LIKE(3, 4) fail_at(struct parser *p, unsigned line, const char *fmt, ...)
{
    char text[768];
    va_list args;

    if (p->vm != NULL)
        p->vm->valid = false;
    else if (p->net != NULL)
        p->net->valid = false;
    else if (p->section == SECTION_HOST)
        p->config->host.release.valid = false;
    if (++p->config->errors > MAX_REPORTS)
        return;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    p->report(p->context, line, text);
}

#define fail(p, ...) fail_at(p, (p)->line, __VA_ARGS__)

/* --- lines --- */

static struct span without_comment(struct span s)
{
    char before = ' ';

    for (const char *at = s.at; at < s.end; before = *at++) {
        if (*at == '#' && span_blank(before)) {
            s.end = at;
            break;
        }
    }
    return span_trim(s);
}

/* --- settings --- */

static void section_title(const struct parser *p, char *text, size_t size)
{
    if (p->vm != NULL)
        format(text, size, "[vm %s]", p->vm->name);
    else if (p->net != NULL)
        format(text, size, "[net %s]", p->net->name);
    else
        format(text, size, "[host]");
}

#define MOST_NAMES 512

/* As many as there is room for; the characters that are used then. */
static size_t add_names(char names[MOST_NAMES], size_t used, const struct key_table *table)
{
    for (unsigned i = 0; i < table->count && used < MOST_NAMES; i++)
        used += (size_t)format(names + used, MOST_NAMES - used, " %s", table->keys[i].name);
    ASSERT(used < MOST_NAMES);
    return used;
}

static void unknown_key(struct parser *p, struct span name)
{
    char section[CONFIG_NAME_SIZE + 8], names[MOST_NAMES] = "";

    if (p->vm != NULL)
        add_names(names, add_names(names, 0, &config_vm_keys), &config_switch_keys);
    else
        add_names(names, 0, p->net != NULL ? &config_net_keys : &config_host_keys);
    section_title(p, section, sizeof(section));
    fail(p, "unknown key '%s' in %s, expected one of%s", excerpt(name).text, section, names);
}

static void set_key(struct parser *p, const struct key *key, unsigned *given, struct span value, char *base)
{
    bool again = config_key_repeats(key);
    void *field = base + key->field;
    struct vm_config *vm = again ? field : NULL;

    if (*given != 0 && !again) {
        fail(p, "%s is given again, expected it once (line %u)", key->name, *given);
        return;
    }
    *given = p->line;
    if (span_empty(value) && !config_key_may_be_empty(key)) {
        fail(p, "%s has no value, expected %s", key->name, key->expected);
        return;
    }
    if (again && key->line == 0 && vm->module_count < IMAGE_MAX_MODULES)
        vm->module_lines[vm->module_count] = p->line;
    if (key->line != 0)
        store_le(base + key->line, p->line, sizeof(unsigned));
    if (!key->set(key, value, field))
        fail(p, "%s = '%s' is no %s, expected %s", key->name, excerpt(value).text, key->kind, key->expected);
}

/* False: the table has no such key. */
static bool parse_key(struct parser *p, const struct key_table *table, unsigned *given, struct span name,
                      struct span value, char *base)
{
    for (unsigned i = 0; i < table->count; i++) {
        if (!span_equals(name, table->keys[i].name))
            continue;
        set_key(p, &table->keys[i], &given[i], value, base);
        return true;
    }
    return false;
}

/* By the keys of the section that is open. False: they have no such. */
static bool parse_known(struct parser *p, struct span name, struct span value)
{
    if (p->vm != NULL)
        return parse_key(p, &config_vm_keys, p->given, name, value, (char *)p->vm) ||
               parse_key(p, &config_switch_keys, p->given + CONFIG_MAX_KEYS, name, value, (char *)p->vm);
    if (p->net != NULL)
        return parse_key(p, &config_net_keys, p->given, name, value, (char *)p->net);
    return parse_key(p, &config_host_keys, p->given, name, value, (char *)&p->config->host);
}

static void parse_setting(struct parser *p, struct span line)
{
    struct span name, value = line;

    if (span_find(line, '=') == line.end) {
        fail(p, "'%s' is neither a section nor a setting, expected [SECTION] or KEY = VALUE",
             excerpt(line).text);
        return;
    }
    name = span_cut(&value, '=');
    if (p->section == SECTION_NONE) {
        fail(p, "key '%s' before any section, expected [host], [vm NAME] or [net NAME] first",
             excerpt(name).text);
        return;
    }
    if (!parse_known(p, name, value))
        unknown_key(p, name);
}

/* --- sections --- */

static unsigned cpu_count(const struct cpu_set *set)
{
    unsigned count = 0;

    for (unsigned cpu = 0; cpu < CONFIG_MAX_CPUS; cpu++)
        count += cpu_set_has(set, cpu);
    return count;
}

static void check_flat(struct parser *p, struct vm_config *vm)
{
    if (p->given[KEY_LOAD] == 0)
        vm->load = vm->mode == 16 ? 0x7c00 : MIB;
    if (vm->mode == 16 && vm->load >= 64 * KIB)
        fail_at(p, p->given[KEY_LOAD],
                "load lies at 64K or above, expected an address below it with mode = 16");
    if (vm->format == IMAGE_FLAT)
        return;
    for (unsigned i = KEY_LOAD; i <= KEY_MODE; i++) {
        if (p->given[i] != 0)
            fail_at(p, p->given[i],
                    "%s is given for a kernel that is not raw bytes, expected format = flat with it",
                    config_vm_keys.keys[i].name);
    }
}

/* All of them are on PCI. */
static void check_devices(struct parser *p, const struct vm_config *vm)
{
    unsigned line = vm->console == CONSOLE_VIRTIO ? vm->console_line : 0;

    line = vm->shared_count ? vm->shared[0].line : line;
    line = vm->port_count ? vm->ports[0].line : line;
    line = vm->rng ? vm->rng_line : vm->disk_count ? vm->disks[0].line : line;
    if (line != 0 && !vm->pci)
        fail_at(
            p, line,
            "a device without PCI, expected pci = on with rng, disk, net, link, shared and console = virtio");
}

static void check_serial(struct parser *p, const struct vm_config *vm)
{
    if (vm->serial_line != 0 && vm->console != CONSOLE_VIRTIO)
        fail_at(p, vm->serial_line,
                "serial line without a virtio console, expected console = virtio with it");
}

static void check_budget(struct parser *p, const struct vm_config *vm)
{
    if (vm->exit_budget_line != 0 && vm->sched != SCHED_DEDICATED)
        fail_at(p, vm->exit_budget_line, "exit-budget on shared CPUs, expected sched = dedicated with it");
    if (vm->exit_budget_line == 0 && vm->on_budget_line != 0)
        fail_at(p, vm->on_budget_line, "on-budget without a budget, expected exit-budget = N/s with it");
}

/* What can be said about a VM only when its section is complete. */
static void end_section(struct parser *p)
{
    struct vm_config *vm = p->vm;

    p->net = NULL;
    if (vm == NULL)
        return;
    if (vm->kernel_line == 0)
        fail_at(p, vm->line, "[vm %s] has no kernel, expected kernel = FILE", vm->name);
    if (vm->memory_line == 0)
        fail_at(p, vm->line, "[vm %s] has no memory, expected memory = SIZE", vm->name);
    if (vm->valid && vm->cpus_line != 0 && vm->sched == SCHED_DEDICATED && cpu_count(&vm->cpus) < vm->vcpus)
        fail_at(p, vm->cpus_line, "cpus names %u for %u vCPUs, expected one CPU each with sched = dedicated",
                cpu_count(&vm->cpus), vm->vcpus);
    check_flat(p, vm);
    check_devices(p, vm);
    check_serial(p, vm);
    check_budget(p, vm);
    p->vm = NULL;
}

struct vm_config *config_find_vm(struct config *config, struct span name)
{
    for (unsigned i = 0; i < config->vm_count; i++) {
        if (span_equals(name, config->vms[i].name))
            return &config->vms[i];
    }
    return NULL;
}

static void begin_vm(struct parser *p, struct span name)
{
    struct config *config = p->config;
    struct vm_config *vm = config_find_vm(config, name);

    if (!config_valid_name(name)) {
        fail(p, "'%s' is no VM name, expected 1 to 31 letters, digits, '.', '-' or '_'", excerpt(name).text);
        return;
    }
    if (vm != NULL) {
        /* Which of the two was meant cannot be known: neither is started. */
        vm->valid = false;
        fail(p, "[vm %s] is already defined in line %u, expected another name", vm->name, vm->line);
        return;
    }
    if (config->vm_count >= CONFIG_MAX_VMS) {
        fail(p, "[vm %s] is one too many, expected at most %u VMs", excerpt(name).text, CONFIG_MAX_VMS);
        return;
    }
    p->section = SECTION_NAMED;
    p->vm = vm = &config->vms[config->vm_count++];
    *vm = (struct vm_config){
        .line = p->line,
        .valid = true,
        .vcpus = 1,
        .mode = 32,
        .weight = 100,
        .hlt_exits = true,
        .slice_us = 1000,
        .x2apic = true,
        .pv = PV_KVM,
        .trace = true,
        .pci = true,
    };
    span_copy(name, vm->name, sizeof(vm->name) - 1);
}

struct net_config *config_find_net(struct config *config, struct span name)
{
    for (unsigned i = 0; i < config->net_count; i++) {
        if (span_equals(name, config->nets[i].name))
            return &config->nets[i];
    }
    return NULL;
}

static void begin_net(struct parser *p, struct span name)
{
    struct config *config = p->config;
    struct net_config *net = config_find_net(config, name);

    if (!config_valid_name(name)) {
        fail(p, "'%s' is no name of a network, expected 1 to 31 letters, digits, '.', '-' or '_'",
             excerpt(name).text);
        return;
    }
    if (net != NULL) {
        net->valid = false;
        fail(p, "[net %s] is already defined in line %u, expected another name", net->name, net->line);
        return;
    }
    if (config->net_count >= CONFIG_MAX_NETS) {
        fail(p, "[net %s] is one too many, expected at most %u networks", excerpt(name).text,
             CONFIG_MAX_NETS);
        return;
    }
    p->section = SECTION_NAMED;
    p->net = net = &config->nets[config->net_count++];
    *net = (struct net_config){.line = p->line, .valid = true};
    span_copy(name, net->name, sizeof(net->name) - 1);
}

static void begin_host(struct parser *p)
{
    if (p->host_line != 0) {
        fail(p, "[host] is given again, expected it once (line %u)", p->host_line);
        return;
    }
    p->host_line = p->line;
    p->section = SECTION_HOST;
}

static void parse_section(struct parser *p, struct span line)
{
    struct span inside = {line.at + 1, line.end}, kind;

    end_section(p);
    memset(p->given, 0, sizeof(p->given));
    p->section = SECTION_SKIPPED;
    if (line.at >= line.end || line.end[-1] != ']') {
        fail(p, "'%s' has no ], expected [host], [vm NAME] or [net NAME]", excerpt(line).text);
        return;
    }
    inside.end--;
    kind = span_cut(&inside, ' ');
    if (span_equals(kind, "host") && span_empty(inside))
        begin_host(p);
    else if (span_equals(kind, "vm"))
        begin_vm(p, inside);
    else if (span_equals(kind, "net"))
        begin_net(p, inside);
    else
        fail(p, "unknown section %s, expected [host], [vm NAME] or [net NAME]", excerpt(line).text);
}

static void parse_line(struct parser *p, struct span line)
{
    line = without_comment(line);
    if (line.at >= line.end)
        return;
    if (*line.at == '[')
        parse_section(p, line);
    else if (p->section != SECTION_SKIPPED)
        parse_setting(p, line);
}

/* The kernel to release to stands in [host], or there is no use for the rest of it. */
static void check_release(struct parser *p)
{
    struct host_config *host = &p->config->host;
    const struct vm_config *r = &host->release;
    unsigned line = r->initrd_line != 0 ? r->initrd_line : r->module_lines[0];

    if (r->kernel_line != 0)
        return;
    if (host->when_done == DONE_RELEASE)
        fail_at(p, host->when_done_line,
                "when-done = release without a kernel, expected release = FILE with it");
    else if (line != 0 || r->cmdline[0] != '\0')
        fail_at(p, line != 0 ? line : p->host_line,
                "something is given for a kernel that is not, expected release = FILE with it");
}

static void check_focus(struct parser *p)
{
    const struct host_config *host = &p->config->host;
    struct span name = span_of(host->focus);

    if (!span_empty(name) && config_find_vm(p->config, name) == NULL)
        fail_at(p, host->focus_line, "focus = '%s' names no VM, expected the name of a [vm NAME]",
                excerpt(name).text);
}

static unsigned ends_of(const struct config *config, const char *channel)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->vm_count; i++) {
        for (unsigned n = 0; n < config->vms[i].channel_count; n++)
            count += strcmp(config->vms[i].channels[n], channel) == 0;
    }
    return count;
}

/* Each channel has two ends, or the VMs that name it are not started. */
static void check_channels(struct parser *p)
{
    unsigned all = 0;

    for (unsigned i = 0; i < p->config->vm_count; i++) {
        p->vm = &p->config->vms[i];
        if (p->vm->channel_count && p->vm->pv == PV_NONE)
            fail_at(
                p, p->vm->channels_line,
                "channels are used by hypercalls, which pv = none takes away, expected pv = skerry or kvm");
        for (unsigned n = 0; n < p->vm->channel_count; n++) {
            unsigned count = ends_of(p->config, p->vm->channels[n]);

            if (count != 2)
                fail_at(p, p->vm->channels_line, "channel '%s' is named by %u VM(s), expected two",
                        p->vm->channels[n], count);
            if (++all > 2 * CONFIG_MAX_CHANNELS)
                fail_at(p, p->vm->channels_line,
                        "channel '%s' is one too many, expected at most %u in all VMs", p->vm->channels[n],
                        CONFIG_MAX_CHANNELS);
        }
    }
    p->vm = NULL;
}

static unsigned ends_of_line(const struct config *config, const char *line)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->vm_count; i++)
        count += strcmp(config->vms[i].serial, line) == 0;
    return count;
}

/* So has each serial line between VMs. */
static void check_lines(struct parser *p)
{
    for (unsigned i = 0; i < p->config->vm_count; i++) {
        struct vm_config *vm = &p->config->vms[i];
        unsigned count = ends_of_line(p->config, vm->serial);

        if (vm->serial[0] == '\0' || config_is_monitored(vm) || count == 2)
            continue;
        p->vm = vm;
        fail_at(p, vm->serial_line, "serial line '%s' is named by %u VM(s), expected two", vm->serial, count);
    }
    p->vm = NULL;
}

static void fail_net(void *context, struct vm_config *vm, unsigned line, const char *text)
{
    struct parser *p = context;

    p->vm = vm;
    fail_at(p, line, "%s", text);
    p->vm = NULL;
}

/* What a VM does not say itself, [host] says for it, wherever that stands. */
static void inherit(struct config *config)
{
    struct host_config *host = &config->host;

    if (host->smt == SMT_UNSAID)
        host->smt = SMT_OWN;
    if (host->mitigations == MITIGATIONS_UNSAID)
        host->mitigations = MITIGATIONS_AUTO;
    for (unsigned i = 0; i < config->vm_count; i++) {
        struct vm_config *vm = &config->vms[i];

        vm->smt = vm->smt == SMT_UNSAID ? host->smt : vm->smt;
        vm->mitigations = vm->mitigations == MITIGATIONS_UNSAID ? host->mitigations : vm->mitigations;
    }
}

void config_parse(const char *text, size_t size, struct config *out, config_report *report, void *context)
{
    static const char utf8_mark[] = "\xef\xbb\xbf";
    struct parser p = {.config = out, .report = report, .context = context};
    struct span rest = {text, text + size};

    memset(out, 0, sizeof(*out));
    out->host.release.valid = true;
    if (size >= 3 && memcmp(text, utf8_mark, 3) == 0)
        rest.at += 3;
    while (!span_empty(rest)) {
        struct span line = {rest.at, span_find(rest, '\n')};

        p.line++;
        parse_line(&p, line);
        rest.at = line.end < rest.end ? line.end + 1 : line.end;
    }
    end_section(&p);
    inherit(out);
    check_focus(&p);
    check_release(&p);
    check_channels(&p);
    check_lines(&p);
    p.section = SECTION_SKIPPED; /* a network's fault is none of [host] */
    config_check_shared(out, fail_net, &p);
    config_check_nets(out, fail_net, &p);
}
