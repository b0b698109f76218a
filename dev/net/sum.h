/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071): ones' complement sums, gathered in 64 bits with the carry brought around.
 * Words are taken in the machine's order, so a folded sum is stored as it is.
 */
#pragma once

#include "dev/virtio/foreign.h"

static inline uint64_t sum_add64(uint64_t sum, uint64_t value)
{
    return __builtin_add_overflow(sum, value, &sum) ? sum + 1 : sum;
}

struct sum_block {
    foreign64 words[8];
};

static inline uint64_t sum_block(uint64_t sum, const struct sum_block *b)
{
    __asm__("addq %1, %0; adcq %2, %0; adcq %3, %0; adcq %4, %0; adcq %5, %0; adcq %6, %0; adcq %7, %0; "
            "adcq %8, %0; adcq $0, %0"
            : "+r"(sum)
            : "m"(b->words[0]), "m"(b->words[1]), "m"(b->words[2]), "m"(b->words[3]), "m"(b->words[4]),
              "m"(b->words[5]), "m"(b->words[6]), "m"(b->words[7])
            : "cc");
    return sum;
}

/* The sum of n bytes is added, as of a range that begins at an even offset. */
static inline uint64_t sum_bytes(uint64_t sum, const uint8_t *at, size_t n)
{
    for (; n >= sizeof(struct sum_block); n -= sizeof(struct sum_block), at += sizeof(struct sum_block))
        sum = sum_block(sum, (const void *)at);
    for (; n >= 8; n -= 8, at += 8)
        sum = sum_add64(sum, foreign_read64(at));
    return n ? sum_add64(sum, load_le(at, (unsigned)n)) : sum;
}

static inline uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* As sum_bytes, of a range that goes on at any offset. */
static inline uint64_t sum_bytes_at(uint64_t sum, size_t offset, const uint8_t *at, size_t n)
{
    uint16_t part;

    if (!(offset & 1))
        return sum_bytes(sum, at, n);
    part = sum_fold(sum_bytes(0, at, n));
    return sum_add64(sum, (uint16_t)(part << 8 | part >> 8));
}

/* What is stored. A zero would say that there is no checksum, to UDP; the other zero is the same number. */
static inline uint16_t sum_complement(uint64_t sum)
{
    uint16_t value = (uint16_t)~sum_fold(sum);

    return value ? value : 0xffff;
}
