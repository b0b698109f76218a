/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands that look into a guest. */
#include "apic/vlapic.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/base/words.h"
#include "core/life/breakpoint.h"
#include "core/life/life.h"
#include "core/monitor/monitor_command.h"
#include "core/vm/backend.h"
#include "dev/pci/pci.h"
#include "dev/virtio/devices.h"

#define ROW      16 /* bytes on a line of memory */
#define EXAMINED 64 /* bytes, when nobody says how many */
#define MOST     4096

const char *const monitor_dumps[] = {"vmcs", "regs", "lapic", "ept", "pci", "virtio", NULL};

/* --- arguments --- */

/* A number, or `otherwise` where no word stands. False after saying what is wrong. */
static bool take_number(const char *word, unsigned base, uint64_t otherwise, uint64_t *value)
{
    *value = otherwise;
    if (!*word || words_number(word, base, value))
        return true;
    print("'%s' is no number, expected %s\n", word,
          base == 16 ? "an address in hexadecimal" : "a decimal one");
    return false;
}

static bool take_address(const char *word, uint64_t *value)
{
    if (*word)
        return take_number(word, 16, 0, value);
    print("an address is missing, expected one in hexadecimal\n");
    return false;
}

/* The vCPU of this number. */
static struct vcpu *find_vcpu(const struct config *config, const char *name, const char *id)
{
    struct vm *vm = monitor_find(config, name);
    uint64_t n;

    if (!vm || !take_number(id, 10, 0, &n))
        return NULL;
    if (n < vm->vcpu_count)
        return vm->vcpus[n];
    print("[vm %s] has no vcpu %llu, expected 0 to %u\n", name, (unsigned long long)n, vm->vcpu_count - 1);
    return NULL;
}

/* --- dump --- */

static void command_dump_control(struct vcpu *v, uint64_t at UNUSED)
{
    backend.dump(v, DUMP_CONTROL);
}

static void command_dump_registers(struct vcpu *v, uint64_t at UNUSED)
{
    backend.dump(v, DUMP_REGISTERS);
}

static void dump_lapic(struct vcpu *v, uint64_t at UNUSED)
{
    vlapic_dump(v);
}

static void dump_ept(struct vcpu *v, uint64_t at)
{
    backend.dump_walk(v, gpa(at));
}

/* Of its VM. */
static void dump_pci(struct vcpu *v, uint64_t at UNUSED)
{
    pci_dump(v->vm);
}

/* The device at this place of its VM's bus. */
static void dump_virtio(struct vcpu *v, uint64_t slot)
{
    if (slot >= PCI_DEVICES || !virtio_dump(v->vm, (unsigned)slot))
        print("[vm %s] has no virtio device at 00:%02llx.0\n", v->vm->config->name, (unsigned long long)slot);
}

/* Has a function look at a vCPU of a VM that stands still, if need be for as long as that takes. */
static void look_at_vcpu(struct vcpu *v, void (*at_it)(struct vcpu *v, uint64_t at), uint64_t at)
{
    static const char *const activities[] = {"active", "halted", "waits for SIPI"};
    struct vm *vm = v->vm;
    bool held;
    const char *why = vm_hold(vm, &held);

    _Static_assert(ARRAY_SIZE(activities) == WAIT_FOR_SIPI + 1, "each has its name");
    if (why) {
        print("[vm %s] %s\n", vm->config->name, why);
    } else {
        print("[vm %s] vcpu %u, %s\n", vm->config->name, v->id, activities[v->activity]);
        at_it(v, at);
    }
    vm_let_go(vm, held);
}

void monitor_dump(const struct config *config, const char *const words[])
{
    static void (*const dumps[])(struct vcpu * v, uint64_t at) = {
        command_dump_control, command_dump_registers, dump_lapic, dump_ept, dump_pci, dump_virtio};
    unsigned i = words_find(words[0], monitor_dumps, ARRAY_SIZE(dumps));
    bool of_address = i < ARRAY_SIZE(dumps) && (dumps[i] == dump_ept || dumps[i] == dump_virtio);
    struct vcpu *v;
    uint64_t at = 0;

    _Static_assert(ARRAY_SIZE(dumps) + 1 == ARRAY_SIZE(monitor_dumps), "in the order of their names");
    if (i == ARRAY_SIZE(dumps)) {
        print("'%s' cannot be dumped, expected vmcs, regs, lapic, ept, pci or virtio\n", words[0]);
        return;
    }
    v = find_vcpu(config, words[1], of_address ? "" : words[2]);
    if (v && (!of_address || take_address(words[2], &at)))
        look_at_vcpu(v, dumps[i], at);
}

/* --- memory --- */

static void print_memory_row(uint64_t at, const uint8_t *bytes, size_t n)
{
    char hex[3 * ROW + 1] = "", text[ROW + 1] = "";

    ASSERT(n <= ROW);
    for (size_t i = 0; i < n; i++) {
        format(hex + 3 * i, sizeof(hex) - 3 * i, " %02x", bytes[i]);
        text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.';
    }
    print("%016llx %-48s  %s\n", (unsigned long long)at, hex, text);
}

typedef size_t reader(struct vcpu *v, uint64_t at, void *to, size_t n);

