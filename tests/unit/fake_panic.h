/* SPDX-License-Identifier: BSD-2-Clause */
/* A panic that a test expects: it ends the call, not the test. For tests that include the source they test.
 */
#pragma once

#include "core/base/panic.h"

#include <setjmp.h>

static jmp_buf panicked;

void panic(const char *fmt, ...)
{
    (void)fmt;
    longjmp(panicked, 1);
}

#define assert_panics(call)          \
    do {                             \
        if (setjmp(panicked) == 0) { \
            call;                    \
            fail_msg("no panic");    \
        }                            \
    } while (0)
