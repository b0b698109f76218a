/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes to control registers that exit. What is refused is #GP. */
#pragma once

#include "core/vm/vm.h"

/* value: what the guest wants to see in the register. */
enum next vcpu_write_cr0(struct vcpu *v, uint64_t value);
enum next vcpu_write_cr4(struct vcpu *v, uint64_t value);
enum next vcpu_write_cr8(struct vcpu *v, uint64_t value);
enum next vcpu_xsetbv(struct vcpu *v, unsigned cpl);

/* Of this CR3, for PAE paging. False: #GP. */
bool vcpu_load_pdptes(struct vcpu *v, uint64_t cr3);
