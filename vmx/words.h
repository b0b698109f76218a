/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

/* An exit of the trace in words (core/vm/backend.h). */
const char *vmx_exit_words(const struct trace_event *e, char *details, size_t size);
