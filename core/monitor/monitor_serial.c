/* SPDX-License-Identifier: BSD-2-Clause */
/* `serial` in the monitor: the other end of a VM's serial line (serial = monitor). */
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/monitor/monitor_command.h"
#include "dev/virtio/serial_lines.h"

#define PIECE 64u

/* Lines are kept, none of which can pass for one of ours; what else moves a terminal's cursor is a dot. */
static void print_byte(uint8_t byte)
{
    if (byte == '\n')
        print("\n  ");
    else if (byte != '\r')
        print("%c", byte >= 0x20 && byte < 0x7f ? byte : '.');
}

/* What has come since the last look, of which the latest is kept. */
static void show_serial(struct serial_end *e)
{
    uint8_t bytes[PIECE];
    unsigned n;

    print("  ");
    for (unsigned left = SERIAL_BYTES; left; left -= n) {
        n = serial_take(e, bytes, PIECE);
        if (!n)
            break;
        for (unsigned i = 0; i < n; i++)
            print_byte(bytes[i]);
    }
    print("\n");
}

static void send_line(struct serial_end *e, const char *name, const char *text)
{
    unsigned n = (unsigned)strlen(text), said;

    if (!serial_is_heard(e)) {
        print("[vm %s] has not opened its port\n", name);
        return;
    }
    said = serial_say(e, (const uint8_t *)text, n);
    if (said == n)
        said += serial_say(e, (const uint8_t *)"\n", 1);
    if (said <= n)
        print("[vm %s] has no room for more, it was sent %u of %u bytes\n", name, said, n + 1);
}

void monitor_serial(const struct config *config, const char *const w[])
{
    struct vm *vm = monitor_find(config, w[0]);
    struct serial_end *e = vm ? serial_of_monitor(vm) : NULL;

    if (!vm)
        return;
    if (!e)
        print("[vm %s] has no line to here, expected serial = monitor\n", w[0]);
    else if (*w[1])
        send_line(e, w[0], w[1]);
    else
        show_serial(e);
}
