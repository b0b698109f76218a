/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of addresses against a plain one; who may push out whom; age; several CPUs at once. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dev/net/fdb.h"

static struct fdb t;

static void fresh(uint64_t secret, uint32_t limit)
{
    memset(&t, 0, sizeof(t));
    fdb_init(&t, secret, limit);
}

static uint64_t mac_of(uint64_t n)
{
    return (n * UINT64_C(0x9e3779b97f4a7c15) >> 16 & ~UINT64_C(1)) | 2;
}

static unsigned held(unsigned port)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FDB_BUCKETS * FDB_WAYS; i++) {
        uint64_t e = t.entries[i / FDB_WAYS][i % FDB_WAYS];

        n += (e & 0xff) && (e & 0xff) != 255 && (e >> 8 & 63) == port;
    }
    return n;
}

/* 4,096 addresses are held, each where it was seen last; no other address is taken for one of them. */
static void many(void **state UNUSED)
{
    for (uint64_t secret = 0; secret < 20; secret++) {
        fresh(secret * UINT64_C(0x123456789abcdef1), 4096);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < 4096; i++)
                assert_int_equal(fdb_learn(&t, mac_of(i), i % 4095, (i + round) % 64), FDB_LEARNED);
        }
        for (unsigned i = 0; i < 4096; i++) {
            assert_int_equal(fdb_find(&t, mac_of(i), i % 4095), (i + 1) % 64);
            assert_int_equal(fdb_find(&t, mac_of(i), (i + 1) % 4095), FDB_NOWHERE);
            assert_int_equal(fdb_find(&t, mac_of(i + 4096), i % 4095), FDB_NOWHERE);
        }
        for (unsigned port = 0; port < 64; port++) {
            assert_int_equal(held(port), 64);
            assert_int_equal(t.counts[port], 64);
        }
    }
}

/* Addresses that differ little, and the same ones in other VLANs, as a plain table has them. */
static void neighbours(void **state UNUSED)
{
    fresh(77, 4096);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(fdb_learn(&t, UINT64_C(0x020000000000) + (uint64_t)(i % 64) * 256, i / 64, i % 61),
                         FDB_LEARNED);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(fdb_find(&t, UINT64_C(0x020000000000) + (uint64_t)(i % 64) * 256, i / 64), i % 61);
    for (unsigned vlan = 16; vlan < 4096; vlan++)
        assert_int_equal(fdb_find(&t, UINT64_C(0x020000000000) ^ vlan, vlan), FDB_NOWHERE);
}

/* A flood of addresses from one port goes no further than its limit, nor into the others' places. */
static void flood(void **state UNUSED)
{
    unsigned full = 0, lost = 0;

    fresh(5, 1000);
    for (unsigned i = 0; i < 32; i++)
        fdb_learn(&t, mac_of(i), 0, i);
    for (unsigned i = 100; i < 100000; i++)
        full += fdb_learn(&t, mac_of(i), 0, 40) == FDB_FULL;
    assert_int_equal(t.counts[40], 1000);
    assert_int_equal(held(40), 1000);
    assert_true(full > 98000);
    fresh(5, 1u << 30); /* no limit: then only what shares its buckets */
    for (unsigned i = 0; i < 32; i++)
        fdb_learn(&t, mac_of(i), 0, i);
    for (unsigned i = 100; i < 100000; i++)
        fdb_learn(&t, mac_of(i), 0, 40);
    assert_true(held(40) > FDB_BUCKETS * FDB_WAYS * 9 / 10);
    for (unsigned i = 0; i < 32; i++)
        lost += fdb_find(&t, mac_of(i), 0) != i;
    assert_int_equal(lost, 0);
    for (unsigned i = 200000; i < 200064; i++) { /* and a newcomer finds room */
        assert_int_equal(fdb_learn(&t, mac_of(i), 0, 50), FDB_LEARNED);
        assert_int_equal(fdb_find(&t, mac_of(i), 0), 50);
    }
    assert_int_equal(held(50), 64);
    assert_int_equal(t.counts[40], held(40));
}

/* The bucket that an address goes to now. */
static unsigned bucket_of(uint64_t mac)
{
    static struct fdb before;

    before = t;
    assert_int_equal(fdb_learn(&t, mac, 0, 0), FDB_LEARNED);
    for (unsigned i = 0; i < FDB_BUCKETS; i++) {
        if (memcmp(t.entries[i], before.entries[i], sizeof(t.entries[i]))) {
            t = before;
            return i;
        }
    }
    fail();
    return 0;
}

/* Where each has one place, nobody takes another's. */
static void one_each(void **state UNUSED)
{
    unsigned buckets[2];

    fresh(11, 4096);
    buckets[0] = bucket_of(mac_of(1));
    memset(t.entries[buckets[0]], 0xff, sizeof(t.entries[0]));
    buckets[1] = bucket_of(mac_of(1));
    assert_int_not_equal(buckets[0], buckets[1]);
    for (uint64_t i = 0; i < 2 * FDB_WAYS; i++) /* of any addresses, of port i, and young */
        t.entries[buckets[i / FDB_WAYS]][i % FDB_WAYS] = mac_of(i) << 16 | i << 8 | 1;
    assert_int_equal(fdb_learn(&t, mac_of(1), 0, 20), FDB_FULL);
    t.entries[buckets[1]][2] = mac_of(6) << 16 | 3 << 8 | 1; /* now port 3 has two */
    assert_int_equal(fdb_learn(&t, mac_of(1), 0, 20), FDB_LEARNED);
    assert_int_equal(fdb_find(&t, mac_of(1), 0), 20);
}

