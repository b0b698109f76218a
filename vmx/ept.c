/* SPDX-License-Identifier: BSD-2-Clause */
/* Second-level tables of a VM: its RAM and nothing else (SDM volume 3, "The extended page table mechanism").
 */
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

#define EPT_RWX          UINT64_C(7)
#define EPT_READ         UINT64_C(1)
#define EPT_WRITE        UINT64_C(2)
#define EPT_EXECUTE      UINT64_C(4)
#define EPT_ATTRIBUTES   UINT64_C(0x7f)
#define EPT_ADDRESS      UINT64_C(0x000ffffffffff000)
#define EPT_TYPE_SHIFT   3
#define EPT_IPAT         UINT64_C(0x40)
#define EPTP_WB          UINT64_C(6)
#define EPTP_WALK_4      (UINT64_C(3) << 3)
#define LEAF_SIZE(level) (UINT64_C(1) << (PAGE_SHIFT + 9 * ((level)-1)))

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

static bool map_pages(struct page_table *t, uint64_t guest, uint64_t host, uint64_t size)
{
    for (uint64_t done = 0; done < size; done += PAGE_SIZE) {
        enum cache_type type = mtrr_page_type(&machine.mtrrs, host + done);

        if (!paging_map(t, guest + done, host + done, PAGE_SIZE, EPT_RWX | ept_type(type)))
            return false;
    }
    return true;
}

/* One 2 MiB or 1 GiB piece: a large page if the MTRRs give all of it one type. */
static bool map_piece(struct page_table *t, uint64_t guest, uint64_t host, uint64_t size)
{
    enum cache_type type;

    ASSERT((size == PAGE_2M || size == PAGE_1G) && ((guest | host) & (size - 1)) == 0);
    if (!mtrr_range_type(&machine.mtrrs, host, size, &type))
        return map_pages(t, guest, host, size);
    return paging_map(t, guest, host, size, EPT_RWX | ept_type(type));
}

/* True when the RAM at offset has a whole aligned GiB in one piece on both sides. */
static bool whole_gib(const struct vm *vm, uint64_t guest, uint64_t offset, uint64_t left)
{
    uint64_t chunk = offset / PAGE_2M;
    enum cache_type type;

    if (left < PAGE_1G || (guest | vm->ram[chunk].value) & (PAGE_1G - 1))
        return false;
    for (uint64_t i = 1; i < PAGE_1G / PAGE_2M; i++) {
        if (vm->ram[chunk + i].value != vm->ram[chunk].value + i * PAGE_2M)
            return false;
    }
    return mtrr_range_type(&machine.mtrrs, vm->ram[chunk].value, PAGE_1G, &type);
}

static bool map_ram(struct vm *vm, struct page_table *t)
{
    struct guest_range ranges[GUEST_MAX_RANGES];
    unsigned count = guest_ranges(vm, ranges);
    uint64_t offset = 0;

    for (unsigned r = 0; r < count; r++) {
        for (uint64_t into = 0, step; into < ranges[r].size; into += step, offset += step) {
            uint64_t guest = ranges[r].base.value + into;

            step =
                t->max_leaf == 3 && whole_gib(vm, guest, offset, ranges[r].size - into) ? PAGE_1G : PAGE_2M;
            if (!map_piece(t, guest, vm->ram[offset / PAGE_2M].value, step))
                return false;
        }
    }
    return true;
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

    *view = x->ept;
    /* Its own: the processor's walks of a guest's tables do reach this page (SDM volume 3, "Guest-Physical
     * Accesses to the APIC-Access Page"), and a page of all VMs would be a channel between them.
     */
    x->apic_access = memory_alloc_zeroed(&vm->account, MEMORY_CONTROL, 1);
    top = view->root = ept_table_page(&vm->account);
    next = ept_table_page(&vm->account);
    if (!x->apic_access || !top || !next)
        return false;
    ASSERT(x->ept.root[0] & EPT_RWX); /* there is RAM at address 0 */
    memcpy(top, x->ept.root, PAGE_SIZE);
    memcpy(next, phys_to_virt(hpa(top[0] & ~(PAGE_SIZE - 1))), PAGE_SIZE);
    top[0] = virt_to_phys(next).value | EPT_RWX;
    x->ept_pointer_apic = ept_pointer(view);
    return paging_map(view, VLAPIC_BASE, virt_to_phys(x->apic_access).value, PAGE_SIZE,
                      EPT_RWX | ept_type(CACHE_WB));
}

/* In both views: where they share the table, it is the same entry twice. */
static bool set_range(struct vmx_vm *x, uint64_t at, uint64_t to, uint64_t size, uint64_t flags)
{
    ASSERT(((at | to | size) & (PAGE_SIZE - 1)) == 0);
    return paging_map(&x->ept, at, to, size, flags) &&
           (!x->ept_apic.root || paging_map(&x->ept_apic, at, to, size, flags));
}

bool vmx_map_range(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights, enum cache_type type)
{
    uint64_t flags = (rights & GUEST_MAY_READ ? EPT_READ : 0) | (rights & GUEST_MAY_WRITE ? EPT_WRITE : 0) |
                     (rights & GUEST_MAY_EXECUTE ? EPT_EXECUTE : 0);

    ASSERT(rights & GUEST_MAY_READ); /* else it is a misconfiguration, or not there */
    return set_range(vm->backend, at.value, to.value, size, flags | ept_type(type));
}

bool vmx_unmap_range(struct vm *vm, gpa_t at, uint64_t size)
{
    if (!set_range(vm->backend, at.value, 0, size, 0))
        return false;
    vmx_ept_changed(vm);
    return true;
}

