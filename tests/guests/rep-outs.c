/* SPDX-License-Identifier: BSD-2-Clause */
/* One instruction that takes millions of exits: OUTS over all memory, a page after the other. */
#include "lib/guest.h"

#define PORT 0x1234

const char guest_name[] = "rep-outs";

void guest_main(const struct boot_info *info)
{
    uint32_t from = 0x100000, count = memory_end(info) - 0x100000;

    say("now");
    uart_drain();
    for (;;) {
        uint32_t at = from, left = count;

        __asm__ volatile("rep outsb" : "+S"(at), "+c"(left) : "d"(PORT) : "memory");
    }
}
