/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/pci/ivshmem.h"

#include "arch/x86/layout.h"
#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/vm/backend.h"
#include "core/vm/shared_memory.h"
#include "dev/pci/pci.h"

#define VENDOR_DEVICE_ID 0x1af41110u /* Red Hat's, ivshmem */
#define RAM_CONTROLLER   0x050000u
#define REGISTERS_SIZE   256
#define PENDING_AT       0x800

enum { BAR_REGISTERS, BAR_VECTORS, BAR_MEMORY };
enum { INTERRUPT_MASK = 0x0, INTERRUPT_STATUS = 0x4, POSITION = 0x8, DOORBELL = 0xc };

struct ivshmem {
    struct pci_function function; /* first */
    const struct shared_config *config;
    struct shared_memory *memory;
    uint32_t mask;                            /* kept, and nothing else */
    uint64_t rung, heard, ignored, unwritten; /* doorbells out and in; accesses and writes that did nothing */
    struct pci_msix_entry entries[IVSHMEM_VECTORS];
};

_Static_assert(IVSHMEM_SLOT == PCI_LARGE_SLOT && VM_MAX_SHARED <= PCI_LARGE_MAX, "each has its place");
_Static_assert(offsetof(struct ivshmem, function) == 0, "found by it");
_Static_assert(sizeof(struct ivshmem) <= PAGE_SIZE, "one page");

typedef unsigned long long number;

static struct ivshmem *ivshmem_of(struct pci_function *f)
{
    return (struct ivshmem *)f;
}