/* By large pages, even where the guest's code has none (GUARD_SMALL_PAGES): nothing here is executed. All are
 * in one GiB, so that the tables are there from the first time on. */
static bool map_large(struct page_table t, uint64_t at, uint64_t to, uint64_t size, uint64_t flags)
{
    t.max_leaf = 2;
    return paging_map(&t, at, to, size, flags);
}

_Static_assert(GUEST_WINDOWS / PAGE_1G == (GUEST_WINDOWS_END - 1) / PAGE_1G, "one table of large pages");

bool vmx_map_window(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights)
{
    uint64_t flags = rights ? EPT_READ | (rights & GUEST_MAY_WRITE ? EPT_WRITE : 0) | ept_type(CACHE_WB) : 0;
    struct vmx_vm *x = vm->backend;
    bool done;

    ASSERT(((at.value | to.value | size) & (PAGE_2M - 1)) == 0);
    ASSERT(vmx_caps.ept_vpid & EPT_PAGES_2M); /* or the VM is not built */
    ASSERT(at.value >= GUEST_WINDOWS && at.value + size <= GUEST_WINDOWS_END);
    done = map_large(x->ept, at.value, to.value, size, flags) &&
           (!x->ept_apic.root || map_large(x->ept_apic, at.value, to.value, size, flags));
    if (!rights)
        vmx_ept_tell(vm);
    return done;
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

/* Gives the leaf that maps at write access, or takes it; returns the leaf's size. */
static uint64_t set_writable(struct page_table *t, uint64_t at, bool writable)
{
    unsigned level = 0;
    uint64_t entry = paging_lookup(t, at, &level), flags = entry & EPT_ATTRIBUTES & ~EPT_WRITE;

    paging_map(t, at, entry & EPT_ADDRESS, LEAF_SIZE(level), flags | (writable ? EPT_WRITE : 0));
    return LEAF_SIZE(level);
}

/* Whole pages of the tables only: to split one, memory would have to be allocated. */
static bool is_whole(const struct vm *vm, const struct page_table *t, uint64_t at, uint64_t size)
{
    for (uint64_t step; size; at += step, size -= step) {
        unsigned level = 0;

        if (!guest_map(vm, gpa(at), 1) || !paging_lookup(t, at, &level) || level > 2)
            return false;
        step = level == 2 ? PAGE_2M : PAGE_SIZE;
        if (at % step || size < step)
            return false;
    }
    return true;
}

/* vm->is_closed. All of it is RAM, which both views map by the same entries. */
static COLD bool any_closed(const struct vm *vm, gpa_t at, size_t n)
{
    const struct vmx_vm *x = vm->backend;

    for (uint64_t place = at.value; place < at.value + n;) {
        unsigned level = 0;
        uint64_t entry = paging_lookup(&x->ept, place, &level);

        if (!(entry & EPT_WRITE))
            return true;
        place = ALIGN_DOWN(place, LEAF_SIZE(level)) + LEAF_SIZE(level);
    }
    return false;
}

static bool close_range(struct vm *vm, gpa_t at, uint64_t size)
{
    struct vmx_vm *x = vm->backend;
    bool free;

    spin_lock(&vm->sharing);
    free = !kvm_writes_to(vm, at, size);
    if (free) {
        __atomic_store_n(&vm->is_closed, any_closed, __ATOMIC_RELEASE);
        for (uint64_t done = 0; done < size;)
            done += set_writable(&x->ept, at.value + done, false);
    }
    spin_unlock(&vm->sharing);
    return free;
}

enum call_result vmx_protect(struct vm *vm, gpa_t at, uint64_t size)
{
    const struct vmx_vm *x = vm->backend;

    if (!size || size > vm->memory ||
        ((vm->guards & GUARD_SMALL_PAGES) && (at.value | size) & (PAGE_2M - 1)) || /* as with large ones */
        !is_whole(vm, &x->ept, at.value, size))
        return CALL_INVALID;
    if (!close_range(vm, at, size))
        return CALL_BUSY;
    vmx_ept_changed(vm);
    return CALL_DONE;
}

void vmx_unprotect(struct vm *vm)
{
    struct guest_range ranges[GUEST_MAX_RANGES];
    struct vmx_vm *x = vm->backend;

    if (!vm->is_closed)
        return;
    for (unsigned i = guest_ranges(vm, ranges); i-- > 0;) {
        for (uint64_t into = 0; into < ranges[i].size;)
            into += set_writable(&x->ept, ranges[i].base.value + into, true);
    }
    vm->is_closed = NULL;
    vmx_ept_new_generation(x);
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
    x->ept = (struct page_table){
        .root = ept_table_page(&vm->account),
        .present = EPT_RWX,
        .table_flags = EPT_RWX,
        .max_leaf = largest_leaf(vm),
        .alloc = ept_table_page,
        .context = &vm->account,
    };
    if (!x->ept.root || !map_ram(vm, &x->ept))
        return false;
    x->ept_pointer = ept_pointer(&x->ept);
    vmx_ept_new_generation(x);
    x->rung = vmx_rung(vm->config);
    vm->kvm_features = kvm_features(vm->config, vmx_needless(vm->config));
    if (vm->config->tsc_khz)
        vm->tsc_multiplier = guest_tsc_divide(vm_tsc_hz(vm), machine.tsc_hz);
    if (x->rung >= RUNG_TPR_SHADOW && !map_apic_page(vm, x))
        return false;
    return create_msr_bitmaps(vm, x);
}
