/* SPDX-License-Identifier: BSD-2-Clause */
/* core/vm/guest.h over host memory: a guest that is nothing but RAM, full of bytes that no loader may rely
 * on.
 */
#pragma once

#include "core/vm/guest.h"

#define FAKE_FILL 0xcc

struct vm *fake_guest(uint64_t size);
void fake_guest_free(struct vm *vm);
