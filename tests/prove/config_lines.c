/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines and sections of skerry.cfg, any part of a text of up to so many bytes of any values, in any order;
 * and what is said of the whole, of VMs that have any values. The keys themselves are in
 * tests/prove/config.c.
 */
#include "tests/prove/libc.h"

#include "core/base/span.c"

#include "core/config/config.c"

#define MOST 64

void main(void);

int memcmp(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
            return 1;
    }
    return 0;
}

/* --- what is below: it writes within the size, and says how long all of it is --- */

int vformat(char *buffer, size_t size, const char *fmt, va_list args)
{
    (void)fmt;
    (void)args;
    buffer[size - 1] = '\0';
    return Frama_C_interval(0, 2000);
}

/* At most what the longest of those that are added up has. That the buffer has room to the size that is left
 * is a sum that Eva does not keep: that there is a first byte is what is proven. */
int format(char *buffer, size_t size, const char *fmt, ...)
{
    (void)fmt;
    (void)size;
    buffer[0] = '\0';
    return Frama_C_interval(0, 4);
}

static void report(void *context, unsigned line, const char *text)
{
    (void)context;
    (void)line;
    (void)text;
}

/* --- the keys --- */

static bool set_any(const struct key *key, struct span value, void *field)
{
    (void)key;
    (void)value;
    (void)field;
    return any_bool();
}

static const struct key vm_keys[] = {
    {"load", set_any, "address", "a number", offsetof(struct vm_config, load), 8, 0, NULL},
    {"mode", set_any, "mode", "16 or 32", offsetof(struct vm_config, mode), 4, 0, NULL},
    {"kernel", set_any, "file", "a name", offsetof(struct vm_config, kernel), CONFIG_FILE_SIZE,
     offsetof(struct vm_config, kernel_line), NULL},
    {"module", set_any, "file", "a name", 0, 0, 0, NULL},
};
static const struct key host_keys[] = {
    {"focus", set_any, "name", "a name", offsetof(struct host_config, focus), CONFIG_NAME_SIZE,
     offsetof(struct host_config, focus_line), NULL},
    {"module", set_any, "file", "a name", offsetof(struct host_config, release), 0, 0, NULL},
};
static const struct key net_keys[] = {
    {"flood", set_any, "number", "a number", 0, 4, 0, NULL},
};

const struct key_table config_host_keys = {host_keys, 2}, config_vm_keys = {vm_keys, 4},
                       config_net_keys = {net_keys, 1};
struct key_table config_switch_keys = {net_keys, 1};

bool config_key_repeats(const struct key *key)
{
    return key->name[0] == 'm' && key->name[2] == 'd' && key->name[3] == 'u';
}

bool config_key_may_be_empty(const struct key *key)
{
    (void)key;
    return any_bool();
}

bool config_valid_name(struct span name)
{
    return !span_empty(name) && any_bool();
}

bool config_is_monitored(const struct vm_config *c)
{
    (void)c;
    return any_bool();
}

void config_check_shared(struct config *all, config_net_fault *fault, void *context)
{
    fault(context, any_bool() ? &all->vms[0] : NULL, any32(), "shared");
}

void config_check_nets(struct config *all, config_net_fault *fault, void *context)
{
    fault(context, any_bool() ? &all->vms[1] : NULL, any32(), "net");
}

/* --- in any order --- */

static char text[MOST];
static struct config config;

static struct span any_span(void)
{
    int at = Frama_C_interval(0, MOST), end = Frama_C_interval(0, MOST);

    return (struct span){text + at, text + end};
}

/* What keys make of a VM. */
static void settle(struct vm_config *vm)
{
    vm->mode = any_bool() ? 16 : 32;
    vm->load = any64();
    vm->format = any_bool() ? IMAGE_AUTO : IMAGE_LINUX;
    vm->console = any_bool() ? CONSOLE_VIRTIO : CONSOLE_UART;
    vm->sched = any_bool() ? SCHED_DEDICATED : SCHED_SHARED;
    vm->vcpus = any32();
    vm->rng = any_bool();
    vm->pci = any_bool();
    vm->shared_count = (unsigned)Frama_C_interval(0, VM_MAX_SHARED);
    vm->port_count = (unsigned)Frama_C_interval(0, VM_MAX_PORTS);
    vm->disk_count = (unsigned)Frama_C_interval(0, VM_MAX_DISKS);
    vm->channel_count = (unsigned)Frama_C_interval(0, VM_MAX_CHANNELS);
    vm->memory_line = any32();
    vm->cpus_line = any32();
    vm->serial_line = any32();
    vm->exit_budget_line = any32();
    vm->on_budget_line = any32();
    vm->channels[0][0] = (char)any8();
    vm->serial[0] = (char)any8();
}

static void check_all(struct parser *p)
{
    end_section(p);
    inherit(&config);
    check_focus(p);
    check_release(p);
    check_channels(p);
    check_lines(p);
    p->section = SECTION_SKIPPED;
    config_check_shared(&config, fail_net, p);
    config_check_nets(&config, fail_net, p);
}

void main(void)
{
    static struct parser p = {.config = &config, .report = report};

    for (unsigned i = 0; i < MOST; i++)
        text[i] = (char)any8();
    config.vm_count = CONFIG_MAX_VMS - 1; /* so that it is known which one comes */
    config.net_count = CONFIG_MAX_NETS - 1;
    while (any_bool()) {
        p.line = any32();
        parse_line(&p, any_span());
        if (p.vm != NULL)
            settle(p.vm);
    }
    check_all(&p);
}
