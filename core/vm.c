/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm.h"

#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/backend.h"
#include "core/format.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/panic.h"
#include "core/smp.h"

struct vm *vms[CONFIG_MAX_VMS];
unsigned vm_count;

static unsigned live_count;

static void PRINTF_LIKE(2, 3) refuse(unsigned line, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    print("skerry.cfg:%u: %s\n", line, text);
}

/* --- checks against the machine, before anything is allocated --- */

static unsigned pick_cpus(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS])
{
    bool any = !c->cpus_line;
    unsigned n = 0;

    for (unsigned i = 0; i < cpu_count && n < c->vcpus; i++) {
        if (!cpus[i]->vcpu && (any || cpu_set_has(&c->cpus, i)))
            picked[n++] = cpus[i];
    }
    return n;
}

static bool check_cpus(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS])
{
    unsigned line = c->cpus_line ? c->cpus_line : c->line, wanted = 0;

    for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
        if (!cpu_set_has(&c->cpus, i))
            continue;
        wanted++;
        if (i >= cpu_count) {
            refuse(line, "[vm %s] wants CPU %u, expected one of this machine's 0-%u", c->name, i,
                   cpu_count - 1);
            return false;
        }
        if (cpus[i]->vcpu) {
            refuse(line, "[vm %s] wants CPU %u, which runs [vm %s]; expected a CPU of its own", c->name, i,
                   cpus[i]->vcpu->vm->config->name);
            return false;
        }
    }
    if (c->cpus_line && wanted < c->vcpus) {
        refuse(line, "[vm %s] has %u CPUs for %u vcpus, expected one each", c->name, wanted, c->vcpus);
        return false;
    }
    if (pick_cpus(c, picked) == c->vcpus)
        return true;
    refuse(c->vcpus_line ? c->vcpus_line : c->line,
           "[vm %s] needs %u free CPU(s), expected at most %u: a CPU runs one vCPU", c->name, c->vcpus,
           pick_cpus(c, picked));
    return false;
}

static bool check_processor(const struct vm_config *c)
{
    const char *why;
    unsigned line;

    if (backend.can_run(c, &line, &why))
        return true;
    refuse(line, "[vm %s] %s", c->name, why);
    return false;
}

static bool check_memory(const struct vm_config *c)
{
    uint64_t pages = c->memory / PAGE_SIZE;

    if (pages + pages / 256 + 64 <= memory_free_pages())
        return true;
    refuse(c->memory_line, "[vm %s] wants %llu MiB of memory, expected at most the %llu MiB that are free",
           c->name, (unsigned long long)(c->memory / MIB),
           (unsigned long long)(memory_free_pages() * PAGE_SIZE / MIB));
    return false;
}

static bool find_blob(const struct vm_config *c, unsigned line, const char *name, struct blob *blob)
{
    const struct boot_module *m = machine_module(name);

    if (!m) {
        refuse(line, "[vm %s] '%s' was not loaded, expected a module of the boot medium", c->name, name);
        return false;
    }
    *blob = (struct blob){phys_to_virt(m->start), m->size, name, ""};
    return true;
}

/* "FILE words": the file's name ends at the first space. */
static bool find_module(const struct vm_config *c, unsigned i, struct blob *blob)
{
    char name[CONFIG_FILE_SIZE];
    const char *text = c->modules[i];
    size_t n = 0;

    while (text[n] && text[n] != ' ')
        n++;
    memcpy(name, text, n);
    name[n] = 0;
    if (!find_blob(c, c->module_lines[i], name, blob))
        return false;
    blob->name = text;
    blob->cmdline = text[n] ? text + n + 1 : "";
    return true;
}

static bool find_images(const struct vm_config *c, struct image *image)
{
    *image =
        (struct image){.format = c->format, .cmdline = c->cmdline, .load = gpa(c->load), .mode = c->mode};
    if (!find_blob(c, c->kernel_line, c->kernel, &image->kernel))
        return false;
    if (c->initrd[0] && !find_blob(c, c->initrd_line, c->initrd, &image->modules[image->module_count++]))
        return false;
    for (unsigned i = 0; i < c->module_count; i++) {
        if (image->module_count == IMAGE_MAX_MODULES) {
            refuse(c->module_lines[i], "[vm %s] has too many modules, expected at most %u with the initrd",
                   c->name, IMAGE_MAX_MODULES);
            return false;
        }
        if (!find_module(c, i, &image->modules[image->module_count++]))
            return false;
    }
    return true;
}

/* --- building --- */

