/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/blackbox.h"

#include "arch/x86/layout.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/base/panic.h"

#define LOADERS_HEAP (32 * MIB)

struct blackbox *blackbox;
const struct blackbox *blackbox_last;

/* FNV-1a: it has to tell a box from what happens to lie there, and from one with a flipped bit. */
static uint32_t checksum(const struct blackbox *b)
{
    const uint8_t *byte = (const uint8_t *)b;
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < offsetof(struct blackbox, checksum); i++)
        sum = (sum ^ byte[i]) * 16777619u;
    return sum;
}

void blackbox_seal(struct blackbox *b)
{
    b->checksum = checksum(b);
}

static bool printable(const char name[CONFIG_NAME_SIZE])
{
    unsigned n = 0;

    while (n < CONFIG_NAME_SIZE && name[n] >= 0x20 && name[n] < 0x7f)
        n++;
    return n < CONFIG_NAME_SIZE && !name[n];
}

bool blackbox_valid(const struct blackbox *b, uint64_t room)
{
    if (b->magic != BLACKBOX_MAGIC || b->version != BLACKBOX_VERSION || b->checksum != checksum(b))
        return false;
    if (!b->cpus || b->cpus > MAX_CPUS || b->cpus * sizeof(trace_ring) > room || b->end > BLACKBOX_PANIC ||
        b->crashed > CONFIG_MAX_VMS)
        return false;
    for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
        if (!printable(b->names[i]))
            return false;
    }
    return true;
}

unsigned blackbox_events(const struct blackbox *b)
{
    const trace_ring *rings = blackbox_rings(b);
    unsigned n = 0;

    for (unsigned cpu = 0; cpu < b->cpus; cpu++) {
        for (unsigned i = 0; i < TRACE_EVENTS; i++)
            n += rings[cpu][i].tsc != 0;
    }
    return n;
}

static uint64_t pages_of(unsigned rings)
{
    return rings * sizeof(trace_ring) / PAGE_SIZE + 1;
}

/*
 * Boot loaders have their heap at the top of memory, and load files at its beginning: a little below the top,
 * and the same for every boot.
 */
static uint64_t place_box(void)
{
    uint64_t top = 0;

    for (unsigned i = 0; i < machine.boot.memory_count; i++) {
        const struct boot_memory *m = &machine.boot.memory[i];

        if (m->type == MEMORY_USABLE && m->base + m->size <= 4 * GIB)
            top = MAX(top, m->base + m->size);
    }
    return ALIGN_DOWN(MAX(top, 2 * LOADERS_HEAP) - LOADERS_HEAP, PAGE_2M);
}

static void tell_last_run(const struct blackbox *b)
{
    const char *vm = b->crashed ? b->names[b->crashed - 1] : "";

    log_info("black box: %u events of the run before%s%s%s%s, 'trace last' shows them", blackbox_events(b),
             b->end == BLACKBOX_PANIC ? ", which ended by a panic" : "", *vm ? ", in which [vm " : "", vm,
             *vm ? "] crashed" : "");
}

/* The place is about to be used again. */
static void keep_last_run(const struct blackbox *old)
{
    uint64_t size = old->cpus * sizeof(trace_ring);
    char *copy = memory_alloc_zeroed(&memory_host, MEMORY_STATE, pages_of(old->cpus));

    if (!copy) {
        log_error("black box: no memory to keep what the run before left");
        return;
    }
    memcpy(copy, blackbox_rings(old), size + sizeof(*old));
    blackbox_last = (const struct blackbox *)(copy + size);
    tell_last_run(blackbox_last);
}

void blackbox_setup(void)
{
    uint64_t pages = pages_of(cpu_count);
    hpa_t at =
        memory_alloc_high(&memory_host, MEMORY_STATE, pages, sizeof(trace_ring) / PAGE_SIZE, place_box());
    trace_ring *rings = phys_to_virt(at);

    if (!at.value)
        panic("no memory for the trace of %u CPUs", cpu_count);
    ASSERT(((uintptr_t)rings & TRACE_WRAP) == 0);
    blackbox = (struct blackbox *)(rings + cpu_count);
    if (blackbox_valid(blackbox, at.value + (pages - 1) * PAGE_SIZE - MIB))
        keep_last_run(blackbox);
    memory_zero(rings, pages);
    *blackbox = (struct blackbox){
        .magic = BLACKBOX_MAGIC, .version = BLACKBOX_VERSION, .cpus = cpu_count, .tsc_hz = machine.tsc_hz};
    blackbox_seal(blackbox);
    for (unsigned i = 0; i < cpu_count; i++)
        cpus[i]->trace = rings[i];
}

void blackbox_name_vms(const struct config *config)
{
    ASSERT(blackbox);
    for (unsigned i = 0; i < config->vm_count; i++)
        memcpy(blackbox->names[i], config->vms[i].name, CONFIG_NAME_SIZE);
    blackbox_seal(blackbox);
}

void blackbox_note_crash(unsigned vm)
{
    static struct spinlock lock;

    ASSERT(vm < CONFIG_MAX_VMS);
    spin_lock(&lock);
    blackbox->crashed = vm + 1;
    blackbox_seal(blackbox);
    spin_unlock(&lock);
}

void blackbox_note_end(enum blackbox_end end)
{
    if (!blackbox)
        return;
    blackbox->end = end;
    blackbox_seal(blackbox);
}

void blackbox_erase(void)
{
    if (blackbox)
        memory_zero((void *)blackbox_rings(blackbox), pages_of(blackbox->cpus));
}