static void moves(void **state UNUSED)
{
    fresh(9, 2);
    assert_int_equal(fdb_learn(&t, mac_of(1), 7, 3), FDB_LEARNED);
    assert_int_equal(fdb_learn(&t, mac_of(1), 7, 4), FDB_LEARNED);
    assert_int_equal(fdb_find(&t, mac_of(1), 7), 4);
    assert_int_equal(t.counts[3], 0);
    fdb_learn(&t, mac_of(2), 7, 4);
    assert_int_equal(fdb_learn(&t, mac_of(3), 7, 4), FDB_FULL);
    fdb_learn(&t, mac_of(3), 7, 3);
    assert_int_equal(fdb_learn(&t, mac_of(3), 7, 4), FDB_FULL); /* nor by taking another's */
    assert_int_equal(fdb_find(&t, mac_of(3), 7), 3);
}

static void fixed(void **state UNUSED)
{
    fresh(9, 4096);
    assert_true(fdb_fix(&t, mac_of(1), 0, 3));
    assert_true(fdb_fix(&t, mac_of(1), 0, 3));
    assert_false(fdb_fix(&t, mac_of(1), 0, 4));
    assert_int_equal(fdb_learn(&t, mac_of(1), 0, 4), FDB_FIXED);
    assert_int_equal(fdb_learn(&t, mac_of(1), 0, 3), FDB_LEARNED);
    assert_int_equal(fdb_learn(&t, mac_of(1), 1, 4), FDB_LEARNED);
    assert_int_equal(t.counts[3], 0);
    for (unsigned i = 2; i < 200000; i++)
        fdb_learn(&t, mac_of(i), 0, i % 64);
    fdb_forget(&t, 3);
    fdb_tick(&t, 10000);
    assert_int_equal(fdb_find(&t, mac_of(1), 0), 3);
    for (unsigned port = 0; port < 64; port++)
        assert_int_equal(t.counts[port], 0);
}

static void forgets_a_port(void **state UNUSED)
{
    fresh(9, 4096);
    for (unsigned i = 0; i < 1000; i++)
        fdb_learn(&t, mac_of(i), 0, i % 2);
    fdb_forget(&t, 1);
    assert_int_equal(t.counts[1], 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(fdb_find(&t, mac_of(i), 0), i % 2 ? FDB_NOWHERE : 0);
}

/* --- age --- */

/* However the clock jumps: what was seen within FDB_UNITS stays, what is older goes with the sweep. */
static void ages(void **state UNUSED)
{
    for (unsigned step = 1; step < 600; step = step * 3 / 2 + 1) {
        uint32_t clock = 0, gone = 0;

        fresh(step, 4096);
        for (unsigned i = 0; i < 500; i++)
            fdb_learn(&t, mac_of(i), 0, 1);
        while (t.counts[1]) {
            clock += step;
            if (clock <= FDB_UNITS)
                fdb_learn(&t, mac_of(1000), 0, 2);
            fdb_tick(&t, clock);
            if (clock <= FDB_UNITS)
                assert_int_equal(t.counts[1], 500);
            gone = clock;
            assert_true(clock <= FDB_UNITS + FDB_BUCKETS / 64 + step);
        }
        assert_true(gone > FDB_UNITS);
    }
}

/* One that is used stays for ever; one that is not goes, many turns of the age later, too. */
static void used_stays(void **state UNUSED)
{
    fresh(1, 4096);
    for (uint32_t clock = 1; clock < 5000; clock++) {
        fdb_learn(&t, mac_of(1), 0, 1);
        if (clock % 700 == 0)
            fdb_learn(&t, mac_of(clock), 0, 2);
        fdb_tick(&t, clock);
        assert_int_equal(fdb_find(&t, mac_of(1), 0), 1);
        assert_true(t.counts[2] <= 1);
        assert_true(clock % 700 < 220 || t.counts[2] == 0);
    }
    fdb_tick(&t, 10); /* a CPU that is late */
    assert_int_equal(t.clock, 4999);
}

/* --- several CPUs --- */

#define THREADS 4

static void *learner(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;
    unsigned seed = self;

    for (unsigned i = 0; i < 200000; i++) {
        unsigned n = (unsigned)rand_r(&seed) % 3000, found;

        fdb_learn(&t, mac_of(n), 0, self * 16 + n % 16);
        found = fdb_find(&t, mac_of(n), 0);
        assert_true(found == FDB_NOWHERE || found % 16 == n % 16);
        if (i % 1000 == 0)
            fdb_tick(&t, i / 1000 * 5);
        if (i % 50000 == 0)
            fdb_forget(&t, self * 16);
    }
    return NULL;
}

/* What is counted is what there is, and an address is where one of them saw it. */
static void threads(void **state UNUSED)
{
    pthread_t all[THREADS];

    fresh(3, 4096);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&all[i], NULL, learner, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(all[i], NULL);
    for (unsigned port = 0; port < 64; port++)
        assert_int_equal(t.counts[port], held(port));
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(many),           cmocka_unit_test(neighbours), cmocka_unit_test(flood),
        cmocka_unit_test(one_each),       cmocka_unit_test(moves),      cmocka_unit_test(fixed),
        cmocka_unit_test(forgets_a_port), cmocka_unit_test(ages),       cmocka_unit_test(used_stays),
        cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
