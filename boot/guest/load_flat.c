/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw bytes: copied to where the configuration says, entered at their first byte, with a 4 KiB stack. */
#include "boot/guest/load.h"

#define STACK_SIZE PAGE_SIZE

bool load_flat(struct loading *l)
{
    const struct image *img = l->img;
    uint64_t load = img->load.value, stack, gdt = 0;

    if (img->mode == 16 && load >= 64 * KIB)
        return load_fail(l, "load address %lxh, expected one below 64K in 16-bit mode", (unsigned long)load);
    if (!load_take(l, load, img->kernel.size))
        return load_fail(l, "%lu bytes do not fit at %lxh, expected free guest memory there",
                         (unsigned long)img->kernel.size, (unsigned long)load);
    if (!load_low(l, STACK_SIZE, PAGE_SIZE, &stack) ||
        (img->mode == 32 && !load_low(l, LOAD_GDT_SIZE, 16, &gdt)))
        return false;
    if (img->mode == 16 && stack + STACK_SIZE > 64 * KIB)
        return load_fail(l, "no room for a stack, expected 4 KiB free below 64K in 16-bit mode");

    l->start->mode = img->mode;
    l->start->rip = load;
    l->start->rsp = stack + STACK_SIZE;
    load_copy(l, load, img->kernel.data, img->kernel.size);
    if (img->mode == 32)
        load_gdt(l, gdt);
    return true;
}
