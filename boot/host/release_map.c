/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/release_map.h"
/* Where the next thing that is not usable begins at or behind at, and where it ends; both UINT64_MAX:
 * nowhere. */
static struct piece next_obstacle(const struct boot_info *boot, uint64_t at)
{
    struct piece found = {UINT64_MAX, 0};

    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct boot_memory *m = &boot->memory[i];

        if (m->type != MEMORY_USABLE && m->size - 1 >= at - MIN(at, m->base) && m->base < found.base)
            found = (struct piece){m->base, m->size};
    }
    return found;
}

static unsigned cut_piece(const struct boot_info *boot, const struct boot_memory *m, struct piece *ram,
                          unsigned room)
{
    uint64_t at = m->base, end = m->base + MIN(m->size, UINT64_MAX - m->base);
    unsigned count = 0;

    while (at < end && count < room) {
        struct piece o = next_obstacle(boot, at);

        if (o.base > at)
            ram[count++] = (struct piece){at, MIN(end, o.base) - at};
        if (o.base >= end || o.size > UINT64_MAX - o.base)
            break;
        at = o.base + o.size;
    }
    return count;
}

unsigned release_ram(const struct boot_info *boot, struct piece ram[RELEASE_MAX_RAM])
{
    unsigned count = 0;

    for (unsigned i = 0; i < boot->memory_count; i++) {
        if (boot->memory[i].type == MEMORY_USABLE)
            count += cut_piece(boot, &boot->memory[i], ram + count, RELEASE_MAX_RAM - count);
    }
    return count;
}

unsigned release_memory_map(const struct boot_info *boot, struct map_entry map[BOOT_MAX_MEMORY])
{
    for (unsigned i = 0; i < boot->memory_count; i++) {
        struct map_entry e = {boot->memory[i].base, boot->memory[i].size, boot->memory[i].type};
        unsigned at = i;

        for (; at > 0 && map[at - 1].base > e.base; at--)
            map[at] = map[at - 1];
        map[at] = e;
    }
    return boot->memory_count;
}
