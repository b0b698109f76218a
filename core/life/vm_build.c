/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM comes into being: what its configuration asks for against what is there, then its parts, then its
 * images. */
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/host/machine.h"
#include "core/vm/shared_pages.h"
#include "core/host/smp.h"
#include "core/base/trace.h"

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

/* The CPUs that the VM may have at all: those it names, else all. */
static bool named(const struct vm_config *c, unsigned cpu)
{
    return !c->cpus_line || cpu_set_has(&c->cpus, cpu);
}

/* A CPU belongs to one dedicated vCPU, or to all that share. */
static bool available(const struct vm_config *c, const struct cpu *cpu)
{
    return !cpu->owner && (c->sched == SCHED_SHARED || !cpu->shared);
}

static unsigned pick_cpus(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS])
{
    unsigned most = c->sched == SCHED_SHARED ? VM_MAX_VCPUS : c->vcpus, n = 0;

    for (unsigned i = 0; i < cpu_count && n < most; i++) {
        if (named(c, i) && available(c, cpus[i]))
            picked[n++] = cpus[i];
    }
    return n;
}

static bool check_named_cpus(const struct vm_config *c)
{
    for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
        if (!cpu_set_has(&c->cpus, i))
            continue;
        if (i >= cpu_count) {
            refuse(c->cpus_line, "[vm %s] wants CPU %u, expected one of this machine's 0-%u", c->name, i,
                   cpu_count - 1);
            return false;
        }
        if (cpus[i]->owner) {
            refuse(c->cpus_line, "[vm %s] wants CPU %u, which runs [vm %s]; expected a CPU of its own",
                   c->name, i, cpus[i]->owner->vm->config->name);
            return false;
        }
        if (!available(c, cpus[i])) {
            refuse(c->cpus_line, "[vm %s] wants CPU %u, which others share; expected a CPU of its own",
                   c->name, i);
            return false;
        }
    }
    return true;
}

/* Dedicated: a CPU for each vCPU. Shared: at least one for all of them. */
static bool check_cpus(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS], unsigned *count)
{
    unsigned needed = c->sched == SCHED_SHARED ? 1 : c->vcpus, sharing = c->vcpus;

    if (!check_named_cpus(c))
        return false;
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        sharing += vm->config->sched == SCHED_SHARED ? vm->vcpu_count : 0;
    if (c->sched == SCHED_SHARED && sharing > SCHED_MAX_SHARED) {
        refuse(c->line, "[vm %s] makes %u vCPUs that share, expected at most %u in all VMs", c->name, sharing,
               SCHED_MAX_SHARED);
        return false;
    }
    *count = pick_cpus(c, picked);
    if (*count >= needed)
        return true;
    refuse(c->vcpus_line ? c->vcpus_line : c->line,
           "[vm %s] needs %u free CPU(s), expected at most %u: a CPU runs one vCPU, but with sched = shared",
           c->name, needed, *count);
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

/* Who wants it: a VM, or the machine when it is released. */
static const char *title(const struct vm_config *c)
{
    static char text[CONFIG_NAME_SIZE + 8];

    format(text, sizeof(text), c->name[0] ? "[vm %s]" : "[host]", c->name);
    return text;
}

static bool find_blob(const struct vm_config *c, unsigned line, const char *name, struct blob *blob)
{
    const struct boot_module *m = machine_module(name);

    if (!m) {
        refuse(line, "%s '%s' was not loaded, expected a module of the boot medium", title(c), name);
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

bool vm_find_images(const struct vm_config *c, struct image *image)
{
    *image =
        (struct image){.format = c->format, .cmdline = c->cmdline, .load = gpa(c->load), .mode = c->mode};
    if (!find_blob(c, c->kernel_line, c->kernel, &image->kernel))
        return false;
    if (c->initrd[0] && !find_blob(c, c->initrd_line, c->initrd, &image->modules[image->module_count++]))
        return false;
    for (unsigned i = 0; i < c->module_count; i++) {
        if (image->module_count == IMAGE_MAX_MODULES) {
            refuse(c->module_lines[i], "%s has too many modules, expected at most %u with the initrd",
                   title(c), IMAGE_MAX_MODULES);
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
    v->trace_who = TRACE_WHO(vm->id, v->id);
    v->cpu = cpu;
    v->stats = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);
    vm->vcpus[vm->vcpu_count++] = v;
    return v->stats && vlapic_create(v) && backend.vcpu_create(v);
}

static bool create_parts(struct vm *vm, struct cpu *const picked[VM_MAX_VCPUS], unsigned count)
{
    if (!allocate_ram(vm) || !apic_create(vm) || !backend.vm_create(vm) || !pc_create(vm))
        return false;
    for (unsigned i = 0; i < vm->config->vcpus; i++) {
        if (!create_vcpu(vm, picked[i % count]))
            return false;
    }
    return shared_pages_create(vm) && sched_create(vm, picked, count);
}

/* Brings a VM to the state of a machine just switched on, with its images in memory. */
bool vm_load(struct vm *vm)
{
    struct start_state start = {0};
    struct image image;
    const char *why = "no room for ACPI tables";

    if (!vm_find_images(vm->config, &image))
        return false;
    scrub_ram(vm);
    backend.vm_reset(vm);
    if (!pc_write_firmware(vm, &image) || !image_load(vm, &image, &start, &why)) {
        refuse(vm->config->kernel_line, "[vm %s] %s: %s", vm->config->name, vm->config->kernel, why);
        return false;
    }
    pc_reset(vm);
    channel_reset(vm);
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

static void claim_cpus(struct vm *vm, struct cpu *const picked[VM_MAX_VCPUS], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (vm->config->sched == SCHED_SHARED)
            picked[i]->shared = true;
        else
            picked[i]->owner = vm->vcpus[i];
    }
}

struct vm *vm_build(const struct vm_config *c, unsigned id)
{
    struct account account = {.owner = (uint8_t)(MEMORY_FIRST_VM + id)};
    struct cpu *picked[VM_MAX_VCPUS];
    struct image image;
    struct vm *vm;
    unsigned count;

    if (!vm_find_images(c, &image) || !check_processor(c) || !check_cpus(c, picked, &count) ||
        !check_memory(c))
        return NULL;
    vm = memory_alloc_zeroed(&account, MEMORY_STATE, ALIGN_UP(sizeof(*vm), PAGE_SIZE) / PAGE_SIZE);
    if (!vm) {
        refuse(c->line, "[vm %s] no memory left", c->name);
        return NULL;
    }
    vm->account = account;
    vm->config = c;
    vm->id = id;
    vm->memory = c->memory;
    vm->traced = c->trace;
    vm->console.name = c->name;
    if (!create_parts(vm, picked, count)) {
        refuse(c->memory_line, "[vm %s] no memory left for it, expected a smaller VM", c->name);
    } else if (vm_load(vm)) {
        claim_cpus(vm, picked, count);
        vm->account.sealed = true;
        vm->built = vm->account;
        vm->stopped = true;
        vms[id] = vm;
        vm_count++;
        return vm;
    }
    channel_detach(vm);
    account = vm->account;
    memory_release(&account);
    return NULL;
}
