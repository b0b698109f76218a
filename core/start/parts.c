/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM is made of, beside its RAM and its vCPUs: a new device that is a subject of its own is a row
 * here. */
#include "core/start/parts.h"

#include "apic/vlapic.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"
#include "core/vm/shared_pages.h"
#include "dev/pc.h"
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
    {"local APICs", apic_create, vlapic_create, NULL, NULL, vlapic_reset, NULL},
    {"backend", backend_create, backend_create_vcpu, NULL, backend_reset, backend_reset_vcpu,
     backend_destroy},
    {"devices", pc_create, NULL, pc_write_firmware, pc_reset, NULL, pc_destroy},
    {"shared pages", shared_pages_create, shared_pages_create_vcpu, NULL, channel_reset, NULL,
     channel_detach},
    {"scheduler", sched_create, sched_create_vcpu, NULL, NULL, NULL, NULL},
};

const unsigned vm_part_count = ARRAY_SIZE(vm_parts);
