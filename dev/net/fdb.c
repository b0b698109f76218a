/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An entry, from its top: 48 bits of the permuted key, which of its two buckets this is, 0, 6 bits of port, 8
 * of age. The age is the unit in which the address was seen last; 0 is an entry that is free.
 */
#include "dev/net/fdb.h"

#include "core/base/panic.h"

#define KEY_BITS     60
#define KEY_MASK     (BIT(KEY_BITS) - 1)
#define REST_BITS    48
#define REST_SHIFT   16 /* of it in an entry */
#define SECOND       BIT(15)
#define SAME_SHIFT   14 /* of what is compared: the two above, and a bit that is 0 */
#define PORT_SHIFT   8
#define AGE_MASK     0xffu
#define AGES         254u /* that a clock has: from 1 on */
#define AGE_FIXED    255u
#define SWEPT_A_UNIT 64u

_Static_assert(FDB_BUCKETS == BIT(KEY_BITS - REST_BITS) && REST_BITS + REST_SHIFT == 64 && FDB_PORTS == 64,
               "an entry has 64 bits");
_Static_assert(FDB_UNITS + FDB_BUCKETS / SWEPT_A_UNIT < AGES, "what is old is found before it seems young");

/* --- places --- */

struct place {
    uint64_t same; /* the entry in its first bucket, without port and age */
    unsigned buckets[2];
};

/* Each step can be undone: no two keys become the same. */
static inline uint64_t permute(const struct fdb *t, uint64_t key)
{
    key = (key ^ t->secret[0]) * t->secret[1] & KEY_MASK;
    key ^= key >> 31;
    key = key * UINT64_C(0xbf58476d1ce4e5b9) & KEY_MASK;
    return key ^ key >> 29;
}

static inline struct place find_place(const struct fdb *t, uint64_t mac, unsigned vlan)
{
    uint64_t key = permute(t, mac << 12 | vlan), rest = key & (BIT(REST_BITS) - 1);
    unsigned first = (unsigned)(key >> REST_BITS);

    return (struct place){rest << REST_SHIFT, {first, first ^ (1u | (rest >> 20 & (FDB_BUCKETS - 1)))}};
}

static inline uint64_t entry_at(const uint64_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static inline unsigned age_of(uint64_t entry)
{
    return entry & AGE_MASK;
}

static inline unsigned port_of(uint64_t entry)
{
    return entry >> PORT_SHIFT & (FDB_PORTS - 1);
}

static inline bool is_fixed(uint64_t entry)
{
    return age_of(entry) == AGE_FIXED;
}

static inline unsigned age_at(uint32_t clock)
{
    return 1 + clock % AGES;
}

/* The slot where it is, and the entry there; NULL: nowhere. */
static inline uint64_t *find_slot(const struct fdb *t, const struct place *p, uint64_t *entry)
{
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t *slot = t->entries[p->buckets[i]];
        uint64_t same = i ? p->same | SECOND : p->same;

        for (const uint64_t *end = slot + FDB_WAYS; slot < end; slot++) {
            *entry = entry_at(slot);
            if (!((*entry ^ same) >> SAME_SHIFT) && age_of(*entry))
                return (uint64_t *)slot;
        }
    }
    return NULL;
}

unsigned fdb_find(const struct fdb *t, uint64_t mac, unsigned vlan)
{
    struct place p = find_place(t, mac, vlan);
    uint64_t entry;

    return find_slot(t, &p, &entry) ? port_of(entry) : FDB_NOWHERE;
}

/* --- changes: each is of one word, and counted when it has succeeded --- */

static void count(struct fdb *t, uint64_t entry, uint32_t by)
{
    if (age_of(entry) && !is_fixed(entry))
        __atomic_fetch_add(&t->counts[port_of(entry)], by, __ATOMIC_RELAXED);
}

/* False: it was not what it should be any more. */
static bool replace(struct fdb *t, uint64_t *slot, uint64_t before, uint64_t after)
{
    if (!__atomic_compare_exchange_n(slot, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return false;
    count(t, after, 1);
    count(t, before, (uint32_t)-1);
    return true;
}

static bool has_any(const struct fdb *t, unsigned port)
{
    return __atomic_load_n(&t->counts[port], __ATOMIC_RELAXED);
}

static bool has_room(const struct fdb *t, unsigned port)
{
    return __atomic_load_n(&t->counts[port], __ATOMIC_RELAXED) < t->limit;
}

static unsigned count_free(const uint64_t *bucket)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FDB_WAYS; i++)
        n += !age_of(entry_at(&bucket[i]));
    return n;
}

/* Of the bucket that has more of them; NULL: there is none. */
static uint64_t *find_free(struct fdb *t, const struct place *p, unsigned *which)
{
    uint64_t *bucket;

    *which = count_free(t->entries[p->buckets[1]]) > count_free(t->entries[p->buckets[0]]);
    bucket = t->entries[p->buckets[*which]];
    for (unsigned i = 0; i < FDB_WAYS; i++) {
        if (!age_of(entry_at(&bucket[i])))
            return &bucket[i];
    }
    return NULL;
}

static uint64_t *slot_of(struct fdb *t, const struct place *p, unsigned n)
{
    return &t->entries[p->buckets[n / FDB_WAYS]][n % FDB_WAYS];
}

