/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock: any accesses, in any order, at any time. */
#include "tests/prove/prove.h"

#include "dev/rtc.c"

void main(void);

void main(void)
{
    struct rtc r;

    rtc_reset(&r);
    while (any_bool()) {
        if (any_bool())
            rtc_read(&r, (unsigned)Frama_C_interval(0, 1), any64());
        else
            rtc_write(&r, (unsigned)Frama_C_interval(0, 1), any8(), any64());
        if (any_bool())
            rtc_reset(&r);
    }
}
