/* SPDX-License-Identifier: BSD-2-Clause */
/* Says what it hears until "q" is typed: keys, breaks on its serial line, NMIs. */
#include "lib/guest.h"

#define UART_DATA 0x3f8
#define UART_LINE 0x3fd
#define READY     BIT(0)
#define BREAK     BIT(4)
#define NMI       2

const char guest_name[] = "listen";

static volatile uint32_t nmis;

static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
    nmis++;
}

static bool hear(void)
{
    uint8_t line = inb(UART_LINE), byte;

    if (!(line & READY))
        return true;
    byte = inb(UART_DATA);
    say("%s %x", line & BREAK ? "break" : "key", (unsigned)byte);
    return byte != 'q';
}

void guest_main(const struct boot_info *info)
{
    uint32_t told = 0;

    (void)info;
    on_interrupt(NMI, on_nmi);
    say("listens");
    while (hear()) {
        if (told != nmis)
            say("NMI %u", (unsigned)++told);
    }
}
