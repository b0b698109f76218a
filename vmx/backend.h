/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel VMX as a backend: the door of this folder. */
#pragma once

#include "core/vm/backend.h"

extern const struct backend vmx_backend;