/* Any vCPU of several VMs may count. */
static void count_one(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* --- doorbells --- */

/* In the VM that is rung at, on the CPU of the one that rings. */
static void hear(void *context, unsigned vector)
{
    struct ivshmem *s = context;

    ASSERT(vector < IVSHMEM_VECTORS);
    count_one(&s->heard);
    pci_msix_send(&s->function, vector);
}

static void ring_doorbell(struct ivshmem *s, uint32_t value)
{
    unsigned peer = value >> 16, vector = value & 0xffff;
    bool heard = vector < IVSHMEM_VECTORS &&
                 shared_ring_at(s->memory, peer, (unsigned)index_nospec(vector, IVSHMEM_VECTORS));

    count_one(heard ? &s->rung : &s->ignored);
}

/* --- registers --- */

static bool is_register(unsigned offset, unsigned size)
{
    return size == 4 && offset % 4 == 0;
}

static uint64_t read_register(struct ivshmem *s, unsigned offset, unsigned size)
{
    if (!is_register(offset, size))
        return UINT64_MAX;
    switch (offset) {
    case INTERRUPT_MASK: return s->mask;
    case POSITION: return s->config->peer;
    default: return 0;
    }
}

static void write_register(struct ivshmem *s, unsigned offset, unsigned size, uint32_t value)
{
    if (!is_register(offset, size))
        count_one(&s->ignored);
    else if (offset == INTERRUPT_MASK)
        s->mask = value;
    else if (offset == DOORBELL)
        ring_doorbell(s, value);
}

/* --- memory: by an instruction that is emulated, as another device's memory is at its other end, or as it
 * must not write here --- */

static uint8_t *byte_at(const struct ivshmem *s, unsigned offset)
{
    return (uint8_t *)phys_to_virt(shared_base(s->memory)) + index_nospec(offset, s->config->size);
}

static uint64_t ivshmem_read(struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    struct ivshmem *s = ivshmem_of(f);

    if (bar == BAR_REGISTERS)
        return read_register(s, offset, size);
    return bar == BAR_MEMORY ? load_le(byte_at(s, offset), size) : UINT64_MAX;
}

static void ivshmem_write(struct pci_function *f, unsigned bar, unsigned offset, unsigned size,
                          uint64_t value)
{
    struct ivshmem *s = ivshmem_of(f);

    if (bar == BAR_REGISTERS)
        write_register(s, offset, size, (uint32_t)value);
    else if (bar == BAR_MEMORY && s->config->read_only)
        count_one(&s->unwritten);
    else if (bar == BAR_MEMORY)
        store_le(byte_at(s, offset), value, size);
}

/* The guest's own tables and BARs say where it is; what it may do there, its second-level tables do. */
static bool ivshmem_opened(struct pci_function *f, unsigned bar, uint64_t at)
{
    struct ivshmem *s = ivshmem_of(f);
    unsigned rights = GUEST_MAY_READ | (s->config->read_only ? 0 : GUEST_MAY_WRITE);

    if (bar != BAR_MEMORY)
        return true;
    if (at < GUEST_WINDOWS || at >= GUEST_WINDOWS_END || s->config->size > GUEST_WINDOWS_END - at)
        return false;
    return backend.map_window(f->vm, gpa(at), shared_base(s->memory), s->config->size, rights);
}

static void ivshmem_closed(struct pci_function *f, unsigned bar, uint64_t at)
{
    if (bar == BAR_MEMORY)
        backend.map_window(f->vm, gpa(at), hpa(0), ivshmem_of(f)->config->size, 0);
}

static void ivshmem_reset(struct pci_function *f)
{
    shared_settle(ivshmem_of(f)->memory); /* none comes to the next guest: vCPUs are reset behind this */
    ivshmem_of(f)->mask = 0;
}

static const struct pci_function_ops ivshmem_ops = {.name = "shared memory",
                                                    .bar_read = ivshmem_read,
                                                    .bar_write = ivshmem_write,
                                                    .bar_opened = ivshmem_opened,
                                                    .bar_closed = ivshmem_closed,
                                                    .reset = ivshmem_reset};

/* --- how they come into being --- */

static bool add_ivshmem(struct vm *vm, struct ivshmem *s, unsigned i)
{
    const struct pci_identity id = {
        .vendor = VENDOR_DEVICE_ID >> 16,
        .device = VENDOR_DEVICE_ID & 0xffff,
        .subsystem_vendor = VENDOR_DEVICE_ID >> 16,
        .subsystem = 0x1100,
        .class_code = RAM_CONTROLLER,
        .revision = 1,
        .bars = {[BAR_REGISTERS] = {PCI_BAR_MEMORY32, REGISTERS_SIZE},
                 [BAR_VECTORS] = {PCI_BAR_MEMORY32, PAGE_SIZE},
                 [BAR_MEMORY] = {PCI_BAR_PREFETCH64, (uint32_t)s->config->size}},
        .msix = {.vectors = IVSHMEM_VECTORS, .bar = BAR_VECTORS, .pba = PENDING_AT, .entries = s->entries},
    };
    const char *why = pci_add(vm, &s->function, &ivshmem_ops, IVSHMEM_SLOT + i, &id);

    ASSERT(!why || !vm->bus->windows.tables[0]); /* ours, and nobody else's place */
    return !why;
}

/* The tables that show it are there from now on. */
static bool create_one(struct vm *vm, unsigned i)
{
    struct ivshmem *s = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);

    if (!s || !backend.map_window(vm, gpa(GUEST_WINDOWS), hpa(0), PAGE_2M, 0))
        return false;
    s->config = &vm->config->shared[i];
    s->memory = shared_attach(vm, i, hear, s);
    vm->shared[i] = s;
    return s->memory && add_ivshmem(vm, s, i);
}

bool ivshmem_create(struct vm *vm, const struct placement *p UNUSED)
{
    ASSERT(vm->config->shared_count <= VM_MAX_SHARED);
    for (unsigned i = 0; i < vm->config->shared_count; i++) {
        if (!create_one(vm, i))
            return false;
    }
    if (vm->config->shared_count)
        vm->print_shared = ivshmem_print;
    return true;
}

void ivshmem_destroy(struct vm *vm)
{
    shared_detach(vm);
}

void ivshmem_print(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->config->shared_count; i++) {
        const struct ivshmem *s = vm->shared[i];

        log_info(
            "[vm %s] 00:%02x.0 shared memory %s, number %u: %llu doorbells rung, %llu heard, %llu ignored, "
            "%llu writes without the right",
            vm->config->name, s->function.slot, s->config->name, s->config->peer, (number)s->rung,
            (number)s->heard, (number)s->ignored, (number)s->unwritten);
    }
}
