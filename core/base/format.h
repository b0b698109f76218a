/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted output into a buffer.
 *
 * The conversions are d i u x X p s c %, with flags '-', '0' and '#', width and precision as numbers or '*',
 * and the lengths hh h l ll z. Anything else is copied as it stands.
 */
#pragma once

#include "arch/x86/types.h"

#include <stdarg.h>

/* Like C's snprintf: writes at most size bytes, always ends with NUL when size > 0, returns the full length.
 */
int format(char *buffer, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
int vformat(char *buffer, size_t size, const char *fmt, va_list args);
