/* SPDX-License-Identifier: BSD-2-Clause */
/* libFuzzer's entry point; each fuzzer is one file with one of these. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must never happen, whatever the input. */
#define MUST(condition)       \
    do {                      \
        if (!(condition))     \
            __builtin_trap(); \
    } while (0)
