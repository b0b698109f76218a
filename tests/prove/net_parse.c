/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers of a frame: any bytes, any number of them, in an array of exactly so many. */
#include "tests/prove/prove.h"

#include "dev/net/parse.c"

#define MOST 256

void main(void);

void main(void)
{
    static uint8_t head[MOST];
    struct net_layers l;

    for (unsigned i = 0; i < MOST; i++)
        head[i] = any8();
    //@ loop unroll 256;
    for (unsigned size = 12; size <= MOST; size++)
        net_parse(head + MOST - size, size, &l);
}
