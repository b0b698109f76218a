/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MC146818 real-time clock with 128 bytes of CMOS RAM at ports 70h (index) and 71h (data), century in byte
 * 32h. It shows the host's time and keeps what is written; it has no alarm and no periodic interrupt.
 */
#pragma once

#include "arch/x86/types.h"

struct rtc {
    uint8_t index;
    uint8_t cmos[128];
    int64_t offset; /* seconds added to the host's time: a guest may set its clock */
};

/* Power-on state: the host's time, CMOS RAM cleared. */
void rtc_reset(struct rtc *r);

/* port: 0 index, 1 data. now: seconds since 1970-01-01 00:00:00 UTC by the host's clock. */
uint8_t rtc_read(const struct rtc *r, unsigned port, uint64_t now);
void rtc_write(struct rtc *r, unsigned port, uint8_t value, uint64_t now);
