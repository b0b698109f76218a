/* SPDX-License-Identifier: BSD-2-Clause */
/* Speaks in the hypervisor's name: nobody who reads the console may believe it. */
#include "lib/guest.h"

const char guest_name[] = "skerry";

void guest_main(const struct boot_info *info)
{
    (void)info;
    say("panic on CPU 0: so it says");
    say("power off");
    say("halted: so it says");
}
