/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest images: choice of the format, and the plan of guest memory that all formats share. */
#include "boot/guest/load.h"

#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/panic.h"

#include <stdarg.h>

#define GUEST_MAX_MAP 8
#define RSDP_SIZE     36

_Static_assert(RSDP_SIZE == sizeof(((struct boot_info *)NULL)->rsdp), "a VM's is as long as the machine's");

bool load_fail(struct loading *l, const char *fmt, ...)
{
    static char text[160];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    *l->why = text;
    return false;
}

/* --- the plan --- */

static bool piece_overlaps(const struct piece *p, uint64_t base, uint64_t size)
{
    return base < p->base ? p->base - base < size : base - p->base < p->size;
}

static bool inside(uint64_t base, uint64_t size, uint64_t from, uint64_t below)
{
    return base >= from && base < below && size <= below - base;
}

static bool is_free(const struct loading *l, uint64_t base, uint64_t size)
{
    bool ram = false;

    for (unsigned i = 0; i < l->target->range_count; i++) {
        const struct piece *r = &l->target->ranges[i];

        ram = ram || inside(base, size, r->base, r->base + r->size);
    }
    for (unsigned i = 0; i < l->taken_count; i++) {
        if (piece_overlaps(&l->taken[i], base, size))
            return false;
    }
    return ram && inside(base, size, 0, REACHABLE);
}

bool load_take(struct loading *l, uint64_t base, uint64_t size)
{
    if (size == 0 || l->taken_count == LOAD_MAX_PIECES || !is_free(l, base, size))
        return false;
    l->taken[l->taken_count++] = (struct piece){base, size};
    return true;
}

/* Keeps the better of *best and base, if base is possible at all. */
static void consider_window(const struct loading *l, uint64_t base, struct piece window, uint64_t size,
                            bool highest, uint64_t *best, bool *found)
{
    if (!inside(base, size, window.base, window.base + window.size) || !is_free(l, base, size))
        return;
    if (!*found || (highest ? base > *best : base < *best))
        *best = base;
    *found = true;
}

static void check_window(const struct piece *window, uint64_t align)
{
    ASSERT(align > 0 && (align & (align - 1)) == 0);
    ASSERT(window->size <= UINT64_MAX - window->base);
}

bool load_lowest(struct loading *l, uint64_t from, uint64_t below, uint64_t size, uint64_t align,
                 uint64_t *base)
{
    struct piece window = {from, below - from};
    bool found = false;

    check_window(&window, align);
    if (align > REACHABLE)
        return false;
    /* The lowest place begins where the window, a range or a taken piece makes room. */
    consider_window(l, ALIGN_UP(from, align), window, size, false, base, &found);
    for (unsigned i = 0; i < l->target->range_count; i++)
        consider_window(l, ALIGN_UP(l->target->ranges[i].base, align), window, size, false, base, &found);
    for (unsigned i = 0; i < l->taken_count; i++)
        consider_window(l, ALIGN_UP(l->taken[i].base + l->taken[i].size, align), window, size, false, base,
                        &found);
    return found && load_take(l, *base, size);
}

bool load_highest(struct loading *l, uint64_t from, uint64_t below, uint64_t size, uint64_t align,
                  uint64_t *base)
{
    struct piece window = {from, below - from};
    bool found = false;

    check_window(&window, align);
    if (align > REACHABLE || size > REACHABLE)
        return false;
    /* An end below size wraps around to a base that no range contains. */
    consider_window(l, ALIGN_DOWN(below - size, align), window, size, true, base, &found);
    for (unsigned i = 0; i < l->target->range_count; i++) {
        uint64_t end = l->target->ranges[i].base + l->target->ranges[i].size;

        consider_window(l, ALIGN_DOWN(end - size, align), window, size, true, base, &found);
    }
    for (unsigned i = 0; i < l->taken_count; i++)
        consider_window(l, ALIGN_DOWN(l->taken[i].base - size, align), window, size, true, base, &found);
    return found && load_take(l, *base, size);
}

