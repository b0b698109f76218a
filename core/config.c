/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser of skerry.cfg: one pass over the lines, one table of keys per kind of section. */
#include "core/config.h"

#include "arch/x86/string.h"
#include "core/format.h"

#define MAX_REPORTS   20
#define MAX_KEYS      40
#define MIN_TSC_KHZ   1000
#define MAX_TSC_KHZ   20000000
#define MIN_SLICE_US  100
#define MAX_SLICE_US  1000000
#define MAX_WEIGHT    10000
#define MAX_BUDGET    1000000000
#define MAX_AFTER_MS  3600000
#define EXCERPT_MAX   40
#define MAX_VCPUS     64
#define ADDRESS_LIMIT (4 * GIB)

struct span {
    const char *at;
    size_t size;
};

enum section { SECTION_NONE, SECTION_HOST, SECTION_VM, SECTION_SKIPPED };

struct parser {
    struct config *config;
    config_report *report;
    void *context;
    unsigned line;
    enum section section;
    unsigned host_line;       /* of [host]; 0: not seen */
    struct vm_config *vm;     /* SECTION_VM only */
    unsigned given[MAX_KEYS]; /* line on which a key of this section was given, by its place in the table */
};

struct key;
typedef bool set_value(const struct key *key, struct span value, void *field);

struct limits {
    unsigned least, most;
};

struct key {
    const char *name;
    set_value *set;
    const char *kind, *expected; /* "memory = 'x' is no KIND, expected EXPECTED" */
    size_t field, size;          /* in the section's struct; for text the size of its array */
    size_t line;                 /* offset of the unsigned that keeps the line number; 0: none */
    const void *values;          /* choices or limits, if it has them */
};

struct key_table {
    const struct key *keys;
    unsigned count;
};

/* --- reports --- */

struct excerpt {
    char text[EXCERPT_MAX + 4];
};

/* At most EXCERPT_MAX characters of s, all printable, "..." where something was left out. */
static struct excerpt excerpt(struct span s)
{
    struct excerpt e = {""};
    size_t used = 0, i = 0;

    for (; i < s.size; i++) {
        unsigned char c = (unsigned char)s.at[i];
        bool plain = c >= 0x20 && c < 0x7f;

        if (used + (plain ? 1 : 4) > EXCERPT_MAX - 3)
            break;
        used += (size_t)format(e.text + used, sizeof(e.text) - used, plain ? "%c" : "\\x%02x", c);
    }
    format(e.text + used, sizeof(e.text) - used, i < s.size ? "..." : "");
    return e;
}

static void PRINTF_LIKE(3, 4) fail_at(struct parser *p, unsigned line, const char *fmt, ...)
{
    char text[768];
    va_list args;

    if (p->vm != NULL)
        p->vm->valid = false;
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

/* --- spans --- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.size > 0 && blank(s.at[0])) {
        s.at++;
        s.size--;
    }
    while (s.size > 0 && (blank(s.at[s.size - 1]) || s.at[s.size - 1] == '\r'))
        s.size--;
    return s;
}

static bool equals(struct span s, const char *word)
{
    return s.size == strlen(word) && memcmp(s.at, word, s.size) == 0;
}

/* Splits s at the first c: returns what is before it, trimmed, and leaves the rest, trimmed, in *s. */
static struct span cut(struct span *s, char c)
{
    const char *found = memchr(s->at, c, s->size);
    struct span head = {s->at, found != NULL ? (size_t)(found - s->at) : s->size};
    size_t used = found != NULL ? head.size + 1 : head.size;

    *s = trim((struct span){s->at + used, s->size - used});
    return trim(head);
}

static struct span without_comment(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        if (s.at[i] == '#' && (i == 0 || blank(s.at[i - 1])))
            s.size = i;
    }
    return trim(s);
}

