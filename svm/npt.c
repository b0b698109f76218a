/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested page tables (APM volume 2, "Nested paging"), and what a VM has beside them. They have the format of
 * the host's own tables; all accesses of a guest count as those of a user. There is no bit to ignore the
 * guest's PAT.
 */
#include "svm/npt.h"

#include "apic/guest_tsc.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "hypercall/kvm.h"
#include "svm/msr.h"
#include "vcpu/guards.h"

#define NPT_USER  BIT(2)
#define NPT_TABLE (PTE_P | PTE_W | NPT_USER)

static void *table_page(void *context)
{
    return memory_alloc_zeroed(context, MEMORY_TABLES, 1);
}

/* By the host's PAT; what its MTRRs say of the memory behind it counts by itself. */
static uint64_t npt_leaf(unsigned rights, enum cache_type type)
{
    return PTE_P | NPT_USER | (rights & GUEST_MAY_WRITE ? PTE_W : 0) |
           (rights & GUEST_MAY_EXECUTE ? 0 : PTE_NX) | (type == CACHE_UC ? PTE_PCD | PTE_PWT : 0);
}

bool svm_vm_create(struct vm *vm)
{
    struct svm_vm *x = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);

    if (!x)
        return false;
    vm->backend = x;
    vm->guards = guards_for(vm->config);
    x->npt = (struct second_level){
        .table = {.root = table_page(&vm->account),
                  .present = PTE_P,
                  .table_flags = NPT_TABLE,
                  .max_leaf = vm->guards & GUARD_SMALL_PAGES ? 1 : 2,
                  .alloc = table_page,
                  .context = &vm->account},
        .leaf = npt_leaf,
        .writable = PTE_W,
    };
    vm->tables = &x->npt;
    if (!x->npt.table.root || !second_level_map_ram(vm))
        return false;
    second_level_new_generation(&x->npt);
    vm->kvm_features = kvm_features(vm->config, (struct kvm_needless){0});
    if (vm->config->tsc_khz)
        vm->tsc_multiplier = guest_tsc_divide(vm_tsc_hz(vm), machine.tsc_hz);
    x->msr_map = memory_alloc_zeroed(&vm->account, MEMORY_CONTROL, MSR_MAP_PAGES);
    if (!x->msr_map)
        return false;
    svm_msr_map_init(x->msr_map, vm);
    return true;
}
