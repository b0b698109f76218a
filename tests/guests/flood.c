/* SPDX-License-Identifier: BSD-2-Clause */
/* Says more than the serial line can carry, for ever. */
#include "lib/guest.h"

const char guest_name[] = "flood";

void guest_main(const struct boot_info *info)
{
    (void)info;
    for (unsigned i = 0;; i++)
        say("line %u of as many as will go, which is without end and without rest", i);
}
