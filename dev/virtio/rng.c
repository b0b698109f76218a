/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio 1.2, "Entropy Device": random bytes of the processor's own generator. */
#include "arch/x86/random.h"
#include "dev/virtio/devices.h"

#define MOST_WORDS 32 /* a request; a driver comes again for more */

/* Less than was asked for, or nothing, if the generator has no more for now. */
static void serve_random(struct virtio_device *d, unsigned queue UNUSED, struct ring *r, struct ring_chain *c)
{
    uint64_t word;

    for (unsigned i = 0; i < MOST_WORDS && c->writable.left && random_word(&word); i++) {
        if (!ring_put(r, c, &word, MIN(c->writable.left, sizeof(word))))
            break;
    }
    d->errors += !c->written;
}

static const struct virtio_ops rng_ops = {
    .name = "rng", .type = 4, .queue_count = 1, .queue_size = 16, .serve = serve_random};

const struct virtio_identity rng_identity = {.ops = &rng_ops, .slot = RNG_SLOT, .class_code = 0x100000};
