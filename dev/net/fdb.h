/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which port an address was last seen at, by VLAN (IEEE 802.1Q, "The Filtering Database"). Any CPU looks up
 * and learns, without a lock: an entry is one word, that is read and replaced whole.
 *
 * A word has no room for 60 bits of address and VLAN beside a port and an age. So they are permuted, and what
 * tells the bucket of an entry is not stored in it. The permutation has a secret: whoever sends cannot choose
 * in which bucket its addresses end. An address may be in two buckets, the one with more room is taken.
 */
#pragma once

#include "arch/x86/types.h"

#define FDB_BUCKETS 4096u
#define FDB_WAYS    4u
#define FDB_PORTS   64u
#define FDB_UNITS   150u /* of age, after which an address is forgotten */
#define FDB_NOWHERE FDB_PORTS

struct fdb {
    uint64_t entries[FDB_BUCKETS][FDB_WAYS] ALIGNED(64); /* (atomic) */
    uint64_t secret[2];
    uint32_t counts[FDB_PORTS]; /* entries of each port (atomic) */
    uint32_t limit;             /* that a port may have by learning */
    uint32_t clock;             /* units, since the start (atomic) */
    uint32_t swept;             /* the bucket that is swept next; of whoever has set this: */
    bool sweeping;              /* (atomic) */
};

/* All zero before. */
void fdb_init(struct fdb *t, uint64_t secret, uint32_t limit);

/* FDB_NOWHERE: not known. */
unsigned fdb_find(const struct fdb *t, uint64_t mac, unsigned vlan);

enum fdb_learned { FDB_LEARNED, FDB_FULL, FDB_FIXED /* it is fixed at another port */ };

enum fdb_learned fdb_learn(struct fdb *t, uint64_t mac, unsigned vlan, unsigned port);

/* For ever; false: there is no room. Before anything is learned. */
bool fdb_fix(struct fdb *t, uint64_t mac, unsigned vlan, unsigned port);

/* All that a port has learned; what is fixed stays. */
void fdb_forget(struct fdb *t, unsigned port);

/* The time, in units, has changed: a part of the table is looked through for what is to be forgotten. */
void fdb_tick_now(struct fdb *t, uint32_t clock);

static inline void fdb_tick(struct fdb *t, uint32_t clock)
{
    if (unlikely(clock != __atomic_load_n(&t->clock, __ATOMIC_RELAXED)))
        fdb_tick_now(t, clock);
}
