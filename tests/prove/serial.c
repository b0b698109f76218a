/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial line: whatever its two ends do, in any order. */
#include "tests/prove/prove.h"

#include "dev/virtio/serial.c"

#define MOST 64

void main(void);

static void hear(void *context, enum serial_news news)
{
    (void)context;
    (void)news;
}

static void use(struct serial_end *e)
{
    uint8_t bytes[MOST];
    bool open;

    for (unsigned i = 0; i < MOST; i++)
        bytes[i] = any8();
    switch (Frama_C_interval(0, 8)) {
    case 0: serial_open(e); break;
    case 1: serial_close(e); break;
    case 2: serial_reset(e); break;
    case 3: serial_say(e, bytes, (unsigned)Frama_C_interval(0, MOST)); break;
    case 4: serial_take(e, bytes, (unsigned)Frama_C_interval(0, MOST)); break;
    case 5: serial_may_say(e); break;
    case 6: serial_due(e, &open); break;
    case 7: serial_tell(e, any_bool()); break;
    default: serial_connect(e, NULL, NULL); break;
    }
}

void main(void)
{
    static struct serial_line line;

    serial_init(&line);
    serial_connect(&line.ends[0], hear, &line);
    line.ends[1].keeps_latest = any_bool();
    while (any_bool()) {
        if (any_bool())
            use(&line.ends[0]);
        else
            use(&line.ends[1]);
        serial_has_come(&line.ends[0]);
        serial_is_heard(&line.ends[1]);
    }
}
