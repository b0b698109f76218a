/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/log.h"

#include "core/base/console.h"
#include "core/base/format.h"
#include "core/base/panic.h"

#define LINE 512

static bool debug_on;

void log_set_debug(bool on)
{
    debug_on = on;
}

static void write_line(const char *prefix, const char *fmt, va_list args)
{
    char text[LINE];
    int used = format(text, sizeof(text), "%s", prefix);

    used += vformat(text + used, sizeof(text) - (size_t)used - 1, fmt, args);
    used = MIN(used, LINE - 2);
    text[used++] = '\n';
    console_write(text, (unsigned)used);
}

static void tell_nmis(void)
{
    uint32_t n = panic_take_nmis();

    if (n)
        print("skerry: error: %u NMI(s) in root mode, ignored: an error of PCI or memory, a button, or a "
              "watchdog\n",
              n);
}

#define LOG(name, prefix, condition)   \
    void name(const char *fmt, ...)    \
    {                                  \
        va_list args;                  \
                                       \
        if (!(condition))              \
            return;                    \
        tell_nmis();                   \
        va_start(args, fmt);           \
        write_line(prefix, fmt, args); \
        va_end(args);                  \
    }

LOG(log_info, "skerry: ", true)
LOG(log_error, "skerry: error: ", true)
LOG(log_debug, "skerry: debug: ", debug_on)

void print(const char *fmt, ...)
{
    char text[LINE];
    va_list args;
    int used;

    va_start(args, fmt);
    used = vformat(text, sizeof(text), fmt, args);
    va_end(args);
    console_write(text, (unsigned)MIN(used, LINE - 1));
}