static void print_memory(struct vcpu *v, uint64_t at, uint64_t n, reader *read)
{
    uint8_t bytes[ROW];

    for (size_t wanted, got; n; n -= wanted, at += wanted) {
        wanted = MIN(n, ROW);
        got = read(v, at, bytes, wanted);
        ASSERT(got <= wanted);
        if (got)
            print_memory_row(at, bytes, got);
        if (got < wanted) {
            print("%016llx  no memory here\n", (unsigned long long)(at + got));
            return;
        }
    }
}

static size_t read_linear(struct vcpu *v, uint64_t at, void *to, size_t n)
{
    return backend.read_linear(v, at, to, n);
}

/* As much of it as there is: byte by byte where the end of RAM is near. */
static size_t read_physical(struct vcpu *v, uint64_t at, void *to, size_t n)
{
    size_t got = 0;

    if (guest_read(v->vm, gpa(at), to, n))
        return n;
    while (got < n && guest_read(v->vm, gpa(at + got), (uint8_t *)to + got, 1))
        got++;
    return got;
}

static void examine(const struct config *config, const char *const words[], reader *read)
{
    struct vcpu *v = find_vcpu(config, words[0], "");
    uint64_t at, n;
    bool held;
    const char *why;

    if (!v || !take_address(words[1], &at) || !take_number(words[2], 10, EXAMINED, &n))
        return;
    if (n > MOST) {
        print("%llu bytes are too many, expected at most %u\n", (unsigned long long)n, MOST);
        return;
    }
    why = vm_hold(v->vm, &held);
    if (why)
        print("[vm %s] %s\n", words[0], why);
    else
        print_memory(v, at, n, read);
    vm_let_go(v->vm, held);
}

void monitor_examine(const struct config *config, const char *const words[])
{
    examine(config, words, read_linear);
}

void monitor_examine_physical(const struct config *config, const char *const words[])
{
    examine(config, words, read_physical);
}

/* --- breakpoints --- */

#define SHOWN 16 /* bytes of the next instructions */
#define STEPS 1000

/* RIP, and what is there. */
static void show_place(struct vcpu *v)
{
    uint64_t at = backend.instruction_pointer(v);
    uint8_t bytes[SHOWN];
    char hex[3 * SHOWN + 1] = "";
    size_t n = backend.read_linear(v, at, bytes, SHOWN);

    for (size_t i = 0; i < n; i++)
        format(hex + 3 * i, sizeof(hex) - 3 * i, " %02x", bytes[i]);
    print("  %016llx %s\n", (unsigned long long)at, n ? hex : " nothing is mapped here");
}

void monitor_show_stop(struct vm *vm)
{
    struct vcpu *v = vm_stopped_vcpu(vm);

    log_info("[vm %s] vcpu %u stopped at %s, rip %llx", vm->config->name, v->id, vm->stop_reason,
             (unsigned long long)backend.instruction_pointer(v));
    backend.dump(v, DUMP_SHORT);
    show_place(v);
}

static void list_breakpoints(const struct vm *vm)
{
    const struct breakpoints *b = &vm->breakpoints;

    print("int3 %s\n", b->int3 ? "stops the VM" : "is the guest's own");
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if (b->used & BIT(i))
            print("%u: %016llx\n", i, (unsigned long long)b->at[i]);
    }
}

static void tell_result(const char *name, const char *why)
{
    if (why)
        print("[vm %s] %s\n", name, why);
}

void monitor_break(const struct config *config, const char *const words[])
{
    static const char *const states[] = {"off", "on"};
    unsigned on = words_find(words[1], states, ARRAY_SIZE(states));
    struct vm *vm = monitor_find(config, words[0]);
    uint64_t at;

    if (!vm)
        return;
    if (on < ARRAY_SIZE(states))
        tell_result(words[0], vm_break_at_int3(vm, on));
    else if (*words[1] && take_number(words[1], 16, 0, &at))
        tell_result(words[0], vm_break_at(vm, at));
    if (!*words[1])
        list_breakpoints(vm);
}

void monitor_delete(const struct config *config, const char *const words[])
{
    struct vm *vm = monitor_find(config, words[0]);
    uint64_t n;

    if (!vm)
        return;
    if (words_find(words[1], (const char *const[]){"all"}, 1) == 0)
        tell_result(words[0], vm_break_delete(vm, (unsigned)BIT(BREAKPOINTS) - 1));
    else if (!*words[1])
        print("the number of a breakpoint is missing, expected one that 'break %s' lists, or all\n",
              words[0]);
    else if (take_number(words[1], 10, 0, &n))
        tell_result(words[0], vm_break_delete(vm, n < BREAKPOINTS ? (unsigned)BIT(n) : 0));
}

void monitor_continue(const struct config *config, const char *const words[])
{
    struct vm *vm = monitor_find(config, words[0]);

    if (vm)
        tell_result(words[0], vm_continue(vm));
}

void monitor_step(const struct config *config, const char *const words[])
{
    struct vm *vm = monitor_find(config, words[0]);
    const char *why = NULL;
    uint64_t n;

    if (!vm || !take_number(words[1], 10, 1, &n))
        return;
    if (n > STEPS)
        print("%llu steps are too many, expected at most %u\n", (unsigned long long)n, STEPS);
    for (; n && n <= STEPS && !why && vm_lives(vm); n--) {
        why = vm_step(vm);
        if (!why && vm_lives(vm))
            show_place(vm_stopped_vcpu(vm));
    }
    tell_result(words[0], why);
}
