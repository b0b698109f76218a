/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/devices.h"

#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/vm/vm.h"
#include "dev/virtio/serial_lines.h"

typedef unsigned long long number;

/* --- what happens to all of them --- */

static void work_on_devices(struct vm *vm)
{
    for (struct virtio_pci *p = vm->virtio; p; p = p->next)
        virtio_work(&p->device);
}

static void print_device(const struct vm *vm, const struct virtio_pci *p)
{
    const struct virtio_device *d = &p->device;
    number kicks = 0, chains = 0, interrupts = 0;

    for (unsigned i = 0; i < d->queue_count; i++) {
        kicks += d->queues[i].kicks;
        chains += d->queues[i].chains;
        interrupts += d->queues[i].interrupts;
    }
    log_info("[vm %s] 00:%02x.0 %s: %llu kicks, %llu requests, %llu interrupts, %llu errors, %llu faults, "
             "%llu kicks ignored%s%s",
             vm->config->name, p->function.slot, d->ops->name, kicks, chains, interrupts, (number)d->errors,
             (number)d->faults, (number)d->ignored, d->fault ? "; needs a reset: " : "",
             d->fault ? d->fault : "");
}

static void print_devices(const struct vm *vm)
{
    for (const struct virtio_pci *p = vm->virtio; p; p = p->next)
        print_device(vm, p);
    serial_print(vm);
}

/* --- how they come into being --- */

void virtio_add(struct vm *vm, struct virtio_pci *p)
{
    struct virtio_pci **last = &vm->virtio;

    while (*last)
        last = &(*last)->next;
    *last = p;
    vm->device_work = work_on_devices;
    vm->print_devices = print_devices;
}

/* False: out of memory. */
static bool add_device(struct vm *vm, struct virtio_pci *p)
{
    if (p)
        virtio_add(vm, p);
    return p;
}

bool virtio_create(struct vm *vm, const struct placement *p UNUSED)
{
    const struct vm_config *c = vm->config;

    ASSERT(!vm->virtio && c->disk_count <= VM_MAX_DISKS);
    if (c->rng && !add_device(vm, virtio_pci_create(vm, &rng_identity)))
        return false;
    for (unsigned i = 0; i < c->disk_count; i++) {
        if (!add_device(vm, disk_create(vm, i)))
            return false;
    }
    return c->console != CONSOLE_VIRTIO || add_device(vm, vconsole_create(vm));
}

/* --- for the monitor --- */

static void dump_queue(const struct virtio_queue *q, unsigned i)
{
    const struct ring *r = &q->ring;

    print("  queue %u: ", i);
    if (!r->memory) {
        print("not enabled, up to %u descriptors\n", q->max_size);
        return;
    }
    print("%s, %u descriptors at %llx, driver %llx, device %llx, next %u, used %u, vector %x%s%s\n",
          r->layout.packed ? "packed" : "split", r->layout.size, (number)q->desc, (number)q->driver,
          (number)q->device, r->next, r->used, q->vector, r->fault ? ", broken: " : "",
          r->fault ? r->fault : "");
}

bool virtio_dump(const struct vm *vm, unsigned slot)
{
    const struct virtio_pci *p = vm->virtio;

    while (p && p->function.slot != slot)
        p = p->next;
    if (!p)
        return false;
    print_device(vm, p);
    print("  status %x, features %llx of %llx, ISR %x, %s\n", p->device.status, (number)p->device.features,
          (number)p->device.offered, p->device.isr, pci_msix_enabled(&p->function) ? "MSI-X" : "INTx");
    for (unsigned i = 0; i < p->device.queue_count; i++)
        dump_queue(&p->device.queues[i], i);
    return true;
}
