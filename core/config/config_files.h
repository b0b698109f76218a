/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that a configuration names, for programs that bring them (boot/efi, tools/check). */
#pragma once

#include "core/config/config.h"

/* name: length bytes, no 0 behind them. */
typedef void config_file(void *context, unsigned line, const char *name, size_t length);

/* Each as often as it is named: those of the VMs in their order, then those to release the machine to. */
void config_each_file(const struct config *config, config_file *take, void *context);