/* --- values --- */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Takes decimal or 0x digits off the front of s. False without a digit, or above 64 bits. */
static bool take_number(struct span *s, uint64_t *number)
{
    unsigned base = s->size > 2 && s->at[0] == '0' && (s->at[1] | 0x20) == 'x' ? 16 : 10;
    size_t i = base == 16 ? 2 : 0, first = i;

    for (*number = 0; i < s->size && (unsigned)digit(s->at[i]) < base; i++) {
        unsigned d = (unsigned)digit(s->at[i]);

        if (*number > (UINT64_MAX - d) / base)
            return false;
        *number = *number * base + d;
    }
    s->at += i;
    s->size -= i;
    return i > first;
}

/* A number with one of the suffixes K, M, G or none, and nothing else. */
static bool parse_size(struct span s, uint64_t *size)
{
    static const char suffixes[] = "KMG";
    const char *suffix;
    unsigned shift;

    if (!take_number(&s, size) || s.size > 1)
        return false;
    if (s.size == 0)
        return true;
    suffix = memchr(suffixes, s.at[0] & ~0x20, 3);
    if (suffix == NULL)
        return false;
    shift = 10 * (unsigned)(suffix - suffixes + 1);
    if (*size > UINT64_MAX >> shift)
        return false;
    *size <<= shift;
    return true;
}

static bool set_memory(const struct key *key, struct span value, void *field)
{
    uint64_t size;

    (void)key;
    if (!parse_size(value, &size) || size < PAGE_2M || size % PAGE_2M != 0)
        return false;
    *(uint64_t *)field = size;
    return true;
}

static bool set_address(const struct key *key, struct span value, void *field)
{
    uint64_t address;

    (void)key;
    if (!parse_size(value, &address) || address >= ADDRESS_LIMIT)
        return false;
    *(uint64_t *)field = address;
    return true;
}

static bool set_number(const struct key *key, struct span value, void *field)
{
    const struct limits *limits = key->values;
    uint64_t number;

    if (!take_number(&value, &number) || value.size != 0 || number < limits->least || number > limits->most)
        return false;
    *(unsigned *)field = (unsigned)number;
    return true;
}

/* "500us" or "2ms", into microseconds. */
static bool set_slice(const struct key *key, struct span value, void *field)
{
    uint64_t number;
    unsigned factor;

    (void)key;
    if (!take_number(&value, &number) || number > MAX_SLICE_US)
        return false;
    factor = equals(value, "ms") ? 1000 : equals(value, "us") ? 1 : 0;
    if (number * factor < MIN_SLICE_US || number * factor > MAX_SLICE_US)
        return false;
    *(unsigned *)field = (unsigned)(number * factor);
    return true;
}

/* "20/s", or "20/s after 5s" or "500ms". */
static bool set_budget(const struct key *key UNUSED, struct span value, void *field)
{
    struct span rate = cut(&value, ' '), word = cut(&value, ' ');
    uint64_t exits, after = 0;

    if (!take_number(&rate, &exits) || exits > MAX_BUDGET || !equals(rate, "/s"))
        return false;
    if (word.size != 0 && (!equals(word, "after") || !take_number(&value, &after) || after > MAX_AFTER_MS))
        return false;
    after *= equals(value, "s") ? 1000 : 1;
    if (after > MAX_AFTER_MS || (word.size != 0 && !equals(value, "s") && !equals(value, "ms")))
        return false;
    *(struct exit_budget *)field = (struct exit_budget){(unsigned)exits, (unsigned)after};
    return true;
}

