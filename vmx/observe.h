/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "vmx/state.h"

/* What to call for each exit of v in this run. */
vmx_on_exit *vmx_observer(struct vcpu *v);
