/* SPDX-License-Identifier: BSD-2-Clause */
/* What each key takes, and where that goes. */
#include "core/config/config_keys.h"

#include "arch/x86/string.h"
#include "core/base/panic.h"

#define MIN_TSC_KHZ   1000
#define MAX_TSC_KHZ   20000000
#define MIN_SLICE_US  100
#define MAX_SLICE_US  1000000
#define MAX_WEIGHT    10000
#define MAX_BUDGET    1000000000
#define MAX_AFTER_MS  3600000
#define ADDRESS_LIMIT (4 * GIB)
#define MAX_COW       (64 * GIB)

/* What is refused names these in words: `expected` of the keys, and core/config/config.c. */
_Static_assert(CONFIG_MAX_VCPUS == 64 && CONFIG_MAX_CPUS == 256 && MAX_WEIGHT == 10000,
               "as vcpus, cpus, weight");
_Static_assert(CONFIG_FILE_SIZE == 127 + 1 && CONFIG_LINE_SIZE == 2047 + 1, "as kernel and cmdline");
_Static_assert(CONFIG_NAME_SIZE == 31 + 1 && IMAGE_MAX_MODULES == 8 && VM_MAX_CHANNELS == 8,
               "as a VM's name, module and channels");
_Static_assert(MIN_TSC_KHZ == 1000 && MAX_TSC_KHZ == 20000000 && MIN_SLICE_US == 100 &&
                   MAX_SLICE_US == 1000 * 1000,
               "as tsc-khz and slice");
_Static_assert(VM_MAX_DISKS == 2 && MAX_COW == 64 * GIB, "as disk");
_Static_assert(MAX_BUDGET == 1000000000 && MAX_AFTER_MS == 3600 * 1000, "as exit-budget");

static bool set_memory(const struct key *key, struct span value, void *field)
{
    uint64_t size;

    (void)key;
    if (!span_size(value, &size) || size < PAGE_2M || size % PAGE_2M != 0)
        return false;
    *(uint64_t *)field = size;
    return true;
}

static bool set_address(const struct key *key, struct span value, void *field)
{
    uint64_t address;

    (void)key;
    if (!span_size(value, &address) || address >= ADDRESS_LIMIT)
        return false;
    *(uint64_t *)field = address;
    return true;
}

static bool set_number(const struct key *key, struct span value, void *field)
{
    const struct limits *limits = key->values;
    uint64_t number;

    if (!span_take_number(&value, &number) || !span_empty(value) || number < limits->least ||
        number > limits->most)
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
    if (!span_take_number(&value, &number) || number > MAX_SLICE_US)
        return false;
    factor = span_equals(value, "ms") ? 1000 : span_equals(value, "us") ? 1 : 0;
    if (number * factor < MIN_SLICE_US || number * factor > MAX_SLICE_US)
        return false;
    *(unsigned *)field = (unsigned)(number * factor);
    return true;
}

/* "20/s", or "20/s after 5s" or "500ms". */
static bool set_budget(const struct key *key UNUSED, struct span value, void *field)
{
    struct span rate = span_cut(&value, ' '), word = span_cut(&value, ' ');
    uint64_t exits, after = 0;

    if (!span_take_number(&rate, &exits) || exits > MAX_BUDGET || !span_equals(rate, "/s"))
        return false;
    if (!span_empty(word) &&
        (!span_equals(word, "after") || !span_take_number(&value, &after) || after > MAX_AFTER_MS))
        return false;
    after *= span_equals(value, "s") ? 1000 : 1;
    if (after > MAX_AFTER_MS || (!span_empty(word) && !span_equals(value, "s") && !span_equals(value, "ms")))
        return false;
    *(struct exit_budget *)field = (struct exit_budget){(unsigned)exits, (unsigned)after};
    return true;
}

