/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

enum msr_rights { OPEN_READ = 1, OPEN_WRITE = 2, OPEN_BOTH = 3 };

/* bitmap: a page. */
void vmx_msr_bitmap_init(uint8_t *bitmap, const struct vm *vm);
void vmx_msr_open(uint8_t *bitmap, uint32_t msr, enum msr_rights rights);
