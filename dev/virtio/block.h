/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.2, "Block Device": a disk of bytes that are there. What is written to it goes to pages of a budget
 * of its own, which is all that it ever has; a disk without is read-only.
 */
#pragma once

#include "dev/virtio/virtio.h"

#define SECTOR         512u
#define BLOCK_NAME     20 /* bytes of its serial number */
#define BLOCK_SEGMENTS 62
#define BLOCK_SEGMENT  (16 * 1024u) /* bytes */
#define BLOCK_MOST     (BLOCK_SEGMENTS * BLOCK_SEGMENT)

/* Pages that hold what was written. All is there from the beginning. */
struct block_changes {
    uint8_t *const *pieces; /* of 2 MiB each */
    uint32_t *map;          /* for each page of the disk: where it is */
    uint32_t pages, used;   /* of the budget: those from used on were never taken */
    uint32_t spare;         /* the first of those given back, and 1; each has the next in it */
};

struct block {
    const uint8_t *bytes; /* as it was at first */
    uint64_t sectors;
    struct block_changes *changes; /* NULL: read-only */
    char name[BLOCK_NAME];
    uint64_t reads, writes, full; /* full: writes for which no page was left */
};

extern const struct virtio_ops block_ops;

/* The disk's configuration as a driver reads it: VIRTIO_CONFIG_BYTES, of which so many are it. */
unsigned block_configure(const struct block *b, uint8_t *config);

/* Beside those that every device has. */
uint64_t block_features(const struct block *b);
