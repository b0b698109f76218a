/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/base/trace.h"

/* An exit of the trace in words (core/vm/backend.h). */
const char *vcpu_exit_words(const struct trace_event *e, char *details, size_t size);
/* The instruction that an exit's kind implies; where any may be at RIP, "instruction". NULL: it is about
 * none. */
const char *vcpu_exit_instruction(const struct trace_event *e);
