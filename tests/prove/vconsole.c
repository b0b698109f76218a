/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's own port: any chains, keys and room, in any order. */
#include "tests/prove/one_cpu.h"

#include "dev/virtio/vconsole.c"

void main(void);

/* --- what is below, or beside it: ports have a proof of their own --- */

bool ring_get_pieces(struct ring *r, struct ring_chain *c, void *to, uint32_t n)
{
    (void)r;
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = any8();
    c->readable.left = any32();
    return any_bool();
}

bool ring_put_pieces(struct ring *r, struct ring_chain *c, const void *from, uint32_t n)
{
    uint8_t sum = 0;

    (void)r;
    for (uint32_t i = 0; i < n; i++)
        sum ^= ((const uint8_t *)from)[i];
    c->writable.left = any32();
    return sum && any_bool();
}

unsigned console_room(const struct console_stream *s)
{
    (void)s;
    return any32();
}

bool console_guest_output(struct console_stream *s, uint8_t byte)
{
    (void)s;
    return any_bool() && byte;
}

unsigned console_guest_write(struct console_stream *s, const char *bytes, unsigned count)
{
    unsigned done = any32();

    (void)s;
    (void)bytes;
    return MIN(done, count);
}

void console_guest_lose(struct console_stream *s, uint64_t count)
{
    (void)s;
    (void)count;
}

unsigned pc_take_input(struct vm *vm, void *bytes, unsigned n)
{
    unsigned done = (unsigned)Frama_C_interval(0, PIECE);

    (void)vm;
    done = MIN(done, n);
    for (unsigned i = 0; i < done; i++)
        ((uint8_t *)bytes)[i] = any8();
    return done;
}

bool vports_ready(const struct vports *p, unsigned queue)
{
    (void)p;
    (void)queue;
    return any_bool();
}

void vports_serve(struct virtio_device *d, struct vports *p, unsigned queue, struct ring *r,
                  struct ring_chain *c)
{
    (void)d;
    (void)p;
    (void)r;
    (void)c;
    if (queue < VPORTS_TOLD)
        assertion_failed(__LINE__, "a queue of ports");
}

void virtio_poke(struct virtio_device *d, unsigned queue)
{
    if (queue >= d->queue_count)
        assertion_failed(__LINE__, "there is such a queue");
}

bool virtio_is_live(const struct virtio_device *d)
{
    (void)d;
    return any_bool();
}

static void hear_of_room(void *context)
{
    (void)context;
}

static void use(struct vconsole *v, struct virtio_device *d, struct ring *r, struct ring_chain *c)
{
    unsigned queue = (unsigned)Frama_C_interval(0, VPORTS_QUEUES - 1);

    c->readable.left = any32();
    c->writable.left = any32();
    switch (Frama_C_interval(0, 5)) {
    case 0: is_ready(d, queue); break;
    case 1: serve_any(d, queue, r, c); break;
    case 2: emergency_write(d, any32(), any8()); break;
    case 3: tell_of_room(v); break;
    case 4: take_typed(v->vm); break;
    default: hear_of_line(v, (enum serial_news)Frama_C_interval(SERIAL_CAME, SERIAL_PEER)); break;
    }
}

void main(void)
{
    static const uintptr_t closing = 1;
    static const struct ring_memory memory = {.closing = &closing};
    static struct ring_segment segments[1];
    static struct ring ring;
    static struct ring_chain chain;
    static struct virtio_pci pci;
    static struct vm vm;
    static struct vconsole v;

    ring.memory = &memory;
    chain.segments = segments;
    pci.function.slot = CONSOLE_SLOT;
    pci.device.model = &v;
    pci.device.queue_count = VPORTS_QUEUES;
    v = (struct vconsole){.vm = &vm, .pci = &pci, .writable = hear_of_room};
    vm.virtio = any_bool() ? &pci : NULL;
    while (any_bool()) {
        vm.input_head = any32();
        vm.input_tail = any32();
        use(&v, &pci.device, &ring, &chain);
    }
}
