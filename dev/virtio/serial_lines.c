/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/virtio/serial_lines.h"

#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/log.h"
#include "core/base/panic.h"

typedef unsigned long long number;

/* Lines stay when VMs go: who comes back finds the same. */
static struct named_line {
    const char *name; /* NULL: free; of a line to the monitor it is its VM's own, and no other's */
    struct serial_line *line;
} named_lines[CONFIG_MAX_VMS];

static struct serial_end *ends_of[CONFIG_MAX_VMS]; /* by VM */

static bool names_line(const struct vm_config *c, const char *name)
{
    return name == c->serial || (!config_is_monitored(c) && !strcmp(name, c->serial));
}

static struct named_line *find_line(const struct vm_config *c)
{
    unsigned i = 0;

    while (named_lines[i].name && !names_line(c, named_lines[i].name))
        i++;
    ASSERT(i < CONFIG_MAX_VMS); /* there is one for each VM */
    named_lines[i].name = c->serial;
    return &named_lines[i];
}

static struct serial_line *make_line(bool monitored)
{
    struct serial_line *l =
        memory_alloc_zeroed(&memory_host, MEMORY_STATE, ALIGN_UP(sizeof(*l), PAGE_SIZE) / PAGE_SIZE);

    if (!l)
        return NULL;
    serial_init(l);
    l->ends[1].keeps_latest = monitored;
    if (monitored)
        serial_open(&l->ends[1]);
    return l;
}

struct serial_end *serial_attach(struct vm *vm)
{
    struct named_line *n = find_line(vm->config);

    ASSERT(!ends_of[vm->id]);
    if (!n->line)
        n->line = make_line(config_is_monitored(vm->config));
    if (n->line)
        ends_of[vm->id] = &n->line->ends[n->line->ends[0].hear != NULL];
    return ends_of[vm->id];
}

struct serial_end *serial_of(const struct vm *vm)
{
    return ends_of[vm->id];
}

void serial_rest(struct vm *vm)
{
    if (ends_of[vm->id])
        serial_reset(ends_of[vm->id]);
}

void serial_detach(struct vm *vm)
{
    if (ends_of[vm->id])
        serial_connect(ends_of[vm->id], NULL, NULL);
    ends_of[vm->id] = NULL;
}

void serial_print(const struct vm *vm)
{
    const struct serial_end *e = ends_of[vm->id];

    if (!e)
        return;
    log_info("[vm %s] serial %s: %llu bytes said, %llu heard, %llu lost%s%s", vm->config->name,
             vm->config->serial, (number)e->said, (number)e->heard, (number)e->lost, e->open ? ", open" : "",
             e->waits ? ", waits" : "");
}

struct serial_end *serial_of_monitor(const struct vm *vm)
{
    struct serial_end *e = ends_of[vm->id];

    return e && config_is_monitored(vm->config) ? &e->line->ends[1] : NULL;
}
