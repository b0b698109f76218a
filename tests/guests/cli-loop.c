/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps its CPU for ever and takes no interrupt. */
#include "lib/guest.h"

const char guest_name[] = "cli-loop";

void guest_main(const struct boot_info *info)
{
    (void)info;
    say("now");
    uart_drain();
    for (;;)
        __asm__ volatile("cli; jmp .");
}
