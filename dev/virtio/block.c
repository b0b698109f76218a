/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/block.h"

#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"
#include "dev/virtio/ring_short.h"

#define PAGE_SECTORS ((uint32_t)(PAGE_SIZE / SECTOR))
#define PIECE_PAGES  ((uint32_t)(PAGE_2M / PAGE_SIZE))
#define CLEAR_MOST   32768u /* sectors that one request may discard or make zeroes */

/* Where a page of the disk is, in changes->map: as it was, nowhere, as it is all zeroes, or in the budget. */
enum { PAGE_AS_WAS, PAGE_ZEROES, PAGE_FIRST };

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_GET_ID = 8, TYPE_DISCARD = 11, TYPE_ZEROES = 13 };
enum { STATUS_OK, STATUS_IOERR, STATUS_UNSUPP };

#define FEATURE_SIZE_MAX BIT(1)
#define FEATURE_SEG_MAX  BIT(2)
#define FEATURE_RO       BIT(5)
#define FEATURE_BLK_SIZE BIT(6)
#define FEATURE_FLUSH    BIT(9)
#define FEATURE_TOPOLOGY BIT(10)
#define FEATURE_DISCARD  BIT(13)
#define FEATURE_ZEROES   BIT(14)

struct block_request {
    uint32_t type, reserved;
    uint64_t sector;
};

struct block_range {
    uint64_t sector;
    uint32_t count, flags;
};

#define RANGE_UNMAP 1u

_Static_assert(sizeof(struct block_request) == 16 && sizeof(struct block_range) == 16,
               "as drivers have them");

/* --- pages that were changed --- */

static uint8_t *page_of(const struct block_changes *ch, uint32_t n)
{
    return ch->pieces[n / PIECE_PAGES] + n % PIECE_PAGES * PAGE_SIZE;
}

/* Its number and 1; 0: the budget is spent. A list that leads to no page of it ends there. */
static uint32_t take_page(struct block_changes *ch)
{
    uint32_t spare = ch->spare;

    if (spare && spare <= ch->pages) {
        ch->spare = (uint32_t)load_le(page_of(ch, spare - 1), 4);
        return spare;
    }
    return ch->used < ch->pages ? ++ch->used : 0;
}

static void give_page(struct block_changes *ch, uint32_t n)
{
    store_le(page_of(ch, n), ch->spare, 4);
    ch->spare = n + 1;
}

/* The last page of a disk may be a part of one. */
static uint64_t page_bytes(const struct block *b, uint64_t page)
{
    return MIN(b->sectors * SECTOR - page * PAGE_SIZE, PAGE_SIZE);
}

/* A page to be written to: all of it will be, or as it is so far. NULL: no page is left. */
static uint8_t *own_page(struct block *b, uint64_t page, bool all)
{
    uint32_t *where = &b->changes->map[page], taken;
    uint8_t *to;

    if (*where >= PAGE_FIRST)
        return page_of(b->changes, *where - PAGE_FIRST);
    taken = take_page(b->changes);
    if (!taken) {
        b->full++;
        return NULL;
    }
    to = page_of(b->changes, taken - 1);
    if (*where == PAGE_ZEROES && !all)
        memset(to, 0, PAGE_SIZE);
    else if (!all)
        memcpy(to, b->bytes + page * PAGE_SIZE, page_bytes(b, page));
    *where = taken - 1 + PAGE_FIRST;
    return to;
}

static void drop_page(struct block_changes *ch, uint64_t page)
{
    if (ch->map[page] >= PAGE_FIRST)
        give_page(ch, ch->map[page] - PAGE_FIRST);
    ch->map[page] = PAGE_ZEROES;
}

/* NULL: it is all zeroes. */
static const uint8_t *page_now(const struct block *b, uint64_t page)
{
    uint32_t where = b->changes->map[page];

    if (where == PAGE_AS_WAS)
        return b->bytes + page * PAGE_SIZE;
    return where == PAGE_ZEROES ? NULL : page_of(b->changes, where - PAGE_FIRST);
}

/* --- requests: each returns its status --- */

/* Cuts the sector, which leads to a page of changes, to the disk, too. */
static bool is_within(const struct block *b, uint64_t *sector, uint64_t count)
{
    bool within = *sector <= b->sectors && count <= b->sectors - *sector;

    *sector = index_nospec(*sector, b->sectors);
    return within;
}

/* How much of n bytes from at is in the same page. */
static uint32_t within_page(uint64_t at, uint32_t n)
{
    return (uint32_t)MIN(n, PAGE_SIZE - at % PAGE_SIZE);
}

