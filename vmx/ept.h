/* SPDX-License-Identifier: BSD-2-Clause */
/* Second-level tables of a VM, and what a VM has beside them. */
#pragma once

#include "vmx/state.h"

bool vmx_vm_create(struct vm *vm);
/* As struct backend says (core/vm/backend.h). */
bool vmx_map_range(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights, enum cache_type type);
bool vmx_unmap_range(struct vm *vm, gpa_t at, uint64_t size);
bool vmx_map_window(struct vm *vm, gpa_t at, hpa_t to, uint64_t size, unsigned rights);
enum call_result vmx_protect(struct vm *vm, gpa_t at, uint64_t size);
void vmx_unprotect(struct vm *vm);