static bool set_text(const struct key *key, struct span value, void *field)
{
    char *text = field;

    if (value.size >= key->size)
        return false;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.at[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    memcpy(text, value.at, value.size);
    text[value.size] = '\0';
    return true;
}

static bool set_word(const struct key *key, struct span value, void *field)
{
    for (size_t i = 0; i < value.size; i++) {
        if (blank(value.at[i]))
            return false;
    }
    return value.size > 0 && set_text(key, value, field);
}

static bool set_choice(const struct key *key, struct span value, void *field)
{
    for (const struct choice *c = key->values; c->name != NULL; c++) {
        if (equals(value, c->name)) {
            store_le(field, c->value, (unsigned)key->size);
            return true;
        }
    }
    return false;
}

/* Words with commas between them, into the bits of each. */
static bool set_flags(const struct key *key, struct span value, void *field)
{
    unsigned *flags = field, one;

    while (value.size > 0) {
        if (!set_choice(&(struct key){.values = key->values, .size = sizeof(one)}, cut(&value, ','), &one))
            return false;
        *flags |= one;
    }
    return true;
}

static bool set_module(const struct key *key, struct span value, void *field)
{
    struct vm_config *vm = field;

    if (vm->module_count == IMAGE_MAX_MODULES || value.size == 0)
        return false;
    return set_text(key, value, vm->modules[vm->module_count++]);
}

static bool cpu_number(struct span s, uint64_t *cpu)
{
    return take_number(&s, cpu) && s.size == 0 && *cpu < CONFIG_MAX_CPUS;
}

/* "3" or "1-2"; no CPU twice. */
static bool add_cpus(struct cpu_set *set, struct span item)
{
    bool single = memchr(item.at, '-', item.size) == NULL;
    uint64_t first, last;

    if (!cpu_number(cut(&item, '-'), &first))
        return false;
    last = first;
    if (!single && (!cpu_number(item, &last) || last < first))
        return false;
    for (; first <= last; first++) {
        if (cpu_set_has(set, (unsigned)first))
            return false;
        set->bits[first / 64] |= BIT(first % 64);
    }
    return true;
}

static bool set_cpus(const struct key *key, struct span value, void *field)
{
    struct cpu_set set = {{0}};
    bool more;

    (void)key;
    do {
        more = memchr(value.at, ',', value.size) != NULL;
        if (!add_cpus(&set, cut(&value, ',')))
            return false;
    } while (more);
    *(struct cpu_set *)field = set;
    return true;
}

static bool valid_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.size > 0 && name.size < CONFIG_NAME_SIZE;
}

static bool add_channel(struct vm_config *vm, struct span name)
{
    if (!valid_name(name) || vm->channel_count == VM_MAX_CHANNELS)
        return false;
    for (unsigned i = 0; i < vm->channel_count; i++) {
        if (equals(name, vm->channels[i]))
            return false;
    }
    memcpy(vm->channels[vm->channel_count++], name.at, name.size);
    return true;
}

/* All of them, or none. */
static bool set_channels(const struct key *key, struct span value, void *field)
{
    struct vm_config *vm = field;

    (void)key;
    while (value.size > 0) {
        if (add_channel(vm, cut(&value, ',')))
            continue;
        vm->channel_count = 0;
        return false;
    }
    return true;
}

/* --- the keys --- */

static const struct choice ends[] = {
    {"power-off", DONE_POWER_OFF}, {"reboot", DONE_REBOOT}, {"release", DONE_RELEASE}, {NULL, 0}};
static const struct choice log_levels[] = {{"info", false}, {"debug", true}, {NULL, 0}};
static const struct choice switches[] = {{"off", false}, {"on", true}, {NULL, 0}};
static const struct choice interfaces[] = {
    {"none", PV_NONE}, {"skerry", PV_SKERRY}, {"kvm", PV_KVM}, {NULL, 0}};
/* KVM's own numbers of its features: fixed by its ABI, a clock is two of them. */
const struct choice config_kvm_features[] = {{"clock", 1 << 0 | 1 << 3}, {"io-delay", 1 << 1},
                                             {"steal-time", 1 << 5},     {"eoi", 1 << 6},
                                             {"unhalt", 1 << 7},         {"tlb-flush", 1 << 9},
                                             {"send-ipi", 1 << 11},      {"sched-yield", 1 << 13},
                                             {"msi-dest", 1 << 15},      {NULL, 0}};
static const struct choice reactions[] = {{"report", false}, {"stop", true}, {NULL, 0}};
static const struct choice modes[] = {{"16", 16}, {"32", 32}, {NULL, 0}};
static const struct choice classes[] = {{"dedicated", SCHED_DEDICATED}, {"shared", SCHED_SHARED}, {NULL, 0}};
static const struct choice endings[] = {
    {"stop", ENDING_STOP}, {"restart", ENDING_RESTART}, {"poweroff", ENDING_POWEROFF}, {NULL, 0}};
