/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/base/latency.h"

#include "arch/x86/cpu.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/panic.h"

static uint64_t worst[LATENCIES]; /* ticks of the TSC */

void latency_note(enum latency kind, uint64_t since)
{
    uint64_t ticks = rdtsc() - since;

    ASSERT(kind < LATENCIES && since);
    for (uint64_t now = worst[kind]; ticks > now;) {
        if (__atomic_compare_exchange_n(&worst[kind], &now, ticks, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    }
}

static uint64_t worst_us(enum latency kind)
{
    uint64_t per_us = machine.tsc_hz / 1000000;

    return per_us ? (worst[kind] + per_us - 1) / per_us : 0;
}

void latency_report(void)
{
    static const char *const names[LATENCIES] = {"keys", "stop", "pause", "CPUs"};
    char text[128];
    int n = 0;

    for (enum latency k = 0; k < LATENCIES; k++) {
        if (worst[k])
            n += format(text + n, sizeof(text) - (size_t)n, "%s %s %llu us", n ? "," : "", names[k],
                        (unsigned long long)worst_us(k));
    }
    if (n)
        log_info("obeyed at the latest after:%s", text);
}
