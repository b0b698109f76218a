/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/registers.h"
#include "core/base/panic.h"

/* The part of an access that lies in one register. */
struct part {
    unsigned at;   /* the register */
    unsigned from; /* the first byte of it, */
    unsigned size; /* and how many */
};

static struct part part_of(unsigned offset, unsigned end)
{
    unsigned at = ALIGN_DOWN(offset, 4), from = offset - at;

    return (struct part){at, from, MIN(4 - from, end - offset)};
}

static uint32_t mask_of(const struct part *p)
{
    return UINT32_MAX >> (32 - 8 * p->size);
}

uint64_t registers_read(const struct registers *r, void *context, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    struct part p;

    ASSERT(size > 0 && size <= 8);
    for (unsigned done = 0; done < size; done += p.size) {
        p = part_of(offset + done, offset + size);
        value |= (uint64_t)(r->read(context, p.at) >> 8 * p.from & mask_of(&p)) << 8 * done;
    }
    return value;
}

static void write_part(const struct registers *r, void *context, const struct part *p, uint32_t value)
{
    uint32_t mask = mask_of(p) << 8 * p->from;

    if (p->size < 4)
        value = (r->peek(context, p->at) & ~mask) | (value << 8 * p->from & mask);
    r->write(context, p->at, value);
}

void registers_write(const struct registers *r, void *context, unsigned offset, unsigned size, uint64_t value)
{
    struct part p;

    ASSERT(size > 0 && size <= 8);
    for (unsigned done = 0; done < size; done += p.size) {
        p = part_of(offset + done, offset + size);
        write_part(r, context, &p, (uint32_t)(value >> 8 * done));
    }
}
