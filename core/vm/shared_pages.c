/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/shared_pages.h"

#include "arch/x86/layout.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"

static bool map(struct vm *vm, gpa_t at, void *page, bool writable)
{
    return page && backend.map_page(vm, at, virt_to_phys(page), writable);
}

bool shared_pages_create(struct vm *vm)
{
    if (vm->config->pv == PV_NONE)
        return true;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (!map(vm, gpa(GUEST_STATISTICS + i * PAGE_SIZE), vm->vcpus[i]->stats, false))
            return false;
    }
    for (unsigned i = 0; i < vm->config->channel_count; i++) {
        if (!map(vm, gpa(GUEST_CHANNELS + i * PAGE_SIZE), channel_attach(vm, i), true))
            return false;
    }
    return true;
}