static unsigned count_like(struct fdb *t, const struct place *p, uint64_t entry)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 2 * FDB_WAYS; i++) {
        uint64_t other = entry_at(slot_of(t, p, i));

        n += !is_fixed(other) && port_of(other) == port_of(entry);
    }
    return n;
}

/* Both are full: the port that has most there gives one away, unless each has but one. */
static uint64_t *find_victim(struct fdb *t, const struct place *p, unsigned *which)
{
    uint64_t *victim = NULL;
    unsigned most = 1;

    for (unsigned i = 0; i < 2 * FDB_WAYS; i++) {
        uint64_t entry = entry_at(slot_of(t, p, i));
        unsigned n = is_fixed(entry) ? 0 : count_like(t, p, entry);

        if (n > most) {
            most = n;
            victim = slot_of(t, p, i);
            *which = i / FDB_WAYS;
        }
    }
    return victim;
}

static bool insert(struct fdb *t, const struct place *p, unsigned port, unsigned age)
{
    unsigned which;
    uint64_t *slot = find_free(t, p, &which), before;

    if (!slot)
        slot = find_victim(t, p, &which);
    if (!slot)
        return false;
    before = entry_at(slot);
    return !is_fixed(before) &&
           replace(t, slot, before, p->same | (which ? SECOND : 0) | port << PORT_SHIFT | age);
}

/* --- learning --- */

static COLD enum fdb_learned learn_new(struct fdb *t, const struct place *p, unsigned port, unsigned age)
{
    return has_room(t, port) && insert(t, p, port, age) ? FDB_LEARNED : FDB_FULL;
}

static COLD enum fdb_learned learn_again(struct fdb *t, uint64_t *slot, uint64_t entry, unsigned port,
                                         unsigned age)
{
    uint64_t after = (entry & ~(BIT(SAME_SHIFT) - 1)) | port << PORT_SHIFT | age;

    if (is_fixed(entry))
        return port_of(entry) == port ? FDB_LEARNED : FDB_FIXED;
    if (port_of(entry) != port && !has_room(t, port))
        return FDB_FULL;
    replace(t, slot, entry, after); /* or it was changed this moment */
    return FDB_LEARNED;
}

enum fdb_learned fdb_learn(struct fdb *t, uint64_t mac, unsigned vlan, unsigned port)
{
    unsigned age = age_at(__atomic_load_n(&t->clock, __ATOMIC_RELAXED));
    struct place p = find_place(t, mac, vlan);
    uint64_t entry, *slot = find_slot(t, &p, &entry);

    ASSERT(port < FDB_PORTS);
    if (!slot)
        return learn_new(t, &p, port, age);
    if (likely((entry & (BIT(SAME_SHIFT) - 1)) == (port << PORT_SHIFT | age)))
        return FDB_LEARNED;
    return learn_again(t, slot, entry, port, age);
}

bool fdb_fix(struct fdb *t, uint64_t mac, unsigned vlan, unsigned port)
{
    struct place p = find_place(t, mac, vlan);
    uint64_t entry;

    ASSERT(port < FDB_PORTS);
    if (find_slot(t, &p, &entry))
        return is_fixed(entry) && port_of(entry) == port;
    return insert(t, &p, port, AGE_FIXED);
}

/* --- forgetting --- */

void fdb_forget(struct fdb *t, unsigned port)
{
    ASSERT(port < FDB_PORTS);
    for (unsigned i = 0; i < FDB_BUCKETS * FDB_WAYS && has_any(t, port); i++) {
        uint64_t *slot = &t->entries[i / FDB_WAYS][i % FDB_WAYS], entry = entry_at(slot);

        if (age_of(entry) && !is_fixed(entry) && port_of(entry) == port)
            replace(t, slot, entry, 0);
    }
}

/* Units since it was seen, when the clock is at now. */
static unsigned age_in_units(uint64_t entry, unsigned now)
{
    return (now + AGES - age_of(entry)) % AGES;
}

static void sweep_bucket(struct fdb *t, uint64_t *bucket, uint32_t elapsed)
{
    for (unsigned i = 0; i < FDB_WAYS; i++) {
        uint64_t entry = entry_at(&bucket[i]);

        if (age_of(entry) && !is_fixed(entry) &&
            age_in_units(entry, age_at(t->clock)) + (uint64_t)elapsed > FDB_UNITS)
            replace(t, &bucket[i], entry, 0);
    }
}

/* As long as the clock stands nothing seems younger than it is. */
static void sweep(struct fdb *t, uint32_t elapsed)
{
    uint32_t n = MIN(elapsed, FDB_BUCKETS / SWEPT_A_UNIT) * SWEPT_A_UNIT;

    while (n--)
        sweep_bucket(t, t->entries[t->swept++ % FDB_BUCKETS], elapsed);
}

COLD void fdb_tick_now(struct fdb *t, uint32_t clock)
{
    uint32_t elapsed;

    if (__atomic_exchange_n(&t->sweeping, true, __ATOMIC_ACQUIRE))
        return;
    elapsed = clock - t->clock;
    if ((int32_t)elapsed > 0) {
        sweep(t, elapsed);
        __atomic_store_n(&t->clock, clock, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&t->sweeping, false, __ATOMIC_RELEASE);
}

void fdb_init(struct fdb *t, uint64_t secret, uint32_t limit)
{
    t->secret[0] = secret & KEY_MASK;
    t->secret[1] = (secret * UINT64_C(0x9e3779b97f4a7c15) >> 3) | 1;
    t->limit = limit;
}