static const struct choice formats[] = {{"auto", IMAGE_AUTO},           {"linux", IMAGE_LINUX},
                                        {"multiboot", IMAGE_MULTIBOOT}, {"multiboot2", IMAGE_MULTIBOOT2},
                                        {"flat", IMAGE_FLAT},           {NULL, 0}};

static const struct limits vcpu_limits = {1, MAX_VCPUS}, weight_limits = {1, MAX_WEIGHT},
                           khz_limits = {MIN_TSC_KHZ, MAX_TSC_KHZ}, restart_limits = {1, UINT32_MAX};

#define HOST(f)  offsetof(struct host_config, f), sizeof(((struct host_config *)0)->f)
#define VM(f)    offsetof(struct vm_config, f), sizeof(((struct vm_config *)0)->f)
#define VM_AT(f) offsetof(struct vm_config, f)

static const struct key host_keys[] = {
    {"focus", set_word, "VM name", "the name of a [vm NAME]", HOST(focus),
     offsetof(struct host_config, focus_line), NULL},
    {"log", set_choice, "log level", "info or debug", HOST(debug), 0, log_levels},
    {"when-done", set_choice, "action", "power-off, reboot or release", HOST(when_done),
     offsetof(struct host_config, when_done_line), ends},
    {"release", set_word, "file name", "one word of at most 127 printable characters", HOST(release.kernel),
     offsetof(struct host_config, release.kernel_line), NULL},
    {"release-initrd", set_word, "file name", "one word of at most 127 printable characters",
     HOST(release.initrd), offsetof(struct host_config, release.initrd_line), NULL},
    {"release-module", set_module, "module",
     "at most 8 of a file name and its words, 127 printable characters",
     offsetof(struct host_config, release), CONFIG_FILE_SIZE, 0, NULL},
    {"release-cmdline", set_text, "command line", "at most 1023 printable characters", HOST(release.cmdline),
     0, NULL},
};

enum { KEY_LOAD, KEY_MODE, KEY_MODULE, VM_KEYS = 31 };

/* The first rows are those that other code names, in the order of the enum above. */
static const struct key vm_keys[] = {
    {"load", set_address, "address", "a number below 4G, 0x for hexadecimal, K, M or G allowed", VM(load), 0,
     NULL},
    {"mode", set_choice, "mode", "16 or 32", VM(mode), 0, modes},
    {"module", set_module, "module", "at most 8 of a file name and its words, 127 printable characters", 0,
     CONFIG_FILE_SIZE, 0, NULL},
    {"kernel", set_word, "file name", "one word of at most 127 printable characters", VM(kernel),
     VM_AT(kernel_line), NULL},
    {"initrd", set_word, "file name", "one word of at most 127 printable characters", VM(initrd),
     VM_AT(initrd_line), NULL},
    {"cmdline", set_text, "command line", "at most 1023 printable characters", VM(cmdline), 0, NULL},
    {"format", set_choice, "format", "auto, linux, multiboot, multiboot2 or flat", VM(format), 0, formats},
    {"memory", set_memory, "size", "a number with K, M or G, a multiple of 2M", VM(memory),
     VM_AT(memory_line), NULL},
    {"vcpus", set_number, "number of vCPUs", "1 to 64", VM(vcpus), VM_AT(vcpus_line), &vcpu_limits},
    {"cpus", set_cpus, "set of CPUs", "numbers from 0 to 255 as in 1-2 or 0,2-3, none twice", VM(cpus),
     VM_AT(cpus_line), NULL},
    {"sched", set_choice, "scheduling class", "dedicated or shared", VM(sched), 0, classes},
    {"weight", set_number, "weight", "1 to 10000", VM(weight), 0, &weight_limits},
    {"slice", set_slice, "slice", "100us to 1000ms", VM(slice_us), 0, NULL},
    {"on-exit", set_choice, "action", "stop, restart or poweroff", VM(on_exit), 0, endings},
    {"on-crash", set_choice, "action", "stop, restart or poweroff", VM(on_crash), 0, endings},
    {"max-restarts", set_number, "number", "1 to 4294967295", VM(max_restarts), 0, &restart_limits},
    {"hlt-exits", set_choice, "switch", "on or off", VM(hlt_exits), 0, switches},
    {"cr3-exits", set_choice, "switch", "on or off", VM(cr3_exits), 0, switches},
    {"channels", set_channels, "list of channels",
     "up to 8 names as VMs have them, commas between, none twice", 0, 0, VM_AT(channels_line), NULL},
    {"pv", set_choice, "interface", "none, skerry or kvm", VM(pv), 0, interfaces},
    {"pv-off", set_flags, "list of features",
     "clock, io-delay, steal-time, eoi, unhalt, tlb-flush, send-ipi, sched-yield or msi-dest, commas between",
     VM(pv_off), 0, config_kvm_features},
    {"tsc-khz", set_number, "TSC rate", "1000 to 20000000 kHz", VM(tsc_khz), VM_AT(tsc_khz_line),
     &khz_limits},
    {"x2apic", set_choice, "switch", "on or off", VM(x2apic), 0, switches},
    {"hv-timer", set_choice, "switch", "on or off", VM(hv_timer), 0, switches},
    {"tpr-shadow", set_choice, "switch", "on or off", VM(tpr_shadow), 0, switches},
    {"apicv", set_choice, "switch", "on or off", VM(apicv), 0, switches},
    {"posted", set_choice, "switch", "on or off", VM(posted), 0, switches},
    {"ipiv", set_choice, "switch", "on or off", VM(ipiv), 0, switches},
    {"trace", set_choice, "switch", "on or off", VM(trace), 0, switches},
    {"exit-budget", set_budget, "budget", "as in 0/s or 20/s after 5s, at most 1000000000 and 3600s",
     VM(exit_budget), VM_AT(exit_budget_line), NULL},
    {"on-budget", set_choice, "action", "report or stop", VM(stop_on_budget), VM_AT(on_budget_line),
     reactions},
};

