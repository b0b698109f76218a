/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU comes to this CPU, and goes. */
#pragma once

#include "vmx/state.h"

void vmx_switch_enable(void); /* on each CPU, before any vCPU comes */
void vmx_switch_in(struct vcpu *v);
void vmx_switch_out(struct vcpu *v);
