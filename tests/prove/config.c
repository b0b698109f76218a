/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the keys of skerry.cfg take: the function of each key, with any part of a text of up to so many bytes
 * of any values as its value, in any order.
 */
#include "tests/prove/libc.h"

#include "core/base/span.c"

#include "core/config/config_keys.c"

#include "core/config/config_net.c"

#include "core/config/config_shared.c"

#define MOST 160

void main(void);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

static char text[MOST];
static struct config config;

static struct span any_span(void)
{
    int at = Frama_C_interval(0, MOST), end = Frama_C_interval(0, MOST);

    return (struct span){text + at, text + end};
}

static void set_all(const struct key_table *table, char *base)
{
    //@ loop unroll 64;
    for (unsigned i = 0; i < table->count; i++)
        table->keys[i].set(&table->keys[i], any_span(), base + table->keys[i].field);
}

void main(void)
{
    for (unsigned i = 0; i < MOST; i++)
        text[i] = (char)any8();
    while (any_bool()) {
        set_all(&config_host_keys, (char *)&config.host);
        set_all(&config_vm_keys, (char *)&config.vms[0]);
        set_all(&config_net_keys, (char *)&config.nets[0]);
        config_valid_name(any_span());
    }
}
