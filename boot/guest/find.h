/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/config/config.h"

/* The module that is disk i of a VM. False after saying what is wrong with it. */
bool image_find_disk(const struct vm_config *c, unsigned i);

/* The files that a configuration names, among the boot modules. False after saying which is missing. */
bool image_find(const struct vm_config *c, struct image *image);
