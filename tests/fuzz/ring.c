/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a ring of either format and what a driver does to it while the device works: nothing outside
 * of RAM is touched, each call is bounded, and what is broken stays so and says why.
 */
#include "tests/fuzz/fuzz.h"

#include "dev/virtio/ring_short.h"

#include "tests/unit/fake_ring.h"

#define MAX_STEPS   64
#define DRIVER_NEAR (DESC_AT + 0x800) /* all within what an input holds */
#define DEVICE_NEAR (DESC_AT + 0xa00)
#define RING_BYTES  0x1000

/* The input begins with it; then the memory from DESC_AT on. */
struct PACKED setup {
    uint8_t size_log, flags, steps;
    uint8_t program[MAX_STEPS];
};

enum { IS_PACKED = 1, IS_INDIRECT = 2, HAS_EVENTS = 4, IS_CLOSED = 8, IS_ODD = 16 };

static struct ring_segment segments[RING_MAX_SIZE];
static struct ring_chain chain = {.segments = segments};
static struct ring ring;
static unsigned size;

static void check_part(const struct ring_part *part, unsigned from)
{
    uint64_t sum = 0;

    MUST(part->left == 0 || part->segment >= from);
    for (unsigned i = part->segment; part->left && i < part->end; i++) {
        MUST(i < size && segments[i].size > 0);
        MUST(fake_is_ram(NULL, segments[i].at, segments[i].size));
        sum += segments[i].size;
    }
    MUST(sum == part->left);
}

static void take_chain(unsigned how)
{
    uint8_t bytes[512] = {0};
    unsigned long before = memory_calls;
    enum ring_pop got = ring_pop(&ring, &chain);
    uint64_t last;

    MUST(memory_calls - before <= 4 * size + 8);
    MUST((got == RING_BROKEN) == (ring.fault != NULL));
    if (got != RING_CHAIN)
        return;
    MUST(chain.descriptors <= size);
    check_part(&chain.readable, 0);
    check_part(&chain.writable, chain.readable.end);
    ring_get(&ring, &chain, bytes, MIN(chain.readable.left, sizeof(bytes)));
    if ((how & 1) && ring_reserve_last(&chain, &last)) {
        ring_put(&ring, &chain, bytes, MIN(chain.writable.left, how));
        ring_put_last(&ring, &chain, last, 1);
    }
    if (!(how & 2))
        ring_push(&ring, &chain);
    if (how & 4)
        ring_publish(&ring);
}

static void write_buffer(uint32_t n)
{
    uint16_t id;
    uint8_t *at = ring_peek_buffer(&ring, n, &id);

    if (!at)
        return;
    MUST(!ring.fault && at >= ram_low && at + n <= ram_low + fake_ring_memory.flat_size);
    memset(at, 0xaa, n);
    ring_give_buffer(&ring, id, n);
    MUST(ring.taken <= size && ring.fresh <= ring.taken);
}

static void read_pieces(void)
{
    struct ring_pieces p;

    if (!ring_peek_pieces(&ring, &p))
        return;
    MUST(!ring.fault && p.count && p.count <= RING_PIECES && p.readable <= p.count);
    for (unsigned i = 0; i < p.count; i++)
        MUST(p.at[i].size && p.at[i].at + p.at[i].size <= fake_ring_memory.flat_size);
    ring_give_pieces(&ring, &p, p.at[0].size);
    MUST(ring.taken <= size && ring.fresh <= ring.taken);
}

/* The driver turns a byte while the device is between two calls. */
static void one_step(uint8_t step, unsigned i)
{
    const char *fault = ring.fault;

    switch (step & 3) {
    case 0: take_chain(step >> 2); break;
    case 1:
        if (step & 4)
            write_buffer(1 + (step >> 3));
        else
            take_chain(step >> 3);
        break;
    case 2:
        if (step & 4)
            read_pieces();
        else
            ring_publish(&ring);
        break;
    default:
        if (step & 4)
            ram(DESC_AT)[(step >> 3) * 67u * (i + 1) % RING_BYTES] ^= (uint8_t)i;
        else if (!ring_listen(&ring))
            ring_deafen(&ring);
        break;
    }
    MUST(!fault || ring.fault == fault);
    MUST(!ring.fault || !ring_has_more(&ring));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ring_layout l = {.desc = DESC_AT, .driver = DRIVER_NEAR, .device = DEVICE_NEAR};
    struct setup s;

    if (n < sizeof(s))
        return 0;
    memcpy(&s, data, sizeof(s));
    memset(ram_low, 0, sizeof(ram_low));
    memcpy(ram(DESC_AT), data + sizeof(s), MIN(n - sizeof(s), RING_BYTES));
    size = 1u << s.size_log % 8;
    l.size = (uint16_t)(size - !!(s.flags & IS_ODD));
    l.packed = s.flags & IS_PACKED;
    l.indirect = s.flags & IS_INDIRECT;
    l.event_idx = s.flags & HAS_EVENTS;
    closed_from = s.flags & IS_CLOSED ? DEVICE_NEAR : 0;
    guest_closes = closed_from;
    closed_to = closed_from + (s.flags & IS_CLOSED ? 64 : 0);
    if (ring_enable(&ring, &fake_ring_memory, &l))
        return 0;
    for (unsigned i = 0; i < MIN(s.steps, MAX_STEPS); i++)
        one_step(s.program[i], i);
    return 0;
}
