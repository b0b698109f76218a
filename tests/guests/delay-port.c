/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports 80h and EDh of a machine remember what was written: one VM writes a text there, with `send` on its
 * command line, the other one must not read it.
 */
#include "lib/guest.h"

#define GAP    2000
#define ROUNDS 100

const char guest_name[] = "delay-port";

static const char secret[] = "the key of the other VM is 0123456789abcdef";
static const uint16_t ports[] = {0x80, 0xed};

static void pass(unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        __asm__ volatile("pause");
}

static void send(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < sizeof(secret); i++) {
            for (unsigned p = 0; p < ARRAY_SIZE(ports); p++)
                outb(ports[p], (uint8_t)secret[i]);
            pass(GAP);
        }
    }
    check(true, "sent");
}

void guest_main(const struct boot_info *info)
{
    unsigned heard = 0;

    if (boot_word(info, "send")) {
        send();
        return;
    }
    for (unsigned i = 0; i < ROUNDS * sizeof(secret) / 2; i++) {
        for (unsigned p = 0; p < ARRAY_SIZE(ports); p++)
            heard += inb(ports[p]) != 0xff || inw(ports[p]) != 0xffff || inl(ports[p]) != 0xffffffff;
        pass(GAP);
    }
    check(!heard, "nothing is there, %u times something", heard);
}
