/* SPDX-License-Identifier: BSD-2-Clause */
/* From the memory of one guest to that of another, from chain to chain. */
#pragma once

#include "dev/virtio/ring.h"

#define RING_ASIDE 256u /* bytes that are read at a time, where they cannot be used as they lie */

/*
 * Bytes of a chain's part, which are done then: *step of them, at most n > 0, as they lie, or in aside. What
 * stands there may change at any time. NULL: they are not RAM any more.
 */
const uint8_t *ring_view(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
                         uint8_t aside[RING_ASIDE], uint32_t *step);

/* n bytes of a part to the next ones of to's writable part. False, with part of them done or none: one of
 * them has not so many left, or a guest has closed its memory. */
bool ring_copy(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
               struct ring *to, struct ring_chain *to_chain);

/* n bytes of a part to memory, which may be of the same guest. False, with part of them done or none: it has
 * not so many left, or is not RAM any more. */
bool ring_copy_out(const struct ring *r, const struct ring_chain *c, struct ring_part *part, uint32_t n,
                   uint8_t *to);
