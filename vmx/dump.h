/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of the vCPU whose VMCS is current. */
#pragma once

#include "vmx/state.h"

void vmx_dump_guest(const struct vcpu *v);
void vmx_dump_general(const struct vcpu *v); /* the first of them */
