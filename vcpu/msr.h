/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "core/vm/vm.h"

void vcpu_msr_init(void); /* once */

/* RDMSR and WRMSR that exited. */
enum next vcpu_rdmsr(struct vcpu *v);
enum next vcpu_wrmsr(struct vcpu *v);

/* The distance of its TSC from the machine's, for the processor, its timer and its clock. */
void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset);
