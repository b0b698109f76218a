/* SPDX-License-Identifier: BSD-2-Clause */
/* What must be found: the prover sees a read behind an array, and an ASSERT that may fail. */
#include "tests/prove/prove.h"

#include "core/base/panic.h"

void main(void);

void main(void)
{
    uint8_t bytes[16] = {0};
    unsigned at = any8();

    ASSERT(at != 17);
    any8();
    at = bytes[at];
}
