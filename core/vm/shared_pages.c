/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/shared_pages.h"

#include "arch/x86/layout.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"

_Static_assert(GUEST_STATISTICS + VM_MAX_VCPUS * PAGE_SIZE <= GUEST_CHANNELS, "a page for each vCPU");
_Static_assert(GUEST_STATISTICS / PAGE_2M == (GUEST_CHANNELS + VM_MAX_CHANNELS * PAGE_SIZE - 1) / PAGE_2M,
               "all in the same 2 MiB");

static bool share_page(struct vm *vm, gpa_t at, void *page, unsigned rights)
{
    return page && backend.map_range(vm, at, virt_to_phys(page), PAGE_SIZE, rights, CACHE_WB);
}

bool shared_pages_create(struct vm *vm, const struct placement *p UNUSED)
{
    for (unsigned i = 0; vm->config->pv != PV_NONE && i < vm->config->channel_count; i++) {
        if (!share_page(vm, gpa(GUEST_CHANNELS + i * PAGE_SIZE), channel_attach(vm, i),
                        GUEST_MAY_READ | GUEST_MAY_WRITE))
            return false;
    }
    return true;
}

bool shared_pages_create_vcpu(struct vcpu *v, const struct placement *p UNUSED)
{
    return v->vm->config->pv == PV_NONE ||
           share_page(v->vm, gpa(GUEST_STATISTICS + v->id * PAGE_SIZE), v->stats, GUEST_MAY_READ);
}