static bool put_zeroes(struct ring *r, struct ring_chain *c, uint32_t n)
{
    static const uint8_t zeroes[SECTOR];

    for (; n; n -= SECTOR) {
        if (!ring_put(r, c, zeroes, SECTOR))
            return false;
    }
    return true;
}

/* Whole sectors, of any number of pages. */
static bool put_pages(struct block *b, struct ring *r, struct ring_chain *c, uint64_t at, uint32_t n)
{
    for (uint32_t step; n; n -= step, at += step) {
        const uint8_t *page = page_now(b, at / PAGE_SIZE);

        step = within_page(at, n);
        if (!(page ? ring_put(r, c, page + at % PAGE_SIZE, step) : put_zeroes(r, c, step)))
            return false;
    }
    return true;
}

static unsigned read_sectors(struct block *b, struct ring *r, struct ring_chain *c, uint64_t sector)
{
    uint32_t n = c->writable.left;
    bool done;

    if (n % SECTOR || n > BLOCK_MOST || !is_within(b, &sector, n / SECTOR))
        return STATUS_IOERR;
    b->reads++;
    done =
        b->changes ? put_pages(b, r, c, sector * SECTOR, n) : ring_put(r, c, b->bytes + sector * SECTOR, n);
    return done ? STATUS_OK : STATUS_IOERR;
}

static unsigned write_sectors(struct block *b, struct ring *r, struct ring_chain *c, uint64_t sector)
{
    uint32_t n = c->readable.left;
    uint64_t at;

    if (!b->changes || n % SECTOR || n > BLOCK_MOST || !is_within(b, &sector, n / SECTOR))
        return STATUS_IOERR;
    b->writes++;
    at = sector * SECTOR;
    for (uint32_t step; n; n -= step, at += step) {
        uint8_t *page;

        step = within_page(at, n);
        page = own_page(b, at / PAGE_SIZE, step == page_bytes(b, at / PAGE_SIZE));
        if (!page || !ring_get(r, c, page + at % PAGE_SIZE, step))
            return STATUS_IOERR;
    }
    return STATUS_OK;
}

static bool clear_part(struct block *b, uint64_t at, uint32_t n)
{
    uint8_t *page;

    if (b->changes->map[at / PAGE_SIZE] == PAGE_ZEROES)
        return true;
    page = own_page(b, at / PAGE_SIZE, false);
    if (page)
        memset(page + at % PAGE_SIZE, 0, n);
    return page;
}

/* Whole pages are given back. What is discarded reads as zeroes, too. */
static unsigned clear_sectors(struct block *b, const struct block_range *range)
{
    uint64_t sector = range->sector, at;
    uint32_t n = range->count * SECTOR;

    if (range->count > CLEAR_MOST || !is_within(b, &sector, range->count))
        return STATUS_IOERR;
    at = sector * SECTOR;
    for (uint32_t step; n; n -= step, at += step) {
        step = within_page(at, n);
        if (step == page_bytes(b, at / PAGE_SIZE))
            drop_page(b->changes, at / PAGE_SIZE);
        else if (!clear_part(b, at, step))
            return STATUS_IOERR;
    }
    return STATUS_OK;
}

static unsigned clear(struct block *b, struct ring *r, struct ring_chain *c, uint32_t type)
{
    struct block_range range;

    if (!b->changes)
        return STATUS_UNSUPP;
    if (c->readable.left != sizeof(range) || !ring_get(r, c, &range, sizeof(range)))
        return STATUS_IOERR;
    if (range.flags & ~(type == TYPE_ZEROES ? RANGE_UNMAP : 0))
        return STATUS_UNSUPP;
    b->writes++;
    return clear_sectors(b, &range);
}

static unsigned tell_name(struct block *b, struct ring *r, struct ring_chain *c)
{
    return ring_put(r, c, b->name, MIN(c->writable.left, BLOCK_NAME)) ? STATUS_OK : STATUS_IOERR;
}

static unsigned do_request(struct block *b, struct ring *r, struct ring_chain *c)
{
    struct block_request q;

    if (!ring_get(r, c, &q, sizeof(q)))
        return STATUS_IOERR;
    switch (q.type) {
    case TYPE_IN: return read_sectors(b, r, c, q.sector);
    case TYPE_OUT: return write_sectors(b, r, c, q.sector);
    case TYPE_FLUSH: return STATUS_OK; /* what is written is where it stays */
    case TYPE_GET_ID: return tell_name(b, r, c);
    case TYPE_DISCARD:
    case TYPE_ZEROES: return clear(b, r, c, q.type);
    default: return STATUS_UNSUPP;
    }
}

