/* SPDX-License-Identifier: BSD-2-Clause */
/* A fake guest: one heap block per range of RAM, so that the sanitizer guards each of them. */
#include "tests/unit/fake_guest.h"

#include <stdlib.h>
#include <string.h>

struct vm {
    struct guest_range ranges[GUEST_MAX_RANGES];
    uint8_t *memory[GUEST_MAX_RANGES];
    unsigned count;
};

static void add_range(struct vm *vm, uint64_t base, uint64_t size)
{
    vm->ranges[vm->count] = (struct guest_range){gpa(base), size};
    vm->memory[vm->count] = malloc(size);
    /* Filling gigabytes would only cost time. */
    memset(vm->memory[vm->count++], FAKE_FILL, MIN(size, 64 * MIB));
}

struct vm *fake_guest(uint64_t size)
{
    struct vm *vm = calloc(1, sizeof(*vm));

    add_range(vm, 0, MIN(size, 3 * GIB));
    if (size > 3 * GIB)
        add_range(vm, 4 * GIB, size - 3 * GIB);
    return vm;
}

void fake_guest_free(struct vm *vm)
{
    for (unsigned i = 0; i < vm->count; i++)
        free(vm->memory[i]);
    free(vm);
}

void *guest_map(const struct vm *vm, gpa_t at, size_t n)
{
    for (unsigned i = 0; i < vm->count; i++) {
        uint64_t offset = at.value - vm->ranges[i].base.value;

        if (at.value >= vm->ranges[i].base.value && offset <= vm->ranges[i].size &&
            n <= vm->ranges[i].size - offset)
            return vm->memory[i] + offset;
    }
    return NULL;
}

bool guest_read(const struct vm *vm, gpa_t from, void *to, size_t n)
{
    const void *p = guest_map(vm, from, n);

    if (p != NULL && n > 0)
        memcpy(to, p, n);
    return p != NULL;
}

bool guest_write(struct vm *vm, gpa_t to, const void *from, size_t n)
{
    void *p = guest_map(vm, to, n);

    if (p != NULL && n > 0)
        memcpy(p, from, n);
    return p != NULL;
}

unsigned guest_ranges(const struct vm *vm, struct guest_range ranges[GUEST_MAX_RANGES])
{
    memcpy(ranges, vm->ranges, sizeof(vm->ranges));
    return vm->count;
}
