/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/virtio_pci.h"

#include "arch/x86/string.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "core/vm/vm.h"
#include "dev/virtio/vm_memory.h"
#include "sched/sched.h"

#define VENDOR        0x1af4
#define FIRST_DEVICE  0x1040 /* and the type */
#define REVISION      1
#define PAGE          0x1000u
#define ISR_AT        PAGE
#define CONFIG_AT     (2 * PAGE)
#define DOORBELL_AT   (3 * PAGE)
#define DOORBELL_STEP 4u
#define PBA_AT        0x800u
#define NO_QUEUE      UINT32_MAX

enum { REGISTERS, VECTORS, PORTS, BARS };
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_ACCESS };
/* Offsets in a capability, whose first bytes are the bus's. */
enum { CAP_TYPE = 3, CAP_BAR, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_MORE = 16, CAP_SIZE = 20 };

static struct virtio_pci *of_function(struct pci_function *f)
{
    return (struct virtio_pci *)((char *)f - offsetof(struct virtio_pci, function));
}

/* --- interrupts --- */

/* The line is up while the status says why. */
static void set_status(struct virtio_pci *p, unsigned isr)
{
    spin_lock(&p->line);
    __atomic_fetch_or(&p->device.isr, (uint8_t)isr, __ATOMIC_ACQ_REL);
    pci_set_intx(&p->function, p->device.isr);
    spin_unlock(&p->line);
}

/* A reset has cleared it. */
static void settle_line(struct virtio_pci *p)
{
    spin_lock(&p->line);
    pci_set_intx(&p->function, p->device.isr);
    spin_unlock(&p->line);
}

static uint8_t take_status(struct virtio_pci *p)
{
    uint8_t isr;

    spin_lock(&p->line);
    isr = virtio_take_isr(&p->device);
    pci_set_intx(&p->function, false);
    spin_unlock(&p->line);
    return isr;
}

static void raise_interrupt(void *context, uint16_t vector, unsigned isr)
{
    struct virtio_pci *p = context;

    if (likely(pci_msix_enabled(&p->function))) {
        if (isr == VIRTIO_ISR_CONFIG)
            set_status(p, isr);
        pci_msix_send(&p->function, vector); /* none is beyond its end */
    } else {
        set_status(p, isr);
    }
}

/* --- the VM around it --- */

/* The vCPU that asks goes on with its guest in between. */
static void work_later(void *context)
{
    const struct virtio_pci *p = context;
    struct vm *vm = p->function.vm;
    struct vcpu *v = this_cpu()->vcpu;

    if (vm_lives(vm))
        vcpu_ask(v && v->vm == vm ? v : vm->vcpus[0], ASKED_DEVICES);
}

/* --- what is behind the BARs --- */

static uint64_t read_register(struct virtio_pci *p, unsigned offset, unsigned size)
{
    if (offset >= DOORBELL_AT || size > 4)
        return 0;
    if (offset >= CONFIG_AT)
        return virtio_config_read(&p->device, offset - CONFIG_AT, size);
    if (offset >= ISR_AT)
        return offset == ISR_AT ? take_status(p) : 0;
    return virtio_common_read(&p->device, offset, size);
}

static void write_register(struct virtio_pci *p, unsigned offset, unsigned size, uint32_t value)
{
    if (size > 4)
        return;
    if (offset >= CONFIG_AT)
        virtio_config_write(&p->device, offset - CONFIG_AT, size, value);
    else
        virtio_common_write(&p->device, offset, size, value);
    if (p->function.intx && !p->device.isr)
        settle_line(p);
}

static uint64_t read_bar(struct pci_function *f, unsigned bar, unsigned offset, unsigned size)
{
    struct virtio_pci *p = of_function(f);
    uint64_t value;

    if (bar != REGISTERS)
        return UINT64_MAX;
    spin_lock(&p->lock);
    value = read_register(p, offset, size);
    spin_unlock(&p->lock);
    return value;
}

