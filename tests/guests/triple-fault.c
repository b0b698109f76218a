/* SPDX-License-Identifier: BSD-2-Clause */
/* An exception without anyone to take it. */
#include "lib/guest.h"

const char guest_name[] = "triple-fault";

void guest_main(const struct boot_info *info)
{
    static const uint8_t empty[6];

    (void)info;
    say("now");
    uart_drain();
    __asm__ volatile("lidt %0; int3" : : "m"(empty));
    check(false, "still here");
}
