/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads any bytes as a kernel of one format. */
#pragma once

#include "tests/fuzz/fuzz.h"

#include "boot/guest/loader.h"

void load_any(const uint8_t *data, size_t size, enum image_format format);
