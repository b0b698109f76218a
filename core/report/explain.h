/* SPDX-License-Identifier: BSD-2-Clause */
/* The page that every start shows before any guest runs: what there is, what is used, what cannot be had. */
#pragma once

#include "core/config/config.h"

/* missing: what the backend's floor lacks, or NULL. config may be NULL: there was none. */
void explain(const struct config *config, const char *missing);
