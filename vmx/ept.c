/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT (SDM volume 3, "The extended page table mechanism"), and what a VM has beside it. */
#include "vmx/ept.h"

#include "apic/guest_tsc.h"
#include "apic/vlapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/machine.h"
#include "core/base/panic.h"
#include "hypercall/kvm.h"
#include "vcpu/guards.h"
#include "vmx/apicv.h"
#include "vmx/caps.h"
#include "vmx/msr_bitmap.h"
#include "vmx/tlb.h"

#define EPT_RWX        UINT64_C(7)
#define EPT_READ       UINT64_C(1)
#define EPT_WRITE      UINT64_C(2)
#define EPT_EXECUTE    UINT64_C(4)
#define EPT_ATTRIBUTES UINT64_C(0x7f)
#define EPT_TYPE_SHIFT 3
#define EPT_IPAT       UINT64_C(0x40)
#define EPTP_WB        UINT64_C(6)
#define EPTP_WALK_4    (UINT64_C(3) << 3)

_Static_assert(EPT_READ == (uint64_t)GUEST_MAY_READ && EPT_WRITE == (uint64_t)GUEST_MAY_WRITE &&
                   EPT_EXECUTE == (uint64_t)GUEST_MAY_EXECUTE,
               "rights are the lowest bits of an entry");
_Static_assert(CACHE_WB << EPT_TYPE_SHIFT < EPT_ATTRIBUTES && !(EPT_ATTRIBUTES & PTE_LARGE),
               "then the type, then the bit of a large page");
_Static_assert(VLAPIC_BASE / PAGE_1G == 3, "a GiB that RAM leaves out (core/vm/guest.c)");
_Static_assert(GUEST_STATISTICS / PAGE_2M == VLAPIC_BASE / PAGE_2M, "shared pages cost no table more");
_Static_assert(1 + CONFIG_MAX_VMS * VM_MAX_VCPUS <= UINT16_MAX, "a VPID for each vCPU, none of them 0");

static void *ept_table_page(void *context)
{
    return memory_alloc_zeroed(context, MEMORY_TABLES, 1);
}

/*
 * A guest's PAT counts only where a device may be behind (SDM volume 3, "EPT Memory Types"): reads past the
 * caches could find in RAM what its owner before has left there.
 */
static uint64_t ept_type(enum cache_type type)
{
    return (uint64_t)type << EPT_TYPE_SHIFT | (type == CACHE_UC ? 0 : EPT_IPAT);
}

static uint64_t ept_leaf(unsigned rights, enum cache_type type)
{
    return rights | ept_type(type);
}

static uint64_t ept_pointer(const struct page_table *t)
{
    return virt_to_phys(t->root).value | EPTP_WB | EPTP_WALK_4;
}

/*
 * The same memory with the page of the local APIC, for vCPUs in xAPIC mode: in the others' view nothing is
 * there. The two views share all tables below the top two, as RAM leaves out the GiB with that page
 * (core/vm/guest.c).
 */
static bool map_apic_page(struct vm *vm, struct vmx_vm *x)
{
    struct page_table *view = &x->ept_apic;
    uint64_t *top, *next;

    *view = x->ept.table;
    /* Its own: the processor's walks of a guest's tables do reach this page (SDM volume 3, "Guest-Physical
     * Accesses to the APIC-Access Page"), and a page of all VMs would be a channel between them.
     */
    x->apic_access = memory_alloc_zeroed(&vm->account, MEMORY_CONTROL, 1);
    top = view->root = ept_table_page(&vm->account);
    next = ept_table_page(&vm->account);
    if (!x->apic_access || !top || !next)
        return false;
    ASSERT(x->ept.table.root[0] & EPT_RWX); /* there is RAM at address 0 */
    memcpy(top, x->ept.table.root, PAGE_SIZE);
    memcpy(next, phys_to_virt(hpa(top[0] & ~(PAGE_SIZE - 1))), PAGE_SIZE);
    top[0] = virt_to_phys(next).value | EPT_RWX;
    x->ept.view = view;
    x->ept_pointer_apic = ept_pointer(view);
    return paging_map(view, VLAPIC_BASE, virt_to_phys(x->apic_access).value, PAGE_SIZE,
                      ept_leaf(EPT_RWX, CACHE_WB));
}

static bool create_msr_bitmaps(struct vm *vm, struct vmx_vm *x)
{
    x->msr_bitmap = memory_alloc_zeroed(&vm->account, MEMORY_CONTROL, 1);
    if (!x->msr_bitmap)
        return false;
    vmx_msr_bitmap_init(x->msr_bitmap, vm);
    if (x->rung < RUNG_X2APIC || !vm->config->x2apic)
        return true;
    x->msr_bitmap_x2apic = memory_alloc_zeroed(&vm->account, MEMORY_CONTROL, 1);
    if (!x->msr_bitmap_x2apic)
        return false;
    vmx_msr_bitmap_init(x->msr_bitmap_x2apic, vm);
    vmx_apicv_open_msrs(x->msr_bitmap_x2apic, x->rung);
    return true;
}

/* A level of the tables; 1 is 4 KiB. */
static unsigned largest_leaf(const struct vm *vm)
{
    if (!(vmx_caps.ept_vpid & EPT_PAGES_2M) || (vm->guards & GUARD_SMALL_PAGES))
        return 1;
    return vmx_caps.ept_vpid & EPT_PAGES_1G ? 3 : 2;
}

bool vmx_vm_create(struct vm *vm)
{
    struct vmx_vm *x = memory_alloc_zeroed(&vm->account, MEMORY_STATE, 1);

    ASSERT(vm->id < CONFIG_MAX_VMS);
    if (!x)
        return false;
    vm->backend = x;
    vm->guards = guards_for(vm->config);
    x->first_vpid = (uint16_t)(1 + vm->id * VM_MAX_VCPUS);
    x->ept = (struct second_level){
        .table = {.root = ept_table_page(&vm->account),
                  .present = EPT_RWX,
                  .table_flags = EPT_RWX,
                  .max_leaf = largest_leaf(vm),
                  .alloc = ept_table_page,
                  .context = &vm->account},
        .leaf = ept_leaf,
        .writable = EPT_WRITE,
    };
    vm->tables = &x->ept;
    if (!x->ept.table.root || !second_level_map_ram(vm))
        return false;
    x->ept_pointer = ept_pointer(&x->ept.table);
    second_level_new_generation(&x->ept);
    x->rung = vmx_rung(vm->config);
    vm->kvm_features = kvm_features(vm->config, vmx_needless(vm->config));
    if (vm->config->tsc_khz)
        vm->tsc_multiplier = guest_tsc_divide(vm_tsc_hz(vm), machine.tsc_hz);
    if (x->rung >= RUNG_TPR_SHADOW && !map_apic_page(vm, x))
        return false;
    return create_msr_bitmaps(vm, x);
}
