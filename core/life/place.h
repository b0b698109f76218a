/* SPDX-License-Identifier: BSD-2-Clause */
/* Which physical CPUs a VM gets. */
#pragma once

#include "core/vm/vm.h"

/*
 * Those that c asks for and may have, *count of them: dedicated, one for each vCPU; shared, all that it may
 * run on. False: there are too few, or one that it names is not to be had; the line that asks for it has been
 * reported.
 */
bool place_vm(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS], unsigned *count);
