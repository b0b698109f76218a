/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock: any accesses, in any order, at any time. */
#include "tests/prove/prove.h"

#include "dev/rtc.c"

void main(void);

static struct rtc_time any_time(void)
{
    return (struct rtc_time){any64(), (uint32_t)Frama_C_interval(0, (int)NANOSECONDS - 1)};
}

void main(void)
{
    struct rtc r;

    rtc_reset(&r, any_time());
    while (any_bool()) {
        if (any_bool())
            rtc_read(&r, (unsigned)Frama_C_interval(0, 1), any_time());
        else
            rtc_write(&r, (unsigned)Frama_C_interval(0, 1), any8(), any_time());
        if (any_bool())
            rtc_reset(&r, any_time());
    }
}
