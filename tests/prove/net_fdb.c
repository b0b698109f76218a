/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of addresses: any entries, as other CPUs leave them at any time, and any calls on them. */
#include "tests/prove/prove.h"

#include "dev/net/fdb.c"

void main(void);

void main(void)
{
    static struct fdb t;
    uint64_t mac = any64() & (BIT(48) - 1);
    unsigned vlan = any16() % 4096, port = any8() % FDB_PORTS;

    fdb_init(&t, any64(), any32());
    for (unsigned i = 0; i < FDB_BUCKETS * FDB_WAYS; i++)
        t.entries[i / FDB_WAYS][i % FDB_WAYS] = any64();
    while (any_bool()) {
        switch (any8() % 5) {
        case 0: fdb_find(&t, mac, vlan); break;
        case 1: fdb_learn(&t, mac, vlan, port); break;
        case 2: fdb_fix(&t, mac, vlan, port); break;
        case 3: fdb_forget(&t, port); break;
        default: fdb_tick(&t, any32()); break;
        }
    }
}
