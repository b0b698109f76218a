/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/vm_memory.h"

#include "core/vm/vm.h"

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
    return (struct ring_memory){vm, vm_is_ram, vm_map, vm_read, vm_write};
}
