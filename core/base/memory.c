/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/memory.h"

#include "arch/x86/layout.h"
#include "arch/x86/spinlock.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"

#define LOW_MEMORY    MIB   /* firmware, real-mode trampoline: never given out */
#define RELEASE_PIECE 512   /* pages that are given back, and bytes of the map that are counted, */
#define AUDIT_PIECE   65536 /* with the lock held: microseconds */
#define AUDIT_TRIES   3

#define MAP_WORD   8 /* bytes of the map that are looked at together */
#define EVERY_BYTE UINT64_C(0x0101010101010101)

enum { UNUSABLE, FREE = MEMORY_FREE }; /* then MEMORY_HOST and the VMs */

struct account memory_host = {.owner = MEMORY_HOST};

static struct spinlock lock; /* guards everything below */
static uint8_t *owners;      /* one byte per page from address 0 */
static uint64_t page_limit, total_pages, free_pages;
static uint64_t used_end;                            /* no page from here on was ever given out */
static uint64_t first_free = LOW_MEMORY / PAGE_SIZE; /* no page below is free */

static uint64_t changes;     /* of the map */
static uint64_t retired[64]; /* numbers of pages that lost what was in them */
static unsigned retired_count;

typedef uint64_t __attribute__((may_alias)) map_word_t;

static const map_word_t *map_word(uint64_t page)
{
    return (const map_word_t *)(owners + page);
}

static bool has_byte(uint64_t word, uint8_t byte)
{
    uint64_t zero_where_it_is = word ^ byte * EVERY_BYTE;

    return (zero_where_it_is - EVERY_BYTE) & ~zero_where_it_is & 0x80 * EVERY_BYTE;
}

static unsigned count_bytes(uint64_t word, uint8_t byte)
{
    unsigned count = 0;

    if (word == byte * EVERY_BYTE)
        return MAP_WORD;
    if (!has_byte(word, byte))
        return 0;
    for (; word; word >>= 8)
        count += (word & 0xff) == byte;
    return count;
}

static bool is_retired(uint64_t page)
{
    for (unsigned i = 0; i < retired_count; i++) {
        if (retired[i] == page)
            return true;
    }
    return false;
}

static void set_owner(uint64_t first, uint64_t count, uint8_t owner)
{
    ASSERT(first <= page_limit && count <= page_limit - first);
    memset(owners + first, owner, count);
}

static bool range_overlaps(const struct memory_range *a, uint64_t base, uint64_t size)
{
    return base < a->base + a->size && a->base < base + size;
}

/* The page map itself lies in the first usable place that overlaps nothing reserved. */
static uint64_t place_map(const struct memory_range *usable, unsigned usable_count,
                          const struct memory_range *reserved, unsigned reserved_count, uint64_t size)
{
    for (unsigned i = 0; i < usable_count; i++) {
        uint64_t base = ALIGN_UP(MAX(usable[i].base, LOW_MEMORY), PAGE_SIZE);

        for (unsigned r = 0; r < reserved_count;) {
            if (range_overlaps(&reserved[r], base, size)) {
                base = ALIGN_UP(reserved[r].base + reserved[r].size, PAGE_SIZE);
                r = 0;
            } else {
                r++;
            }
        }
        if (base + size <= usable[i].base + usable[i].size && base + size <= 4 * GIB)
            return base;
    }
    return 0;
}

