/* SPDX-License-Identifier: BSD-2-Clause */
/* `trace` in the monitor. */
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/life/life.h"
#include "core/monitor/monitor_command.h"
#include "core/report/trace_show.h"

#define SHOWN 20
#define MOST  (TRACE_EVENTS * MAX_CPUS)

_Static_assert(MOST <= UINT32_MAX / 10 - 1, "one more digit does not overflow");

static bool take_count(const char *text, unsigned *n)
{
    unsigned value = 0;

    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || value > MOST)
            return false;
        value = value * 10 + (unsigned)(*c - '0');
    }
    *n = value;
    return *text && value && value <= MOST;
}

static void usage(void)
{
    print("usage: trace, trace show [VM] [N], trace last [N], trace on VM, trace off VM\n");
}

/* [VM] [N]: a VM's name comes first, even one that is a number. */
static void command_show(const struct config *config, const char *const w[])
{
    struct trace_filter f = {TRACE_ANY, TRACE_ANY};
    const char *const *next = &w[1];
    unsigned n = SHOWN;

    for (unsigned i = 0; i < config->vm_count && f.vm == TRACE_ANY; i++) {
        if (!strcmp(config->vms[i].name, *next))
            f.vm = (int)i;
    }
    next += f.vm != TRACE_ANY;
    if (**next && !take_count(*next, &n)) {
        print("'%s' is neither a VM nor a number, expected trace show [VM] [N]\n", *next);
        return;
    }
    if (**next && *next[1])
        usage();
    else
        trace_show(&f, n);
}

static void show_last(const struct config *config UNUSED, const char *const w[])
{
    unsigned n = SHOWN;

    if (*w[2] || (*w[1] && !take_count(w[1], &n)))
        usage();
    else if (!trace_show_last(n))
        print("nothing is known of a run before: it left no black box, or memory was lost\n");
}

/* What a vCPU does at each exit is chosen when its run begins: all of them leave in between. */
static void turn_trace(const struct config *config, const char *const w[], bool on)
{
    struct vm *vm = monitor_find(config, w[1]);
    const char *why;
    bool held;

    if (!vm)
        return;
    why = vm_hold(vm, &held);
    if (why) {
        print("[vm %s] %s\n", w[1], why);
        return;
    }
    vm->traced = on;
    vm_let_go(vm, held);
    log_info("[vm %s] is %s", w[1], on ? "traced" : "traced no more");
}

static void turn_on(const struct config *config, const char *const w[])
{
    turn_trace(config, w, true);
}

static void turn_off(const struct config *config, const char *const w[])
{
    turn_trace(config, w, false);
}

static const struct {
    const char *name;
    void (*run)(const struct config *config, const char *const w[]);
} verbs[] = {
    {"", command_show}, {"show", command_show}, {"last", show_last}, {"on", turn_on}, {"off", turn_off}};

void monitor_trace(const struct config *config, const char *const words[])
{
    for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(verbs[i].name, words[0])) {
            verbs[i].run(config, words);
            return;
        }
    }
    usage();
}
