/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/ring_copy.h"

#include "core/base/panic.h"

static inline void skip_bytes(struct ring_part *part, uint32_t step, uint32_t size)
{
    part->left -= step;
    part->done += step;
    if (part->done == size) {
        part->segment++;
        part->done = 0;
    }
}

static inline const uint8_t *find_bytes(const struct ring_memory *m, uint64_t at, uint32_t n)
{
    return likely(is_flat(m, at, n)) ? flat_at(m, at) : m->map(m->context, at, n, false);
}

const uint8_t *ring_view(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
                         uint8_t aside[RING_ASIDE], uint32_t *step)
{
    const struct ring_segment *s = &c->segments[part->segment];
    uint64_t at = s->at + part->done;
    const uint8_t *found;

    ASSERT(n > 0 && n <= part->left && part->segment < part->end);
    *step = MIN(n, s->size - part->done);
    found = find_bytes(r->memory, at, *step);
    if (unlikely(!found)) {
        *step = MIN(*step, RING_ASIDE);
        found = r->memory->read(r->memory->context, at, aside, *step) ? aside : NULL;
    }
    skip_bytes(part, *step, s->size);
    return found;
}

/* Within one guest the two may overlap. */
static COLD bool copy_within(const struct ring *r, const struct ring_chain *c, struct ring_part *part,
                             uint32_t n, struct ring *to, struct ring_chain *to_chain)
{
    uint8_t aside[RING_ASIDE], bytes[RING_ASIDE];
    const uint8_t *from;

    for (uint32_t step; n; n -= step) {
        from = ring_view(r, c, part, MIN(n, RING_ASIDE), aside, &step);
        if (!from)
            return false;
        memcpy(bytes, from, step);
        if (!ring_put(to, to_chain, bytes, step))
            return false;
    }
    return true;
}

bool ring_copy(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
               struct ring *to, struct ring_chain *to_chain)
{
    uint8_t aside[RING_ASIDE];
    const uint8_t *from;

    if (n > part->left)
        return false;
    if (unlikely(r->memory->flat == to->memory->flat))
        return copy_within(r, c, part, n, to, to_chain);
    for (uint32_t step; n; n -= step) {
        from = ring_view(r, c, part, n, aside, &step);
        if (!from || !ring_put(to, to_chain, from, step))
            return false;
    }
    return true;
}

bool ring_copy_out(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
                   uint8_t *to)
{
    uint8_t aside[RING_ASIDE];
    const uint8_t *from;

    if (n > part->left)
        return false;
    for (uint32_t step; n; n -= step, to += step) {
        from = ring_view(r, c, part, n, aside, &step);
        if (!from)
            return false;
        memmove(to, from, step);
    }
    return true;
}
