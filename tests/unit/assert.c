/* SPDX-License-Identifier: BSD-2-Clause */
/* What an ASSERT of the code under test does where the test brings nothing for it: the test's own panic(), or
 * the end. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/panic.h"

#pragma weak panic
#pragma weak assertion_failed

void assertion_failed(unsigned line, const char *condition)
{
    if (panic)
        panic("line %u: assertion failed: %s", line, condition);
    fprintf(stderr, "line %u: assertion failed: %s\n", line, condition);
    abort();
}