/* By its port, which is nearly always. */
static void ring_by_port(void *context, uint32_t queue)
{
    virtio_kick(&((struct virtio_pci *)context)->device, queue);
}

/* A doorbell is 16 bits wide; anything else is no kick. */
static void write_bar(struct pci_function *f, unsigned bar, unsigned offset, unsigned size, uint64_t value)
{
    struct virtio_pci *p = of_function(f);

    if (bar == PORTS) {
        virtio_kick(&p->device, offset == 0 && size == 2 ? (unsigned)value : NO_QUEUE);
    } else if (bar == REGISTERS && offset >= DOORBELL_AT) {
        offset -= DOORBELL_AT;
        virtio_kick(&p->device, offset % DOORBELL_STEP == 0 && size == 2 ? offset / DOORBELL_STEP : NO_QUEUE);
    } else if (bar == REGISTERS) {
        spin_lock(&p->lock);
        write_register(p, offset, size, (uint32_t)value);
        spin_unlock(&p->lock);
    }
}

/* --- access to BARs by configuration space --- */

struct bar_access {
    unsigned bar;
    uint32_t offset, length;
};

/* False: it names nothing that can be accessed. */
static bool get_access(const struct virtio_pci *p, struct bar_access *a)
{
    const uint8_t *c = p->function.config + p->access;

    *a = (struct bar_access){c[CAP_BAR], le32(c + CAP_OFFSET), le32(c + CAP_LENGTH)};
    return a->bar < BARS && (a->length == 1 || a->length == 2 || a->length == 4) &&
           a->offset % a->length == 0;
}

static uint32_t read_access(struct pci_function *f, unsigned offset UNUSED, unsigned size UNUSED)
{
    struct bar_access a;

    if (!get_access(of_function(f), &a))
        return UINT32_MAX;
    return (uint32_t)pci_bar_read(f, a.bar, a.offset, a.length);
}

static void write_access(struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
    struct bar_access a;

    if (offset % 4 == 0 && get_access(of_function(f), &a) && size >= a.length)
        pci_bar_write(f, a.bar, a.offset, a.length, value);
}

/* --- its life --- */

static void reset_function(struct pci_function *f)
{
    struct virtio_pci *p = of_function(f);

    virtio_reset(&p->device);
    for (unsigned i = 0; i < p->device.queue_count; i++)
        p->device.queues[i].later = false; /* nobody is asked to any more */
}

static const struct pci_function_ops function_ops = {.name = "virtio",
                                                     .bar_read = read_bar,
                                                     .bar_write = write_bar,
                                                     .config_read = read_access,
                                                     .config_write = write_access,
                                                     .reset = reset_function};

static unsigned add_capability(struct virtio_pci *p, unsigned type, unsigned bar, uint32_t offset,
                               uint32_t length, uint32_t multiplier)
{
    static const uint8_t open[CAP_SIZE] = {
        [CAP_BAR] = 0xff, [CAP_OFFSET] = 0xff, 0xff, 0xff, 0xff, [CAP_LENGTH] = 0xff, 0xff, 0xff, 0xff};
    uint8_t body[CAP_SIZE] = {[CAP_TYPE] = (uint8_t)type, [CAP_BAR] = (uint8_t)bar};
    bool more = type == CAP_NOTIFY || type == CAP_ACCESS;
    struct pci_capability c = {.id = PCI_CAPABILITY_VENDOR, .size = more ? CAP_SIZE : CAP_MORE, .body = body};

    if (type == CAP_ACCESS) {
        c.writable = open;
        c.live = CAP_MORE;
    }
    body[2] = c.size;
    store_le(body + CAP_OFFSET, offset, 4);
    store_le(body + CAP_LENGTH, length, 4);
    store_le(body + CAP_MORE, multiplier, 4);
    return pci_add_capability(&p->function, &c);
}

