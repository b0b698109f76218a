/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/config/config.h"

void config_refuse(unsigned line, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    print("skerry.cfg:%u: %s\n", line, text);
}
