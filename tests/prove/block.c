/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of ten sectors and a budget of two pages, in any state: each request, at and beyond each sector. */
#include "tests/prove/one_cpu.h"

#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "dev/virtio/block.h"
#include "dev/virtio/ring_short.h"

#define SECTORS 10
#define PAGES   2
#define BUFFER  ((SECTORS + 1) * SECTOR)

void main(void);

/* What is copied is of no interest here but for a request: the ends of both are touched. */
static void touch_copy(void *to, const void *from, size_t n)
{
    if (n <= 32) {
        prove_copy(to, from, n);
        return;
    }
    ((uint8_t *)to)[0] = ((const uint8_t *)from)[0];
    ((uint8_t *)to)[n - 1] = ((const uint8_t *)from)[n - 1];
}

static void touch(void *to, int byte, size_t n)
{
    if (n) {
        ((uint8_t *)to)[0] = (uint8_t)byte;
        ((uint8_t *)to)[n - 1] = (uint8_t)byte;
    }
}

/* --- rings: what is read first is a request, then, when it asks for that, a range --- */

static struct block_words {
    uint64_t words[2];
} next_request, next_range;
static bool request_was_read;

static bool give_words(struct ring_chain *c, void *to, uint32_t n)
{
    if (n == sizeof(next_request)) {
        prove_copy(to, request_was_read ? &next_range : &next_request, n);
        request_was_read = true;
    } else if (n) {
        touch(to, any8(), n);
    }
    (void)c;
    return any_bool();
}

static bool take_bytes(const void *from, uint32_t n)
{
    const uint8_t *bytes = from;

    return any_bool() && (!n || bytes[0] != bytes[n - 1] || any_bool());
}

static bool find_last(uint64_t *at)
{
    *at = any64();
    return any_bool();
}

static struct ring_pieces pieces_there;

static bool find_pieces(struct ring_pieces *p)
{
    *p = pieces_there;
    return any_bool();
}

static uint64_t cut(uint64_t i, uint64_t n)
{
    return i < n ? i : 0;
}

#define memcpy(to, from, n)            touch_copy(to, from, n)
#define memset(to, byte, n)            touch(to, byte, n)
#define index_nospec(i, n)             cut(i, n)
#define ring_get(r, c, to, n)          give_words(c, to, n)
#define ring_put(r, c, from, n)        take_bytes(from, n)
#define ring_reserve_last(c, at)       find_last(at)
#define ring_put_last(r, c, at, value) ((void)(value))
#define ring_peek_pieces(r, p)         find_pieces(p)
#define ring_give_pieces(r, p, n)      ((void)(n))

#include "dev/virtio/block.c"

static void make_disk(struct block *b)
{
    static const uint8_t bytes[SECTORS * SECTOR];
    static uint8_t piece[PAGES * PAGE_SIZE];
    static uint8_t *const list[] = {piece};
    static uint32_t map[2];
    static struct block_changes changes;

    map[0] = (uint32_t)Frama_C_interval(0, PAGES + PAGE_FIRST - 1);
    map[1] = (uint32_t)Frama_C_interval(0, PAGES + PAGE_FIRST - 1);
    changes = (struct block_changes){list, map, PAGES, (uint32_t)Frama_C_interval(0, PAGES), any32()};
    *b = (struct block){.bytes = bytes, .sectors = SECTORS, .changes = any_bool() ? &changes : NULL};
}

/* Behind each call pages are where they can be. */
static void look_at(const struct block *b)
{
    const struct block_changes *ch = b->changes;

    if (ch && (ch->used > PAGES || ch->map[0] >= PAGES + PAGE_FIRST || ch->map[1] >= PAGES + PAGE_FIRST))
        assertion_failed(__LINE__, "a page that there is");
}

static void serve_both(uint32_t type, uint64_t sector, uint32_t count)
{
    static uint8_t flat[sizeof(struct block_request) + BUFFER + 1];
    const struct ring_memory memory = {
        .flat = flat, .flat_size = sizeof(flat), .closing = &(uintptr_t){any_bool()}};
    struct ring r = {.memory = &memory};
    struct ring_chain c = {.readable = {.left = count * SECTOR}, .writable = {.left = count * SECTOR}};
    struct virtio_queue queue = {0};
    struct block b;
    struct virtio_device d = {.model = &b, .queues = &queue};

    make_disk(&b);
    request_was_read = false;
    next_request = (struct block_words){{type, sector}};
    next_range = (struct block_words){{sector, count | (uint64_t)any32() << 32}};
    if (type == TYPE_DISCARD || type == TYPE_ZEROES)
        c.readable.left = sizeof(struct block_range);
    serve_request(&d, 0, &r, &c);
    look_at(&b);

    prove_copy(flat, &next_request, sizeof(next_request));
    pieces_there = (struct ring_pieces){
        .at = {{0, 16}, {sizeof(flat) - 1 - count * SECTOR, count * SECTOR}, {sizeof(flat) - 1, 1}},
        .readable = 1,
        .count = 3};
    serve_short(&d, 0, &r);
    pieces_there.at[1] = pieces_there.at[2];
    pieces_there.count = 2;
    serve_short(&d, 0, &r);
    look_at(&b);
}

void main(void)
{
    static const uint32_t types[] = {TYPE_IN,      TYPE_OUT,    TYPE_FLUSH, TYPE_GET_ID,
                                     TYPE_DISCARD, TYPE_ZEROES, 99};
    uint8_t config[VIRTIO_CONFIG_BYTES];
    struct block b;

    make_disk(&b);
    block_configure(&b, config);
    block_features(&b);
    /*@ loop unroll 7; */
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        /*@ loop unroll SECTORS + 2; */
        for (unsigned sector = 0; sector <= SECTORS + 1; sector++) {
            /*@ loop unroll SECTORS + 2; */
            for (unsigned count = 0; count <= SECTORS + 1; count++)
                serve_both(types[i], sector, count);
        }
    }
}
