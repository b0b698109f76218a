/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "arch/x86/types.h"

bool vmx_io_bitmap_create(void); /* once. False: out of memory */
hpa_t vmx_io_bitmap(void);
