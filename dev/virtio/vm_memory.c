/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/vm_memory.h"

#include "arch/x86/layout.h"
#include "core/vm/vm.h"

#define FLAT_END (3 * GIB) /* RAM that begins at 0 ends there, or before */

static bool vm_is_ram(void *context, uint64_t at, uint64_t n)
{
    return guest_is_ram(context, gpa(at), n);
}

static void *vm_map(void *context, uint64_t at, size_t n, bool to_write)
{
    return to_write ? guest_map_open(context, gpa(at), n) : guest_map(context, gpa(at), n);
}

static bool vm_read(void *context, uint64_t at, void *to, size_t n)
{
    return guest_read(context, gpa(at), to, n);
}

static bool vm_write(void *context, uint64_t at, const void *from, size_t n)
{
    return guest_write(context, gpa(at), from, n);
}

struct ring_memory vm_memory(struct vm *vm)
{
    uint64_t pieces = MIN(vm->memory, FLAT_END) / PAGE_2M, n = 1;

    _Static_assert(sizeof(vm->is_closed) == sizeof(uintptr_t), "NULL is 0");
    while (n < pieces && vm->ram[n].value == vm->ram[n - 1].value + PAGE_2M)
        n++;
    return (struct ring_memory){.context = vm,
                                .flat = phys_to_virt(vm->ram[0]),
                                .flat_size = n * PAGE_2M,
                                .closing = (const uintptr_t *)&vm->is_closed,
                                .is_ram = vm_is_ram,
                                .map = vm_map,
                                .read = vm_read,
                                .write = vm_write};
}