/* In one piece where possible, 1 GiB-aligned when that is worth it; else in pieces of 2 MiB. */
static bool allocate_ram(struct vm *vm)
{
    uint64_t chunks = vm->memory / PAGE_2M, pages = vm->memory / PAGE_SIZE;
    hpa_t all = {0};

    vm->ram = memory_alloc_zeroed(&vm->account, MEMORY_STATE,
                                  ALIGN_UP(chunks * sizeof(hpa_t), PAGE_SIZE) / PAGE_SIZE);
    if (!vm->ram)
        return false;
    if (vm->memory >= GIB)
        all = memory_alloc(&vm->account, MEMORY_RAM, pages, PAGE_1G / PAGE_SIZE);
    if (!all.value)
        all = memory_alloc(&vm->account, MEMORY_RAM, pages, PAGE_2M / PAGE_SIZE);
    for (uint64_t i = 0; i < chunks; i++) {
        vm->ram[i] = all.value
                         ? hpa(all.value + i * PAGE_2M)
                         : memory_alloc(&vm->account, MEMORY_RAM, PAGE_2M / PAGE_SIZE, PAGE_2M / PAGE_SIZE);
        if (!vm->ram[i].value)
            return false;
    }
    return true;
}

static void scrub_ram(struct vm *vm)
{
    for (uint64_t i = 0; i < vm->memory / PAGE_2M; i++)
        memory_zero(phys_to_virt(vm->ram[i]), PAGE_2M / PAGE_SIZE);
}

static bool create_vcpu(struct vm *vm, struct cpu *cpu)
{
    struct vcpu *v =
        memory_alloc_zeroed(&vm->account, MEMORY_STATE, ALIGN_UP(sizeof(*v), PAGE_SIZE) / PAGE_SIZE);

    if (!v)
        return false;
    v->vm = vm;
    v->id = vm->vcpu_count;
    v->apic_id = v->id;
    v->cpu = cpu;
    vm->vcpus[vm->vcpu_count++] = v;
    return vlapic_create(v) && backend.vcpu_create(v);
}

static bool create_parts(struct vm *vm, struct cpu *const picked[VM_MAX_VCPUS])
{
    if (!allocate_ram(vm) || !apic_create(vm) || !backend.vm_create(vm) || !pc_create(vm))
        return false;
    for (unsigned i = 0; i < vm->config->vcpus; i++) {
        if (!create_vcpu(vm, picked[i]))
            return false;
    }
    return true;
}

/* Brings a VM to the state of a machine just switched on, with its images in memory. */
static bool load(struct vm *vm)
{
    struct start_state start = {0};
    struct image image;
    const char *why = "no room for ACPI tables";

    if (!find_images(vm->config, &image))
        return false;
    scrub_ram(vm);
    if (!pc_write_firmware(vm, &image) || !image_load(vm, &image, &start, &why)) {
        refuse(vm->config->kernel_line, "[vm %s] %s: %s", vm->config->name, vm->config->kernel, why);
        return false;
    }
    pc_reset(vm);
    vm->input_head = vm->input_tail = 0;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        v->activity = i ? WAIT_FOR_SIPI : ACTIVE;
        v->dead = false;
        v->request = 0;
        vlapic_reset(v);
        backend.vcpu_reset(v, i ? NULL : &start);
    }
    return true;
}

struct vm *vm_build(const struct vm_config *c)
{
    struct account account = {.owner = (uint8_t)(MEMORY_FIRST_VM + vm_count)};
    struct cpu *picked[VM_MAX_VCPUS];
    struct image image;
    struct vm *vm;

    if (!find_images(c, &image) || !check_processor(c) || !check_cpus(c, picked) || !check_memory(c))
        return NULL;
    vm = memory_alloc_zeroed(&account, MEMORY_STATE, ALIGN_UP(sizeof(*vm), PAGE_SIZE) / PAGE_SIZE);
    if (!vm) {
        refuse(c->line, "[vm %s] no memory left", c->name);
        return NULL;
    }
    vm->account = account;
    vm->config = c;
    vm->id = vm_count;
    vm->memory = c->memory;
    vm->console.name = c->name;
    if (!create_parts(vm, picked)) {
        refuse(c->memory_line, "[vm %s] no memory left for it, expected a smaller VM", c->name);
    } else if (load(vm)) {
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            picked[i]->vcpu = vm->vcpus[i];
        vms[vm_count++] = vm;
        return vm;
    }
    account = vm->account;
    memory_release(&account);
    return NULL;
}

/* --- running and ending --- */

static void go_live(struct vm *vm)
{
    __atomic_store_n(&vm->live, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(vm->vcpus[i]);
}

void vm_start(struct vm *vm)
{
    __atomic_add_fetch(&live_count, 1, __ATOMIC_RELAXED);
    go_live(vm);
}

bool vm_all_ended(void)
{
    return !__atomic_load_n(&live_count, __ATOMIC_ACQUIRE);
}

void vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
    char text[200];
    va_list args;

    if (vm->ending != VM_END_NONE)
        return;
    vm->ending = end;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    if (end == VM_END_CRASH)
        log_error("[vm %s] stopped: %s", vm->config->name, text);
    else
        log_info("[vm %s] %s", vm->config->name, text);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(vm->vcpus[i]);
}

