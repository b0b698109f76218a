/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends at once, in the way that its command line says: crash, reset or off. With on-crash and on-exit =
 * restart: for ever. */
#include "lib/guest.h"

#define RESET_PORT 0xcf9
#define RESET_CPU  6

const char guest_name[] = "crasher";

void guest_main(const struct boot_info *info)
{
    if (boot_word(info, "reset"))
        outb(RESET_PORT, RESET_CPU);
    if (boot_word(info, "crash"))
        __asm__ volatile("lidt %0; ud2" : : "m"(*(const char(*)[6]) "\0\0\0\0\0"));
    power_off();
}
