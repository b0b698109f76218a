/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MC146818 real-time clock with 128 bytes of CMOS RAM at ports 70h (index) and 71h (data), century in byte
 * 32h. It shows the host's time and keeps what is written. Its flags (update in progress, update ended,
 * periodic, alarm) are computed when they are read, by its data sheet with a time base of 32.768 kHz; there
 * is no interrupt line.
 */
#pragma once

#include "arch/x86/types.h"

struct rtc {
    uint8_t index;
    uint8_t cmos[128];
    int64_t offset; /* seconds added to the host's time: a guest may set its clock */
    struct rtc_time {
        uint64_t seconds; /* since 1970-01-01 00:00:00 UTC by the host's clock */
        uint32_t ns;
    } seen; /* when flags were read, and so cleared */
};

/* Power-on state: the host's time, CMOS RAM cleared. */
void rtc_reset(struct rtc *r, struct rtc_time now);

/* port: 0 index, 1 data. */
uint8_t rtc_read(struct rtc *r, unsigned port, struct rtc_time now);
void rtc_write(struct rtc *r, unsigned port, uint8_t value, struct rtc_time now);