_Static_assert(ARRAY_SIZE(vm_keys) == VM_KEYS && VM_KEYS <= MAX_KEYS, "parser.given has a place per key");

static const struct key_table host_table = {host_keys, ARRAY_SIZE(host_keys)};
static const struct key_table vm_table = {vm_keys, ARRAY_SIZE(vm_keys)};

static void title(const struct parser *p, char *text, size_t size)
{
    if (p->section == SECTION_VM)
        format(text, size, "[vm %s]", p->vm->name);
    else
        format(text, size, "[host]");
}

static void unknown_key(struct parser *p, const struct key_table *table, struct span name)
{
    char section[CONFIG_NAME_SIZE + 8], names[512];
    size_t used = 0;

    for (unsigned i = 0; i < table->count; i++)
        used += (size_t)format(names + used, sizeof(names) - used, " %s", table->keys[i].name);
    title(p, section, sizeof(section));
    fail(p, "unknown key '%s' in %s, expected one of%s", excerpt(name).text, section, names);
}

static void set_key(struct parser *p, const struct key *key, unsigned *given, struct span value, char *base)
{
    bool again = key->set == set_module;
    void *field = base + key->field;
    struct vm_config *vm = again ? field : NULL;

    if (*given != 0 && !again) {
        fail(p, "%s is given again, expected it once (line %u)", key->name, *given);
        return;
    }
    *given = p->line;
    if (value.size == 0 && key->set != set_text) {
        fail(p, "%s has no value, expected %s", key->name, key->expected);
        return;
    }
    if (again && vm->module_count < IMAGE_MAX_MODULES)
        vm->module_lines[vm->module_count] = p->line;
    if (key->line != 0)
        store_le(base + key->line, p->line, sizeof(unsigned));
    if (!key->set(key, value, field))
        fail(p, "%s = '%s' is no %s, expected %s", key->name, excerpt(value).text, key->kind, key->expected);
}

