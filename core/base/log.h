/* SPDX-License-Identifier: BSD-2-Clause */
/* What the hypervisor says: one line a call, begun with "skerry: ", ended with a newline by log itself. */
#pragma once

#include "arch/x86/types.h"

void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2); /* only with log = debug */
void log_set_debug(bool on);

/* Text as it is, for pages that have a layout of their own. */
void print(const char *fmt, ...) PRINTF_LIKE(1, 2);
