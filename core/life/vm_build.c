/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM comes into being: what its configuration asks for against what is there, then its parts, then its
 * images. */
#include "arch/x86/layout.h"
#include "arch/x86/random.h"
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "core/base/trace.h"
#include "boot/guest/find.h"
#include "core/life/life.h"
#include "core/life/place.h"
#include "core/vm/backend.h"
#include "core/vm/shared_memory.h"
#include "sched/sched.h"

_Static_assert(MEMORY_FIRST_VM + CONFIG_MAX_VMS <= MEMORY_RELEASE,
               "each has a number of its own in the page map");

/* --- checks against the machine, before anything is allocated --- */

static bool check_processor(const struct vm_config *c)
{
    const char *why;
    unsigned line;

    if (backend.can_run(c, &line, &why))
        return true;
    config_refuse(line, "[vm %s] %s", c->name, why);
    return false;
}

static bool check_memory(const struct vm_config *c)
{
    uint64_t pages = c->memory / PAGE_SIZE + shared_missing(c);

    for (unsigned i = 0; i < c->disk_count; i++)
        pages += c->disks[i].budget / PAGE_SIZE;

    if (pages + pages / 256 + 64 <= memory_free_pages())
        return true;
    config_refuse(c->memory_line,
                  "[vm %s] wants %llu MiB of memory, expected at most the %llu MiB that are free", c->name,
                  (unsigned long long)(pages * PAGE_SIZE / MIB),
                  (unsigned long long)(memory_free_pages() * PAGE_SIZE / MIB));
    return false;
}

static bool check_devices(const struct vm_config *c)
{
    if (c->rng && !random_present()) {
        config_refuse(c->rng_line, "[vm %s] has rng = on, expected a processor with RDRAND or RDSEED",
                      c->name);
        return false;
    }
    for (unsigned i = 0; i < c->disk_count; i++) {
        if (!image_find_disk(c, i))
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

    ASSERT(chunks > 0 && vm->memory % PAGE_2M == 0);
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

/* False: the operator wants it to be off meanwhile, and does not wait until all is zeroed. */
static bool scrub_ram(struct vm *vm)
{
    for (uint64_t done = 0; done < vm->memory; done += PAGE_SIZE) {
        memory_zero((uint8_t *)phys_to_virt(vm->ram[done / PAGE_2M]) + done % PAGE_2M, 1);
        load_pause(done);
        if (vm_state(vm).phase == VM_LOADING && vm_state(vm).end == VM_END_STOP)
            return false;
    }
    return true;
}

/* --- its parts --- */

static const struct vm_part *parts;
static unsigned part_count;

void vm_set_parts(const struct vm_part *table, unsigned count)
{
    ASSERT(table && count > 0);
    parts = table;
    part_count = count;
}

static bool create_vcpu(struct vm *vm, const struct placement *place)
{
    struct vcpu *v =
        memory_alloc_zeroed(&vm->account, MEMORY_STATE, ALIGN_UP(sizeof(*v), PAGE_SIZE) / PAGE_SIZE);

    ASSERT(vm->vcpu_count < VM_MAX_VCPUS && place->count > 0);
    if (!v)
        return false;
    v->vm = vm;
    v->id = vm->vcpu_count;
    v->apic_id = v->id;
    v->trace_who = TRACE_WHO(vm->id, v->id);
    v->cpu = place->cpus[v->id % place->count];
    v->stats = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);
    vm->vcpus[vm->vcpu_count++] = v;
    for (unsigned i = 0; i < part_count; i++) {
        if (!v->stats || (parts[i].create_vcpu && !parts[i].create_vcpu(v, place)))
            return false;
    }
    return true;
}

static bool create_parts(struct vm *vm, const struct placement *place)
{
    if (!allocate_ram(vm))
        return false;
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i].create && !parts[i].create(vm, place))
            return false;
    }
    for (unsigned i = 0; i < vm->config->vcpus; i++) {
        if (!create_vcpu(vm, place))
            return false;
    }
    return true;
}

void vm_rest_parts(struct vm *vm)
{
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i].rest)
            parts[i].rest(vm);
    }
}

void vm_destroy_parts(struct vm *vm)
{
    for (unsigned i = part_count; i-- > 0;) {
        if (parts[i].destroy)
            parts[i].destroy(vm);
    }
}

static bool write_firmware(struct vm *vm, struct image *image)
{
    for (unsigned i = 0; i < part_count; i++) {
        load_pause(0);
        if (parts[i].firmware && !parts[i].firmware(vm, image))
            return false;
    }
    return true;
}

static void reset_vcpu(struct vcpu *v, const struct start_state *start)
{
    v->activity = start ? ACTIVE : WAIT_FOR_SIPI;
    v->dead = false;
    v->asked = 0;
    v->due = DUE_ALL | (start ? 0 : DUE_INACTIVE);
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i].reset_vcpu)
            parts[i].reset_vcpu(v, start);
    }
}

static void reset_parts(struct vm *vm, const struct start_state *start)
{
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i].reset)
            parts[i].reset(vm);
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        reset_vcpu(vm->vcpus[i], i ? NULL : start);
}

bool vm_load(struct vm *vm)
{
    struct start_state start = {0};
    struct image image;
    const char *why = "no room for ACPI tables";

    if (!image_find(vm->config, &image) || !scrub_ram(vm))
        return false;
    if (!write_firmware(vm, &image) || !image_load(vm, &image, &start, &why)) {
        config_refuse(vm->config->kernel_line, "[vm %s] %s: %s", vm->config->name, vm->config->kernel, why);
        return false;
    }
    load_pause(0);
    reset_parts(vm, &start);
    load_pause(0);
    vm->fresh = true;
    return true;
}

static void claim_cpus(struct vm *vm, const struct placement *place)
{
    for (unsigned i = 0; i < place->count; i++) {
        ASSERT(!place->cpus[i]->owner);
        if (vm->config->sched == SCHED_SHARED)
            place->cpus[i]->shared = true;
        else
            place->cpus[i]->owner = vm->vcpus[i];
    }
}

struct vm *vm_build(const struct vm_config *c, unsigned id)
{
    struct account account = {.owner = (uint8_t)(MEMORY_FIRST_VM + id)};
    struct cpu *picked[VM_MAX_VCPUS];
    struct placement place = {picked, 0};
    struct image image;
    struct vm *vm;

    ASSERT(id < CONFIG_MAX_VMS && !vms[id]);
    if (!image_find(c, &image) || !check_processor(c) || !check_devices(c) ||
        !place_vm(c, picked, &place.count) || !check_memory(c))
        return NULL;
    vm = memory_alloc_zeroed(&account, MEMORY_STATE, ALIGN_UP(sizeof(*vm), PAGE_SIZE) / PAGE_SIZE);
    if (!vm) {
        config_refuse(c->line, "[vm %s] no memory left", c->name);
        return NULL;
    }
    vm->account = account;
    vm->config = c;
    vm->id = id;
    vm->memory = c->memory;
    vm->traced = c->trace;
    vm->console.name = c->name;
    if (!create_parts(vm, &place)) {
        config_refuse(c->memory_line, "[vm %s] no memory left for it, expected a smaller VM", c->name);
    } else if (vm_load(vm)) {
        claim_cpus(vm, &place);
        vm->account.sealed = true;
        vm->built = vm->account;
        __atomic_store_n(&vms[id], vm, __ATOMIC_RELEASE);
        vm_count++;
        return vm;
    }
    vm_destroy_parts(vm);
    account = vm->account;
    memory_release(&account);
    return NULL;
}