static bool set_text(const struct key *key, struct span value, void *field)
{
    char *text = field;

    ASSERT(key->size > 0);
    if (span_length(value) >= key->size)
        return false;
    for (const char *at = value.at; at < value.end; at++) {
        unsigned char c = (unsigned char)*at;

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    memset(text, 0, key->size);
    span_copy(value, text, key->size - 1);
    return true;
}

bool config_set_word(const struct key *key, struct span value, void *field)
{
    for (const char *at = value.at; at < value.end; at++) {
        if (span_blank(*at))
            return false;
    }
    return !span_empty(value) && set_text(key, value, field);
}

bool config_set_choice(const struct key *key, struct span value, void *field)
{
    ASSERT(key->size <= sizeof(uint64_t));
    for (const struct choice *c = key->values; c->name != NULL; c++) {
        if (span_equals(value, c->name)) {
            store_le(field, c->value, (unsigned)key->size);
            return true;
        }
    }
    return false;
}

/* Words with commas between them, into the bits of each. */
bool config_set_flags(const struct key *key, struct span value, void *field)
{
    unsigned *flags = field, one = 0;

    while (!span_empty(value)) {
        if (!config_set_choice(&(struct key){.values = key->values, .size = sizeof(one)},
                               span_cut(&value, ','), &one))
            return false;
        *flags |= one;
    }
    return true;
}

static bool set_module(const struct key *key, struct span value, void *field)
{
    struct vm_config *vm = field;

    if (vm->module_count == IMAGE_MAX_MODULES || span_empty(value))
        return false;
    return set_text(key, value, vm->modules[vm->module_count++]);
}

/* "FILE ro", or "FILE cow 64M": what may be changed of it. */
static bool set_disk(const struct key *key UNUSED, struct span value, void *field)
{
    struct vm_config *vm = field;
    struct disk_config *disk = &vm->disks[vm->disk_count];
    struct span file = span_cut(&value, ' '), how = span_cut(&value, ' ');
    uint64_t budget = 0;

    if (vm->disk_count == VM_MAX_DISKS || span_empty(file) || span_length(file) >= sizeof(disk->file))
        return false;
    if (span_equals(how, "cow") ? !set_memory(key, value, &budget) || budget > MAX_COW
                                : !span_equals(how, "ro") || !span_empty(value))
        return false;
    span_copy(file, disk->file, sizeof(disk->file) - 1);
    disk->budget = budget;
    disk->line = vm->disk_line;
    vm->disk_count++;
    return true;
}

/* -1: s is no number of a CPU. */
static int cpu_number(struct span s)
{
    uint64_t cpu;

    return span_take_number(&s, &cpu) && span_empty(s) && cpu < CONFIG_MAX_CPUS ? (int)cpu : -1;
}

/* "3" or "1-2"; no CPU twice. */
static bool add_cpus(struct cpu_set *set, struct span item)
{
    bool single = span_find(item, '-') == item.end;
    int first = cpu_number(span_cut(&item, '-'));
    int last = single ? first : cpu_number(item);

    if (first < 0 || last < first)
        return false;
    for (unsigned cpu = (unsigned)first; cpu <= (unsigned)last; cpu++) {
        if (cpu_set_has(set, cpu))
            return false;
        set->bits[cpu / 64] |= BIT(cpu % 64);
    }
    return true;
}

bool config_set_cpus(const struct key *key, struct span value, void *field)
{
    struct cpu_set set = {{0}};
    bool more;

    (void)key;
    do {
        more = span_find(value, ',') < value.end;
        if (!add_cpus(&set, span_cut(&value, ',')))
            return false;
    } while (more);
    *(struct cpu_set *)field = set;
    return true;
}

bool config_valid_name(struct span name)
{
    for (const char *at = name.at; at < name.end; at++) {
        char c = *at;
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        if (!letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return !span_empty(name) && span_length(name) < CONFIG_NAME_SIZE;
}

static bool set_name(const struct key *key UNUSED, struct span value, void *field)
{
    if (!config_valid_name(value))
        return false;
    span_copy(value, field, CONFIG_NAME_SIZE - 1);
    return true;
}

static bool add_channel(struct vm_config *vm, struct span name)
{
    if (!config_valid_name(name) || vm->channel_count == VM_MAX_CHANNELS)
        return false;
    for (unsigned i = 0; i < vm->channel_count; i++) {
        if (span_equals(name, vm->channels[i]))
            return false;
    }
    span_copy(name, vm->channels[vm->channel_count++], CONFIG_NAME_SIZE - 1);
    return true;
}

/* All of them, or none. */
static bool set_channels(const struct key *key, struct span value, void *field)
{
    struct vm_config *vm = field;

    (void)key;
    while (!span_empty(value)) {
        if (add_channel(vm, span_cut(&value, ',')))
            continue;
        vm->channel_count = 0;
        return false;
    }
    return true;
}

/* --- the tables --- */

static const struct choice ends[] = {
    {"power-off", DONE_POWER_OFF}, {"reboot", DONE_REBOOT}, {"release", DONE_RELEASE}, {NULL, 0}};
static const struct choice keyboards[] = {{"auto", false}, {"ps2", true}, {NULL, 0}};
static const struct choice log_levels[] = {{"info", false}, {"debug", true}, {NULL, 0}};
static const struct choice switches[] = {{"off", false}, {"on", true}, {NULL, 0}};
static const struct choice interfaces[] = {
    {"none", PV_NONE}, {"skerry", PV_SKERRY}, {"kvm", PV_KVM}, {NULL, 0}};
/* KVM's own numbers of its features: fixed by its ABI, a clock is two of them. */
const struct choice config_kvm_features[] = {{"clock", 1 << 0 | 1 << 3},
                                             {"io-delay", 1 << 1},
                                             {"steal-time", 1 << 5},
                                             {"eoi", 1 << 6},
                                             {"unhalt", 1 << 7},
                                             {"tlb-flush", 1 << 9},
                                             {"send-ipi", 1 << 11},
                                             {"poll-control", 1 << 12},
                                             {"sched-yield", 1 << 13},
                                             {"msi-dest", 1 << 15},
                                             {NULL, 0}};
static const struct choice consoles[] = {{"uart", CONSOLE_UART}, {"virtio", CONSOLE_VIRTIO}, {NULL, 0}};
static const struct choice delays[] = {{"exit", false}, {"pass", true}, {NULL, 0}};
static const struct choice reactions[] = {{"report", false}, {"stop", true}, {NULL, 0}};
static const struct choice smts[] = {{"own", SMT_OWN}, {"shared", SMT_SHARED}, {NULL, 0}};
static const struct choice mitigations[] = {
    {"auto", MITIGATIONS_AUTO}, {"off", MITIGATIONS_OFF}, {"full", MITIGATIONS_FULL}, {NULL, 0}};
static const struct choice faults[] = {{"reset", false}, {"crash", true}, {NULL, 0}};
static const struct choice modes[] = {{"16", 16}, {"32", 32}, {NULL, 0}};
static const struct choice classes[] = {{"dedicated", SCHED_DEDICATED}, {"shared", SCHED_SHARED}, {NULL, 0}};
static const struct choice endings[] = {
    {"stop", ENDING_STOP}, {"restart", ENDING_RESTART}, {"poweroff", ENDING_POWEROFF}, {NULL, 0}};
static const struct choice formats[] = {{"auto", IMAGE_AUTO},
                                        {"linux", IMAGE_LINUX},
                                        {"multiboot", IMAGE_MULTIBOOT},
                                        {"multiboot2", IMAGE_MULTIBOOT2},
                                        {"pvh", IMAGE_PVH},
                                        {"flat", IMAGE_FLAT},
                                        {NULL, 0}};

static const struct limits vcpu_limits = {1, CONFIG_MAX_VCPUS}, weight_limits = {1, MAX_WEIGHT},
                           khz_limits = {MIN_TSC_KHZ, MAX_TSC_KHZ}, restart_limits = {1, UINT32_MAX};

#define HOST(f)  offsetof(struct host_config, f), sizeof(((struct host_config *)0)->f)
#define VM(f)    offsetof(struct vm_config, f), sizeof(((struct vm_config *)0)->f)
#define VM_AT(f) offsetof(struct vm_config, f)

static const struct key host_keys[] = {
    {"focus", config_set_word, "VM name", "the name of a [vm NAME]", HOST(focus),
     offsetof(struct host_config, focus_line), NULL},
    {"keyboard", config_set_choice, "keyboard", "auto or ps2", HOST(ps2_keyboard), 0, keyboards},
    {"log", config_set_choice, "log level", "info or debug", HOST(debug), 0, log_levels},
    {"smt", config_set_choice, "use of cores", "own or shared", HOST(smt), 0, smts},
    {"mitigations", config_set_choice, "level", "auto, off or full", HOST(mitigations), 0, mitigations},
    {"when-done", config_set_choice, "action", "power-off, reboot or release", HOST(when_done),
     offsetof(struct host_config, when_done_line), ends},
    {"release", config_set_word, "file name", "one word of at most 127 printable characters",
     HOST(release.kernel), offsetof(struct host_config, release.kernel_line), NULL},
    {"release-initrd", config_set_word, "file name", "one word of at most 127 printable characters",
     HOST(release.initrd), offsetof(struct host_config, release.initrd_line), NULL},
    {"release-module", set_module, "module",
     "at most 8 of a file name and its words, 127 printable characters",
     offsetof(struct host_config, release), CONFIG_FILE_SIZE, 0, NULL},
    {"release-cmdline", set_text, "command line", "at most 2047 printable characters", HOST(release.cmdline),
     0, NULL},
};

/* The first rows are those that other code names, in the order of its enum. */
static const struct key vm_keys[] = {
    {"load", set_address, "address", "a number below 4G, 0x for hexadecimal, K, M or G allowed", VM(load), 0,
     NULL},
    {"mode", config_set_choice, "mode", "16 or 32", VM(mode), 0, modes},
    {"module", set_module, "module", "at most 8 of a file name and its words, 127 printable characters", 0,
     CONFIG_FILE_SIZE, 0, NULL},
    {"kernel", config_set_word, "file name", "one word of at most 127 printable characters", VM(kernel),
     VM_AT(kernel_line), NULL},
    {"initrd", config_set_word, "file name", "one word of at most 127 printable characters", VM(initrd),
     VM_AT(initrd_line), NULL},
    {"cmdline", set_text, "command line", "at most 2047 printable characters", VM(cmdline), 0, NULL},
    {"format", config_set_choice, "format", "auto, linux, multiboot, multiboot2, pvh or flat", VM(format), 0,
     formats},
    {"memory", set_memory, "size", "a number with K, M or G, a multiple of 2M", VM(memory),
     VM_AT(memory_line), NULL},
    {"vcpus", set_number, "number of vCPUs", "1 to 64", VM(vcpus), VM_AT(vcpus_line), &vcpu_limits},
    {"cpus", config_set_cpus, "set of CPUs", "numbers from 0 to 255 as in 1-2 or 0,2-3, none twice", VM(cpus),
     VM_AT(cpus_line), NULL},
    {"sched", config_set_choice, "scheduling class", "dedicated or shared", VM(sched), 0, classes},
    {"smt", config_set_choice, "use of cores", "own or shared", VM(smt), 0, smts},
    {"mitigations", config_set_choice, "level", "auto, off or full", VM(mitigations), 0, mitigations},
    {"weight", set_number, "weight", "1 to 10000", VM(weight), 0, &weight_limits},
    {"slice", set_slice, "slice", "100us to 1000ms", VM(slice_us), 0, NULL},
    {"on-exit", config_set_choice, "action", "stop, restart or poweroff", VM(on_exit), 0, endings},
    {"on-crash", config_set_choice, "action", "stop, restart or poweroff", VM(on_crash), 0, endings},
    {"on-triple-fault", config_set_choice, "action", "reset or crash", VM(crash_on_triple_fault), 0, faults},
    {"max-restarts", set_number, "number", "1 to 4294967295", VM(max_restarts), 0, &restart_limits},
    {"hlt-exits", config_set_choice, "switch", "on or off", VM(hlt_exits), 0, switches},
    {"cr3-exits", config_set_choice, "switch", "on or off", VM(cr3_exits), 0, switches},
    {"channels", set_channels, "list of channels",
     "up to 8 names as VMs have them, commas between, none twice", 0, 0, VM_AT(channels_line), NULL},
    {"pv", config_set_choice, "interface", "none, skerry or kvm", VM(pv), 0, interfaces},
    {"pv-off", config_set_flags, "list of features",
     "clock, io-delay, steal-time, eoi, unhalt, tlb-flush, send-ipi, poll-control, sched-yield or msi-dest, "
     "commas between",
     VM(pv_off), 0, config_kvm_features},
    {"tsc-khz", set_number, "TSC rate", "1000 to 20000000 kHz", VM(tsc_khz), VM_AT(tsc_khz_line),
     &khz_limits},
    {"io-delay", config_set_choice, "treatment", "exit or pass", VM(pass_io_delay), 0, delays},
    {"x2apic", config_set_choice, "switch", "on or off", VM(x2apic), 0, switches},
    {"pci", config_set_choice, "switch", "on or off", VM(pci), 0, switches},
    {"trace", config_set_choice, "switch", "on or off", VM(trace), 0, switches},
    {"rng", config_set_choice, "switch", "on or off", VM(rng), VM_AT(rng_line), switches},
    {"disk", set_disk, "disk", "at most 2 of FILE ro or FILE cow SIZE, a multiple of 2M up to 64G", 0,
     CONFIG_FILE_SIZE, VM_AT(disk_line), NULL},
    {"net", config_set_net, "network card",
     "at most 8 of NAME and mac, mtu, pairs, features, rate, vlan, trunk, each with a value, isolated or "
     "mac-lock",
     0, 0, VM_AT(net_line), NULL},
    {"link", config_set_link, "network card",
     "at most 8 of NAME and mac, mtu, pairs, features or rate, each with a value", 0, 0, VM_AT(link_line),
     NULL},
    {"shared", config_set_shared, "shared memory",
     "at most 3 of NAME SIZE, a power of two from 2M to 64M, and ro", 0, 0, VM_AT(shared_line), NULL},
    {"console", config_set_choice, "console", "uart or virtio", VM(console), VM_AT(console_line), consoles},
    {"serial", set_name, "serial line", "monitor, or a name as VMs have them", VM(serial), VM_AT(serial_line),
     NULL},
    {"exit-budget", set_budget, "budget", "as in 0/s or 20/s after 5s, at most 1000000000 and 3600s",
     VM(exit_budget), VM_AT(exit_budget_line), NULL},
    {"on-budget", config_set_choice, "action", "report or stop", VM(stop_on_budget), VM_AT(on_budget_line),
     reactions},
};

_Static_assert(ARRAY_SIZE(vm_keys) <= CONFIG_MAX_KEYS && ARRAY_SIZE(host_keys) <= CONFIG_MAX_KEYS,
               "the parser has a place for each");

static struct key switch_keys[CONFIG_MAX_SWITCHES];
struct key_table config_switch_keys = {switch_keys, 0};

void config_add_switches(const char *const *names)
{
    static const struct choice on_or_off[] = {{"on", false}, {"off", true}, {NULL, 0}};

    for (; *names && config_switch_keys.count < CONFIG_MAX_SWITCHES; names++) {
        unsigned i = config_switch_keys.count++;

        switch_keys[i] = (struct key){
            *names, config_set_choice, "switch", "on or off", VM_AT(off) + i * sizeof(bool), sizeof(bool),
            0,      on_or_off};
    }
    ASSERT(!*names); /* CONFIG_MAX_SWITCHES is too small for the backends */
}

bool config_is_off(const struct vm_config *c, const char *name)
{
    for (unsigned i = 0; i < config_switch_keys.count; i++) {
        if (!strcmp(switch_keys[i].name, name))
            return c->off[i];
    }
    return false;
}

bool config_is_monitored(const struct vm_config *c)
{
    return !strcmp(c->serial, "monitor");
}

const struct key_table config_host_keys = {host_keys, ARRAY_SIZE(host_keys)};
const struct key_table config_vm_keys = {vm_keys, ARRAY_SIZE(vm_keys)};

bool config_key_repeats(const struct key *key)
{
    return key->set == set_module || key->set == set_disk || key->set == config_set_net ||
           key->set == config_set_link || key->set == config_set_shared;
}

bool config_key_may_be_empty(const struct key *key)
{
    return key->set == set_text;
}
