/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/part.h"

extern const struct vm_part vm_parts[];
extern const unsigned vm_part_count;
