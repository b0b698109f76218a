/* SPDX-License-Identifier: BSD-2-Clause */
/* The trace in words: a line per event, begun with "trace: " for people and for tools/skerry trace. */
#pragma once

#include "core/base/blackbox.h"

/* Memory for what is shown; from now on a panic shows the last events of its CPU. */
void trace_show_setup(void);

/* The last n events of this run that the filter lets through, as they are now. For the monitor. */
void trace_show(const struct trace_filter *f, unsigned n);

/* The same for the run before. False: nothing is known of it. */
bool trace_show_last(unsigned n);

/* Of a VM whose vCPUs have left. */
void trace_show_vm(unsigned vm, unsigned n);