/* A request without a place for its status comes back with nothing written. */
static void serve_request(struct virtio_device *d, unsigned queue UNUSED, struct ring *r,
                          struct ring_chain *c)
{
    unsigned status = STATUS_IOERR;
    uint64_t at;

    if (ring_reserve_last(c, &at)) {
        status = do_request(d->model, r, c);
        ring_put_last(r, c, at, (uint8_t)status);
    }
    d->errors += status != STATUS_OK;
}

/* --- the short way: what is right, and whose parts lie as nearly every driver puts them --- */

static void copy_sectors(struct block *b, uint8_t *to, uint64_t at, uint32_t n)
{
    if (!b->changes) {
        memcpy(to, b->bytes + at, n);
        return;
    }
    for (uint32_t step; n; n -= step, at += step, to += step) {
        const uint8_t *page = page_now(b, at / PAGE_SIZE);

        step = within_page(at, n);
        if (page)
            memcpy(to, page + at % PAGE_SIZE, step);
        else
            memset(to, 0, step);
    }
}

/* Into the one buffer between header and status. */
static bool read_short(struct block *b, const struct ring *r, const struct ring_segment *data,
                       uint64_t sector)
{
    uint32_t n = data->size;

    if (n % SECTOR || n > BLOCK_MOST || !is_within(b, &sector, n / SECTOR))
        return false;
    b->reads++;
    copy_sectors(b, r->memory->flat + data->at, sector * SECTOR, n);
    return true;
}

static bool serve_short(struct virtio_device *d, unsigned queue, struct ring *r)
{
    struct block_request q;
    struct ring_pieces p;
    uint32_t n = 0;

    if (is_closing(r->memory) || !ring_peek_pieces(r, &p) || p.readable != 1 || p.count < 2 ||
        p.at[0].size != sizeof(q) || p.at[p.count - 1].size != 1)
        return false;
    memcpy(&q, r->memory->flat + p.at[0].at, sizeof(q));
    if (p.count == 3 && q.type == TYPE_IN && read_short(d->model, r, &p.at[1], q.sector))
        n = p.at[1].size;
    else if (p.count != 2 || q.type != TYPE_FLUSH)
        return false;
    r->memory->flat[p.at[p.count - 1].at] = STATUS_OK;
    d->queues[queue].work += n;
    ring_give_pieces(r, &p, n + 1);
    return true;
}

const struct virtio_ops block_ops = {.name = "block",
                                     .type = 2,
                                     .queue_count = 1,
                                     .queue_size = 64,
                                     .serve = serve_request,
                                     .serve_short = serve_short};

_Static_assert(BLOCK_SEGMENTS + 2 == 64, "a table has header and status, too");

/* --- what its driver is told --- */

unsigned block_configure(const struct block *b, uint8_t *config)
{
    enum {
        CAPACITY,
        SIZE_MAX_AT = 8,
        SEG_MAX = 0xc,
        BLK_SIZE = 0x14,
        PHYSICAL_EXPONENT = 0x18,
        MIN_IO = 0x1a,
        DISCARD_SECTORS = 0x24,
        DISCARD_SEGMENTS = 0x28,
        DISCARD_ALIGNMENT = 0x2c,
        ZEROES_SECTORS = 0x30,
        ZEROES_SEGMENTS = 0x34,
        MAY_UNMAP = 0x38,
        ALL = 0x3c
    };

    _Static_assert(ALL <= VIRTIO_CONFIG_BYTES, "it fits");
    ASSERT(b->sectors > 0);
    memset(config, 0, ALL);
    store_le(config + CAPACITY, b->sectors, 8);
    store_le(config + SIZE_MAX_AT, BLOCK_SEGMENT, 4);
    store_le(config + SEG_MAX, BLOCK_SEGMENTS, 4);
    store_le(config + BLK_SIZE, SECTOR, 4);
    config[PHYSICAL_EXPONENT] = 3; /* a page */
    store_le(config + MIN_IO, PAGE_SECTORS, 2);
    store_le(config + DISCARD_SECTORS, CLEAR_MOST, 4);
    store_le(config + DISCARD_SEGMENTS, 1, 4);
    store_le(config + DISCARD_ALIGNMENT, PAGE_SECTORS, 4);
    store_le(config + ZEROES_SECTORS, CLEAR_MOST, 4);
    store_le(config + ZEROES_SEGMENTS, 1, 4);
    config[MAY_UNMAP] = 1;
    return ALL;
}

uint64_t block_features(const struct block *b)
{
    return FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_BLK_SIZE | FEATURE_TOPOLOGY | FEATURE_FLUSH |
           (b->changes ? FEATURE_DISCARD | FEATURE_ZEROES : FEATURE_RO);
}