bool load_low(struct loading *l, uint64_t size, uint64_t align, uint64_t *base)
{
    if (load_lowest(l, PAGE_SIZE, LOW_END, size, align, base))
        return true;
    return load_fail(l, "no room for boot structures, expected %lu bytes free below 639K",
                     (unsigned long)size);
}

void *load_map(struct loading *l, uint64_t at, uint64_t n)
{
    uint64_t got = 0;
    uint8_t *p = l->target->reach(l, at, n, &got);

    return got >= n ? p : NULL;
}

static void (*between)(void);

void load_set_between(void (*look_around)(void))
{
    between = look_around;
}

void load_pause(uint64_t done)
{
    if (done % LOAD_PIECE == 0 && between != NULL)
        between();
}

/* from NULL: zeroes. It may take long. */
static void fill_pages(uint8_t *to, const uint8_t *from, uint64_t size)
{
    for (uint64_t done = 0, step; done < size; done += step) {
        step = MIN(size - done, PAGE_SIZE);
        load_pause(done);
        if (from != NULL)
            memcpy(to + done, from + done, step);
        else
            memset(to + done, 0, step);
    }
}

/* In pieces: the memory need not be contiguous where we write. */
static void fill_memory(struct loading *l, uint64_t to, const uint8_t *from, uint64_t size)
{
    for (uint64_t got = 0; size > 0; to += got, size -= got) {
        uint8_t *p = l->target->reach(l, to, size, &got);

        if (p == NULL)
            return;
        ASSERT(got > 0 && got <= size);
        fill_pages(p, from, got);
        if (from != NULL)
            from += got;
    }
}

void load_copy(struct loading *l, uint64_t to, const void *from, uint64_t size)
{
    fill_memory(l, to, from, size);
}

void load_zero(struct loading *l, uint64_t at, uint64_t size)
{
    fill_memory(l, at, NULL, size);
}

/* Flat segments, accessed bits set: 10h code, 18h data (Linux boot protocol; Multiboot leaves them open). */
void load_gdt(struct loading *l, uint64_t at)
{
    uint64_t code = l->start->mode == 64 ? UINT64_C(0x00af9b000000ffff) : UINT64_C(0x00cf9b000000ffff);
    const uint64_t gdt[] = {0, 0, code, UINT64_C(0x00cf93000000ffff)};

    _Static_assert(sizeof(gdt) == LOAD_GDT_SIZE, "the claimed place holds the GDT");
    ASSERT(l->start->mode == 32 || l->start->mode == 64);
    load_copy(l, at, gdt, sizeof(gdt));
    l->start->gdt_base = at;
    l->start->gdt_limit = sizeof(gdt) - 1;
}

static unsigned add_entry(struct map_entry *map, unsigned count, uint64_t base, uint64_t end, uint32_t type)
{
    ASSERT(count < GUEST_MAX_MAP);
    if (base < end)
        map[count++] = (struct map_entry){base, end - base, type};
    return count;
}

/* The memory map of a VM's RAM: without the hole for video and firmware, and with the ACPI tables as what
 * they are. */
static unsigned add_ram(const struct image *img, const struct piece *range,
                        struct map_entry map[GUEST_MAX_MAP], unsigned count)
{
    struct piece cuts[2] = {{LOW_END, HOLE_END - LOW_END}, {img->acpi_base.value, img->acpi_size}};
    uint64_t at = range->base, end = at + range->size;
    unsigned acpi = 1;

    if (cuts[1].base < cuts[0].base) {
        cuts[1] = cuts[0];
        cuts[0] = (struct piece){img->acpi_base.value, img->acpi_size};
        acpi = 0;
    }
    for (unsigned c = 0; c < ARRAY_SIZE(cuts); c++) {
        if (!piece_overlaps(&cuts[c], range->base, range->size))
            continue;
        count = add_entry(map, count, at, cuts[c].base, MEMORY_USABLE);
        if (c != acpi)
            count = add_entry(map, count, LOW_END, HOLE_START, MEMORY_RESERVED);
        else
            count = add_entry(map, count, cuts[c].base, cuts[c].base + cuts[c].size, MEMORY_ACPI);
        at = MAX(at, cuts[c].base + cuts[c].size);
    }
    return add_entry(map, count, at, end, MEMORY_USABLE);
}