bool memory_setup(const struct memory_range *usable, unsigned usable_count,
                  const struct memory_range *reserved, unsigned reserved_count)
{
    uint64_t size, at;

    for (unsigned i = 0; i < usable_count; i++)
        page_limit = MAX(page_limit, (usable[i].base + usable[i].size) / PAGE_SIZE);
    size = ALIGN_UP(page_limit, PAGE_SIZE);
    at = place_map(usable, usable_count, reserved, reserved_count, size);
    if (!at)
        return false;
    owners = phys_to_virt(hpa(at));
    memory_zero(owners, size / PAGE_SIZE);
    for (unsigned i = 0; i < usable_count; i++) {
        uint64_t first = ALIGN_UP(MAX(usable[i].base, LOW_MEMORY), PAGE_SIZE) / PAGE_SIZE;
        uint64_t end = (usable[i].base + usable[i].size) / PAGE_SIZE;

        if (end > first)
            set_owner(first, end - first, FREE);
    }
    for (unsigned i = 0; i < reserved_count; i++) {
        uint64_t first = reserved[i].base / PAGE_SIZE;
        uint64_t end = MIN(ALIGN_UP(reserved[i].base + reserved[i].size, PAGE_SIZE) / PAGE_SIZE, page_limit);

        if (end > first)
            set_owner(first, end - first, UNUSABLE);
    }
    set_owner(at / PAGE_SIZE, size / PAGE_SIZE, UNUSABLE);
    for (uint64_t page = 0; page < page_limit; page++)
        free_pages += owners[page] == FREE;
    total_pages = free_pages;
    return free_pages > 0;
}

static void check_request(const struct account *account, uint64_t count, uint64_t align)
{
    ASSERT(account->owner >= MEMORY_HOST); /* else its pages would pass for free ones */
    ASSERT(!account->sealed);
    ASSERT(count > 0);
    ASSERT(align > 0 && (align & (align - 1)) == 0);
}

static uint64_t find_run(uint64_t count, uint64_t align)
{
    uint64_t page = ALIGN_UP(first_free, align), run = 0;

    while (count <= page_limit && page <= page_limit - count) {
        while (run < count && owners[page + run] == FREE)
            run++;
        if (run == count)
            return page;
        page = ALIGN_UP(page + run + 1, align);
        run = 0;
    }
    return 0;
}

static void take_pages(struct account *account, enum memory_kind kind, uint64_t page, uint64_t count)
{
    set_owner(page, count, account->owner);
    if (page == first_free)
        first_free = page + count;
    free_pages -= count;
    changes++;
    account->pages[kind] += count;
}

hpa_t memory_alloc(struct account *account, enum memory_kind kind, uint64_t count, uint64_t align)
{
    uint64_t page;

    check_request(account, count, align);
    spin_lock(&lock);
    page = find_run(count, align);
    if (page) {
        take_pages(account, kind, page, count);
        used_end = MAX(used_end, page + count);
    }
    spin_unlock(&lock);
    return hpa(page * PAGE_SIZE);
}

static uint64_t find_run_below(uint64_t count, uint64_t align, uint64_t end)
{
    uint64_t run = 0;

    for (uint64_t page = MIN(end, page_limit); page > first_free;) {
        run = owners[--page] == FREE ? run + 1 : 0;
        if (run >= count && page % align == 0)
            return page;
    }
    return 0;
}

/* Not in used_end: it is never free again. */
hpa_t memory_alloc_high(struct account *account, enum memory_kind kind, uint64_t count, uint64_t align,
                        uint64_t below)
{
    uint64_t page;

    check_request(account, count, align);
    spin_lock(&lock);
    page = find_run_below(count, align, below / PAGE_SIZE);
    if (page)
        take_pages(account, kind, page, count);
    spin_unlock(&lock);
    return hpa(page * PAGE_SIZE);
}

bool memory_retire(hpa_t at)
{
    uint64_t page = at.value / PAGE_SIZE;
    bool done;

    spin_lock(&lock);
    done = is_retired(page) || retired_count < ARRAY_SIZE(retired);
    if (done && !is_retired(page))
        retired[retired_count++] = page;
    spin_unlock(&lock);
    return done;
}

/* The next page from there on that is an owner's; page_limit: there is none. */
static uint64_t next_of(uint8_t owner, uint64_t page)
{
    while (page < page_limit && owners[page] != owner) {
        bool skip = page % MAP_WORD == 0 && !has_byte(*map_word(page), owner);

        page += skip ? MAP_WORD : 1;
    }
    return MIN(page, page_limit);
}

static uint64_t length_of_run(uint64_t page, uint64_t most)
{
    uint64_t count = 1;

    while (count < most && page + count < page_limit && owners[page + count] == owners[page])
        count++;
    return count;
}

