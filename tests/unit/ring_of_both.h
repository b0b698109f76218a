/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring and its driver. A test runs once for each format; `split' says for which. */
#pragma once

#include "tests/unit/unit.h"

#include "tests/unit/fake_driver.h"

static struct ring ring;
static struct ring_segment segments[RING_MAX_SIZE];
static struct ring_chain chain = {.segments = segments};

static const char *enable_as(unsigned size, bool indirect, bool event_idx)
{
    struct ring_layout l = {DESC_AT, DRIVER_AT, DEVICE_AT, (uint16_t)size, !split, indirect, event_idx};

    drv_reset(size);
    return ring_enable(&ring, &fake_ring_memory, &l);
}

static enum ring_pop pop(void)
{
    return ring_pop(&ring, &chain);
}

static int as_split(void **state UNUSED)
{
    split = true;
    return 0;
}

static int as_packed(void **state UNUSED)
{
    split = false;
    return 0;
}

#define BOTH(test)                                   \
    {"split " #test, test, as_split, NULL, NULL},    \
    {                                                \
        "packed " #test, test, as_packed, NULL, NULL \
    }
