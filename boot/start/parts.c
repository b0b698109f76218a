/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM is made of, beside its RAM and its vCPUs: a new device that is a subject of its own is a row
 * here. */
#include "boot/start/parts.h"

#include "apic/vlapic.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"
#include "core/vm/shared_pages.h"
#include "dev/net/networks.h"
#include "dev/pc.h"
#include "dev/pci/ivshmem.h"
#include "dev/pci/pci.h"
#include "dev/virtio/devices.h"
#include "dev/virtio/serial_lines.h"
#include "sched/sched.h"

/* Which backend it is, is known at run time only. */
static bool backend_create(struct vm *vm, const struct placement *p UNUSED)
{
    return backend.vm_create(vm);
}

static bool backend_create_vcpu(struct vcpu *v, const struct placement *p UNUSED)
{
    return backend.vcpu_create(v);
}

static void backend_reset(struct vm *vm)
{
    backend.vm_reset(vm);
}

static void backend_reset_vcpu(struct vcpu *v, const struct start_state *start)
{
    backend.vcpu_reset(v, start);
}

static void backend_destroy(struct vm *vm)
{
    backend.vm_destroy(vm);
}

const struct vm_part vm_parts[] = {
    {.name = "local APICs", .create = apic_create, .create_vcpu = vlapic_create, .reset_vcpu = vlapic_reset},
    {.name = "backend",
     .create = backend_create,
     .create_vcpu = backend_create_vcpu,
     .reset = backend_reset,
     .reset_vcpu = backend_reset_vcpu,
     .destroy = backend_destroy},
    {.name = "devices",
     .create = pc_create,
     .firmware = pc_write_firmware,
     .reset = pc_reset,
     .destroy = pc_destroy},
    {.name = "PCI", .create = pci_create, .firmware = pci_show_ecam},
    {.name = "shared memory", .create = ivshmem_create, .destroy = ivshmem_destroy},
    {.name = "virtio", .create = virtio_create},
    {.name = "serial line", .rest = serial_rest, .destroy = serial_detach},
    {.name = "network cards", .create = cards_create, .rest = cards_rest, .destroy = cards_destroy},
    {.name = "shared pages",
     .create = shared_pages_create,
     .create_vcpu = shared_pages_create_vcpu,
     .reset = channel_reset,
     .destroy = channel_detach},
    {.name = "scheduler", .create = sched_create, .create_vcpu = sched_create_vcpu},
};

const unsigned vm_part_count = ARRAY_SIZE(vm_parts);
