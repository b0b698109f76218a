/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines as long as they may be, without a look at the transmitter. Command line: line=N bytes. */
#include "lib/guest.h"

const char guest_name[] = "words";

void guest_main(const struct boot_info *info)
{
    unsigned length = boot_number(info, "line", 1000);

    say("now");
    for (;;) {
        for (unsigned i = 0; i < length; i++)
            outb(0x3f8, 'x');
        outb(0x3f8, '\n');
    }
}
