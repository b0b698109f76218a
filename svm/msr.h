/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs that SVM brings (APM volume 2, "SVM related MSRs"), and which MSRs and ports a guest reaches without
 * an exit. */
#pragma once

#include "core/vm/vm.h"

#define VM_CR        0xc0010114u
#define VM_HSAVE_PA  0xc0010117u
#define TSC_RATIO    0xc0000104u
#define EFER_SVME    BIT(12)
#define VM_CR_LOCK   BIT(3)
#define VM_CR_SVMDIS BIT(4)

#define MSR_MAP_PAGES 2

/* The I/O map of all VMs but those with io-delay = pass, and of those. False: no memory. */
bool svm_io_maps_create(void);
hpa_t svm_io_map(const struct vm_config *c);

void svm_msr_map_init(uint8_t *map, const struct vm *vm); /* MSR_MAP_PAGES */