static void add_capabilities(struct virtio_pci *p)
{
    unsigned queues = p->device.queue_count;

    add_capability(p, CAP_COMMON, REGISTERS, 0, VIRTIO_COMMON_SIZE, 0);
    add_capability(p, CAP_NOTIFY, PORTS, 0, 4, 0);
    add_capability(p, CAP_ISR, REGISTERS, ISR_AT, 1, 0);
    if (p->device.config_size)
        add_capability(p, CAP_DEVICE, REGISTERS, CONFIG_AT, p->device.config_size, 0);
    add_capability(p, CAP_NOTIFY, REGISTERS, DOORBELL_AT, queues * DOORBELL_STEP, DOORBELL_STEP);
    p->access = add_capability(p, CAP_ACCESS, REGISTERS, 0, 0, 0);
    ASSERT(p->access);
}

static const char *add_to_bus(struct vm *vm, struct virtio_pci *p, const struct virtio_identity *id)
{
    struct pci_identity identity = {
        .vendor = VENDOR,
        .device = (uint16_t)(FIRST_DEVICE + id->ops->type),
        .subsystem_vendor = VENDOR,
        .subsystem = (uint16_t)(FIRST_DEVICE + id->ops->type),
        .class_code = id->class_code,
        .revision = REVISION,
        .intx = true,
        .bars = {[REGISTERS] = {PCI_BAR_MEMORY32, 4 * PAGE},
                 [VECTORS] = {PCI_BAR_MEMORY32, PAGE},
                 [PORTS] = {PCI_BAR_IO, 4}},
        .msix =
            {.vectors = p->device.vectors, .bar = VECTORS, .table = 0, .pba = PBA_AT, .entries = p->entries},
    };

    return pci_add(vm, &p->function, &function_ops, id->slot, &identity);
}

/* Where the parts of a device lie that have no fixed size, from its beginning on. */
struct places {
    size_t queues, entries, segments, model, end;
};

static size_t place_part(size_t *end, size_t count, size_t size)
{
    size_t at = ALIGN_UP(*end, 16);

    *end = at + count * size;
    return at;
}

static struct places find_places(const struct virtio_identity *id, unsigned queues)
{
    struct places at = {.end = sizeof(struct virtio_pci)};

    at.queues = place_part(&at.end, queues, sizeof(struct virtio_queue));
    at.entries = place_part(&at.end, queues + 1, sizeof(struct pci_msix_entry));
    at.segments = place_part(&at.end, (size_t)queues * id->ops->queue_size, sizeof(struct ring_segment));
    at.model = place_part(&at.end, 1, id->model_size);
    return at;
}

struct virtio_pci *virtio_pci_create(struct vm *vm, const struct virtio_identity *id)
{
    unsigned queues = id->queue_count ? id->queue_count : id->ops->queue_count;
    struct places at = find_places(id, queues);
    char *all = memory_alloc_zeroed(&vm->account, MEMORY_STATE, ALIGN_UP(at.end, PAGE_SIZE) / PAGE_SIZE);
    struct virtio_pci *p = (struct virtio_pci *)all;
    const char *why;

    if (!p)
        return NULL;
    ASSERT(id->config_size <= VIRTIO_CONFIG_BYTES);
    p->entries = (struct pci_msix_entry *)(all + at.entries);
    p->device = (struct virtio_device){.ops = id->ops,
                                       .model = all + at.model,
                                       .host = {p, &p->memory, raise_interrupt, work_later},
                                       .queues = (struct virtio_queue *)(all + at.queues),
                                       .queue_count = queues,
                                       .vectors = queues + 1,
                                       .config_size = id->config_size};
    if (id->config_size)
        memcpy(p->device.config, id->config, id->config_size);
    if (id->model)
        memcpy(p->device.model, id->model, id->model_given);
    p->function.doorbell = (struct doorbell){.ring = ring_by_port, .context = p};
    p->memory = vm_memory(vm);
    why = add_to_bus(vm, p, id);
    if (why)
        panic("%s: %s", id->ops->name, why); /* its place and its size are ours */
    add_capabilities(p);
    virtio_init(&p->device, id->features | (VIRTIO_F_TRANSPORT & ~id->without),
                (struct ring_segment *)(all + at.segments));
    return p;
}