static void give_back(uint64_t page, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        bool lost = is_retired(page + i);

        owners[page + i] = lost ? UNUSABLE : FREE;
        free_pages += !lost;
    }
    first_free = MIN(first_free, page);
    changes++;
}

static void zero_unless_retired(uint64_t page, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!is_retired(page + i))
            memory_zero(phys_to_virt(hpa((page + i) * PAGE_SIZE)), 1);
    }
}

/* Nobody else moves a page that is this owner's: the lock is taken for what is given back alone, by pieces.
 */
void memory_release(struct account *account)
{
    uint8_t owner = account->owner; /* the account itself may lie in what goes */
    uint64_t count;

    ASSERT(owner >= MEMORY_FIRST_VM); /* the hypervisor's own stays */
    memset(account->pages, 0, sizeof(account->pages));
    for (uint64_t page = next_of(owner, 0); page < page_limit; page = next_of(owner, page + count)) {
        count = length_of_run(page, RELEASE_PIECE);
        zero_unless_retired(page, count);
        spin_lock(&lock);
        give_back(page, count);
        spin_unlock(&lock);
    }
}

/* How many pages are an owner's, and free, with the lock given up between pieces; behind the last page the
 * map is 0. */
static void count_pages(uint8_t owner, uint64_t *mine, uint64_t *free)
{
    *mine = *free = 0;
    for (uint64_t piece = 0; piece < page_limit; piece += AUDIT_PIECE) {
        spin_lock(&lock);
        for (uint64_t page = piece; page < MIN(piece + AUDIT_PIECE, page_limit); page += MAP_WORD) {
            *mine += count_bytes(*map_word(page), owner);
            *free += count_bytes(*map_word(page), FREE);
        }
        spin_unlock(&lock);
    }
}

static uint64_t read_changes(void)
{
    uint64_t n;

    spin_lock(&lock);
    n = changes;
    spin_unlock(&lock);
    return n;
}

/* Where others take and give back all the time, what is free is not compared. */
bool memory_audit(const struct account *account)
{
    uint64_t mine, free, held = 0, before;
    bool right = true, steady = false;

    for (unsigned kind = 0; kind < MEMORY_KINDS; kind++)
        held += account->pages[kind];
    for (unsigned i = 0; right && !steady && i < AUDIT_TRIES; i++) {
        before = read_changes();
        count_pages(account->owner, &mine, &free);
        spin_lock(&lock);
        steady = changes == before;
        right = held == mine && (!steady || free == free_pages);
        spin_unlock(&lock);
    }
    return right;
}

void memory_reserve(uint64_t base, uint64_t size)
{
    uint64_t end = MIN(ALIGN_UP(base + size, PAGE_SIZE) / PAGE_SIZE, page_limit);

    spin_lock(&lock);
    for (uint64_t page = base / PAGE_SIZE; page < end; page++) {
        if (owners[page] == FREE) {
            owners[page] = UNUSABLE;
            free_pages--;
            changes++;
        }
    }
    spin_unlock(&lock);
}

bool memory_next_run(uint8_t owner, uint64_t *page, uint64_t *count)
{
    *page = next_of(owner, *page);
    *count = *page < page_limit ? length_of_run(*page, page_limit) : 0;
    return *count > 0;
}

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind, uint64_t count)
{
    hpa_t at = memory_alloc(account, kind, count, 1);

    if (!at.value)
        return NULL;
    memory_zero(phys_to_virt(at), count);
    return phys_to_virt(at);
}

void memory_zero(void *at, uint64_t pages)
{
    uint64_t quads = pages * (PAGE_SIZE / 8);

    ASSERT((uintptr_t)at % PAGE_SIZE == 0);
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(quads) : "a"(0) : "memory");
}

uint64_t memory_used_end(void)
{
    return used_end;
}

uint64_t memory_total_pages(void)
{
    return total_pages;
}

uint64_t memory_free_pages(void)
{
    return free_pages;
}
