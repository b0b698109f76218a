/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which ports a guest reaches without an exit (SDM volume 3, "I/O-bitmap addresses"): none, as a port of the
 * machine is a way to other VMs; with io-delay = pass two that serve for delays.
 */
#pragma once

#include "core/config/config.h"

bool vmx_io_bitmap_create(void);                  /* once. False: out of memory */
hpa_t vmx_io_bitmap_a(const struct vm_config *c); /* a page for ports 0 to 7fffh, */
hpa_t vmx_io_bitmap_b(void);                      /* and one for those above */
