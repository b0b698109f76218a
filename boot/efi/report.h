/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a survey: a line each of words and numbers. */
#pragma once

#include "arch/x86/types.h"

void report_begin(void *room, uint64_t size);
void report(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Written to \skerry\report.txt of the volume, in place of an older one. False, with a line. */
bool report_write(void);