static void parse_setting(struct parser *p, struct span line)
{
    bool vm = p->section == SECTION_VM;
    const struct key_table *table = vm ? &vm_table : &host_table;
    char *base = vm ? (char *)p->vm : (char *)&p->config->host;
    struct span name, value = line;

    if (memchr(line.at, '=', line.size) == NULL) {
        fail(p, "'%s' is neither a section nor a setting, expected [SECTION] or KEY = VALUE",
             excerpt(line).text);
        return;
    }
    name = cut(&value, '=');
    if (p->section == SECTION_NONE) {
        fail(p, "key '%s' before any section, expected [host] or [vm NAME] first", excerpt(name).text);
        return;
    }
    for (unsigned i = 0; i < table->count; i++) {
        if (equals(name, table->keys[i].name)) {
            set_key(p, &table->keys[i], &p->given[i], value, base);
            return;
        }
    }
    unknown_key(p, table, name);
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
    if (vm->format == IMAGE_AUTO || vm->format == IMAGE_FLAT)
        return;
    for (unsigned i = KEY_LOAD; i <= KEY_MODE; i++) {
        if (p->given[i] != 0)
            fail_at(p, p->given[i],
                    "%s is given for a kernel that says it itself, expected format = flat with it",
                    vm_keys[i].name);
    }
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
    check_budget(p, vm);
    p->vm = NULL;
}

static struct vm_config *find_vm(struct config *config, struct span name)
{
    for (unsigned i = 0; i < config->vm_count; i++) {
        if (equals(name, config->vms[i].name))
            return &config->vms[i];
    }
    return NULL;
}

static void begin_vm(struct parser *p, struct span name)
{
    struct config *config = p->config;
    struct vm_config *vm = find_vm(config, name);

    if (!valid_name(name)) {
        fail(p, "'%s' is no VM name, expected 1 to 31 letters, digits, '.', '-' or '_'", excerpt(name).text);
        return;
    }
    if (vm != NULL) {
        /* Which of the two was meant cannot be known: neither is started. */
        vm->valid = false;
        fail(p, "[vm %s] is already defined in line %u, expected another name", vm->name, vm->line);
        return;
    }
    if (config->vm_count == CONFIG_MAX_VMS) {
        fail(p, "[vm %s] is one too many, expected at most %u VMs", excerpt(name).text, CONFIG_MAX_VMS);
        return;
    }
    p->section = SECTION_VM;
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
        .hv_timer = true,
        .tpr_shadow = true,
        .apicv = true,
        .posted = true,
        .ipiv = true,
        .pv = PV_KVM,
        .trace = true,
    };
    memcpy(vm->name, name.at, name.size);
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
    struct span inside = {line.at + 1, line.size - 1}, kind;

    end_section(p);
    memset(p->given, 0, sizeof(p->given));
    p->section = SECTION_SKIPPED;
    if (line.at[line.size - 1] != ']') {
        fail(p, "'%s' has no ], expected [host] or [vm NAME]", excerpt(line).text);
        return;
    }
    inside.size--;
    kind = cut(&inside, ' ');
    if (equals(kind, "host") && inside.size == 0)
        begin_host(p);
    else if (equals(kind, "vm"))
        begin_vm(p, inside);
    else
        fail(p, "unknown section %s, expected [host] or [vm NAME]", excerpt(line).text);
}

static void parse_line(struct parser *p, struct span line)
{
    line = without_comment(line);
    if (line.size == 0)
        return;
    if (line.at[0] == '[')
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
    struct span name = {host->focus, strlen(host->focus)};

    if (name.size > 0 && find_vm(p->config, name) == NULL)
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

void config_parse(const char *text, size_t size, struct config *out, config_report *report, void *context)
{
    static const char utf8_mark[] = "\xef\xbb\xbf";
    struct parser p = {.config = out, .report = report, .context = context};
    struct span rest = {text, size};

    memset(out, 0, sizeof(*out));
    out->host.release.valid = true;
    if (size >= 3 && memcmp(text, utf8_mark, 3) == 0)
        rest = (struct span){text + 3, size - 3};
    while (rest.size > 0) {
        const char *end = memchr(rest.at, '\n', rest.size);
        struct span line = {rest.at, end != NULL ? (size_t)(end - rest.at) : rest.size};
        size_t used = line.size + (end != NULL);

        p.line++;
        parse_line(&p, line);
        rest = (struct span){rest.at + used, rest.size - used};
    }
    end_section(&p);
    check_focus(&p);
    check_release(&p);
    check_channels(&p);
}