/* Of a VM: its RAM, and what is reserved beside it. */
static unsigned guest_memory_map(const struct image *img, const struct piece *ranges, unsigned range_count,
                                 struct map_entry map[GUEST_MAX_MAP])
{
    uint64_t reserved = img->reserved_base.value, end = reserved + img->reserved_size;
    unsigned count = 0, i = 0;

    while (i < range_count && ranges[i].base < reserved)
        count = add_ram(img, &ranges[i++], map, count);
    count = add_entry(map, count, reserved, end, MEMORY_RESERVED);
    while (i < range_count)
        count = add_ram(img, &ranges[i++], map, count);
    return count;
}

/* --- formats --- */

static bool (*const loaders[])(struct loading *l) = {
    [IMAGE_LINUX] = load_linux, [IMAGE_MULTIBOOT] = load_multiboot, [IMAGE_MULTIBOOT2] = load_multiboot2,
    [IMAGE_PVH] = load_pvh,     [IMAGE_FLAT] = load_flat,
};

_Static_assert(ARRAY_SIZE(loaders) == IMAGE_FLAT + 1, "each format has one");

bool image_load_into(const struct load_target *target, const struct image *img, struct start_state *start,
                     const char **why)
{
    struct loading l = {.target = target, .img = img, .start = start, .why = why};
    enum image_format format = img->format;

    ASSERT(format < ARRAY_SIZE(loaders) && img->module_count <= IMAGE_MAX_MODULES);
    memset(start, 0, sizeof(*start));
    load_pause(0);
    if (img->kernel.size == 0)
        return load_fail(&l, "the kernel is empty, expected a kernel file");
    if (format == IMAGE_AUTO)
        format = image_recognise(img->kernel.data, img->kernel.size);
    if (format == IMAGE_AUTO)
        return load_fail(&l,
                         "%s, expected a bzImage, a Multiboot or PVH kernel, or format = flat for raw bytes",
                         image_describe(img->kernel.data, img->kernel.size));
    if (img->acpi_size > 0 && !load_take(&l, img->acpi_base.value, img->acpi_size))
        return load_fail(&l, "the ACPI tables do not lie in the guest's memory");
    load_pause(0);
    return loaders[format](&l);
}

/* Guest RAM is contiguous in the host within its pieces of 2 MiB. */
static uint8_t *reach_guest(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got)
{
    uint8_t *all = guest_map(l->target->vm, gpa(at), n);

    *got = all != NULL ? n : MIN(n, PAGE_2M - at % PAGE_2M);
    return all != NULL ? all : guest_map(l->target->vm, gpa(at), *got);
}

bool image_load(struct vm *vm, const struct image *img, struct start_state *start, const char **why)
{
    struct guest_range ram[GUEST_MAX_RANGES];
    struct piece ranges[GUEST_MAX_RANGES];
    struct map_entry map[GUEST_MAX_MAP];
    uint8_t rsdp[RSDP_SIZE];
    struct load_target target = {.ranges = ranges, .map = map, .rsdp = rsdp, .vm = vm, .reach = reach_guest};

    target.range_count = guest_ranges(vm, ram);
    for (unsigned i = 0; i < target.range_count; i++)
        ranges[i] = (struct piece){ram[i].base.value, ram[i].size};
    target.map_count = guest_memory_map(img, ranges, target.range_count, map);
    if (img->acpi_rsdp.value != 0 && guest_read(vm, img->acpi_rsdp, rsdp, sizeof(rsdp)))
        target.rsdp_size = sizeof(rsdp);
    return image_load_into(&target, img, start, why);
}
