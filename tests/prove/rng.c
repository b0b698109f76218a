/* SPDX-License-Identifier: BSD-2-Clause */
/* Random bytes: any chain, and a generator that has words or not. */
#include "tests/prove/prove.h"

#include "dev/virtio/rng.c"

void main(void);

bool random_word(uint64_t *word)
{
    if (any_bool())
        return false;
    *word = any64();
    return true;
}

bool ring_put_pieces(struct ring *r, struct ring_chain *c, const void *from, uint32_t n)
{
    uint8_t sum = 0;

    (void)r;
    for (uint32_t i = 0; i < n; i++)
        sum ^= ((const uint8_t *)from)[i];
    c->writable.left = any32();
    c->written = any32();
    return sum && any_bool();
}

void main(void)
{
    static struct virtio_device device;
    static struct ring_memory memory;
    static struct ring_segment segments[1];
    static uintptr_t closing = 1;
    static struct ring ring;
    static struct ring_chain chain;

    memory.closing = &closing;
    ring.memory = &memory;
    chain.segments = segments;
    while (any_bool()) {
        chain.writable.left = any32();
        chain.written = 0;
        serve_random(&device, 0, &ring, &chain);
    }
}
