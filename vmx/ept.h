/* SPDX-License-Identifier: BSD-2-Clause */
/* Second-level tables of a VM, and what a VM has beside them. */
#pragma once

#include "vmx/state.h"

bool vmx_vm_create(struct vm *vm);
bool vmx_map_page(struct vm *vm, gpa_t at, hpa_t page, bool writable);
enum call_result vmx_protect(struct vm *vm, gpa_t at, uint64_t size);
void vmx_unprotect(struct vm *vm);
