/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of the monitor share. */
#pragma once

#include "core/vm/vm.h"

#define MONITOR_WORDS 4 /* behind the name of a command */

/* arguments: MONITOR_WORDS of them, "" for what was not typed. */
typedef void monitor_command(const struct config *config, const char *const arguments[]);

/* The VM of this name; NULL after saying that there is none. */
struct vm *monitor_find(const struct config *config, const char *name);

/* Calls show now and each second from then on, until a key is typed. */
void monitor_watch(void (*show)(void));

/* monitor_trace.c */
monitor_command monitor_trace;

/* monitor_net.c */
monitor_command monitor_net;

/* monitor_serial.c */
monitor_command monitor_serial;

/* monitor_debug.c */
extern const char *const monitor_dumps[]; /* what `dump` knows; NULL ends */
void monitor_show_stop(struct vm *vm);
monitor_command monitor_break, monitor_delete, monitor_continue, monitor_step;
monitor_command monitor_dump, monitor_examine, monitor_examine_physical;