static void give_focus_away(const struct vm *from)
{
    if (console_focused() != &from->console)
        return;
    for (unsigned i = 0; i < vm_count; i++) {
        if (vms[i]->live) {
            console_focus(&vms[i]->console);
            log_info("console: %s", vms[i]->config->name);
            return;
        }
    }
}

static void stop(struct vm *vm)
{
    console_guest_end(&vm->console);
    vm_print_statistics(vm);
    give_focus_away(vm);
    __atomic_sub_fetch(&live_count, 1, __ATOMIC_ACQ_REL);
}

static bool wants_restart(const struct vm *vm)
{
    switch (vm->ending) {
    case VM_END_RESET: return true;
    case VM_END_CRASH: return vm->config->on_crash == ENDING_RESTART;
    default: return vm->config->on_exit == ENDING_RESTART;
    }
}

static void finish(struct vm *vm)
{
    enum ending after = vm->ending == VM_END_CRASH ? vm->config->on_crash : vm->config->on_exit;

    if (wants_restart(vm)) {
        vm->resets++;
        vm->ending = VM_END_NONE;
        if (load(vm)) {
            log_info("[vm %s] starts again (%u)", vm->config->name, vm->resets);
            go_live(vm);
            return;
        }
    }
    stop(vm);
    if (after == ENDING_POWEROFF)
        __atomic_store_n(&live_count, 0, __ATOMIC_RELEASE);
}

bool vm_may_run(const struct vm *vm)
{
    return __atomic_load_n(&vm->live, __ATOMIC_SEQ_CST) && vm->ending == VM_END_NONE;
}

bool vm_begin_run(struct vm *vm)
{
    __atomic_add_fetch(&vm->running, 1, __ATOMIC_SEQ_CST);
    return vm_may_run(vm);
}

/* live is the token of who finishes: with it gone no vCPU begins, and one that just had is waited for. */
void vm_end_run(struct vm *vm)
{
    bool last = !__atomic_sub_fetch(&vm->running, 1, __ATOMIC_SEQ_CST);

    if (!last || vm->ending == VM_END_NONE || !__atomic_exchange_n(&vm->live, false, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_load_n(&vm->running, __ATOMIC_SEQ_CST))
        cpu_pause();
    finish(vm);
}

void vm_print_statistics(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *v = vm->vcpus[i];
        uint64_t total = 0;

        for (unsigned r = 0; r < EXIT_REASONS; r++) {
            total += v->exits[r];
            if (v->exits[r])
                log_debug("[vm %s] vcpu %u: %llu exits: %s", vm->config->name, i,
                          (unsigned long long)v->exits[r], backend.exit_name(r));
        }
        log_info("[vm %s] vcpu %u: %llu exits, %llu interrupts injected, %llu IPIs, %llu ports and %llu MSRs "
                 "denied",
                 vm->config->name, i, (unsigned long long)total,
                 (unsigned long long)v->counts[COUNT_INJECTED], (unsigned long long)v->counts[COUNT_IPI],
                 (unsigned long long)v->counts[COUNT_PORT_DENIED],
                 (unsigned long long)v->counts[COUNT_MSR_DENIED]);
    }
    if (vm->input_lost)
        log_error("[vm %s] %llu typed bytes lost: the guest did not read them", vm->config->name,
                  (unsigned long long)vm->input_lost);
}

void vcpu_kick(struct vcpu *v)
{
    __atomic_store_n(&v->kicked, true, __ATOMIC_SEQ_CST);
    if (v->cpu != this_cpu())
        smp_kick(v->cpu);
}

void vcpu_dead(struct vcpu *v)
{
    struct vm *vm = v->vm;

    v->dead = true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *other = vm->vcpus[i];

        if (!other->dead || other->request)
            return;
    }
    vm_request_end(vm, VM_END_OFF, "has halted with interrupts off");
}

void vcpu_send_init(struct vcpu *v)
{
    __atomic_store_n(&v->request, REQUEST_INIT, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

void vcpu_send_startup(struct vcpu *v, unsigned vector)
{
    unsigned old = v->request;

    while (!__atomic_compare_exchange_n(&v->request, &old, (old & REQUEST_INIT) | REQUEST_STARTUP | vector,
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    vcpu_kick(v);
}

void vm_input(struct vm *vm, uint8_t byte)
{
    spin_lock(&vm->lock);
    if (vm->input_head - vm->input_tail < VM_INPUT)
        vm->input[vm->input_head++ % VM_INPUT] = byte;
    else
        vm->input_lost++;
    pc_input_ready(vm);
    spin_unlock(&vm->lock);
}
