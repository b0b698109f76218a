/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/vm.h"

#include "arch/x86/cpu.h"

struct vm *vms[CONFIG_MAX_VMS];
unsigned vm_count;

/* Each place is read once: the boot CPU may destroy a VM meanwhile. */
struct vm *vm_next(const struct vm *after)
{
    for (unsigned i = after ? after->id + 1 : 0; i < CONFIG_MAX_VMS; i++) {
        struct vm *vm = __atomic_load_n(&vms[i], __ATOMIC_ACQUIRE);

        if (vm)
            return vm;
    }
    return NULL;
}

uint64_t vm_time(const struct vm *vm)
{
    uint8_t phase = vm_state(vm).phase;

    return phase == VM_STOPPED || phase == VM_PAUSED ? vm->rests_since : rdtsc();
}

static bool has_page(const struct vm *vm, hpa_t page)
{
    for (uint64_t done = 0; done < vm->memory; done += PAGE_2M) {
        if (page.value - vm->ram[done / PAGE_2M].value < MIN(vm->memory - done, PAGE_2M))
            return true;
    }
    return false;
}

struct vm *vm_of_ram(hpa_t page)
{
    struct vm *vm = vm_next(NULL);

    while (vm && !has_page(vm, page))
        vm = vm_next(vm);
    return vm;
}
