/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions on device memory that have more than one operand in memory, or one in a vector register. */
#pragma once

#include "vcpu/mmio_access.h"

/* One element: NEXT_RESUME while others follow, or for a #PF; NEXT_SKIP_AND_RESUME when it is done. */
enum next vcpu_mmio_string(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m);

enum next vcpu_mmio_push(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                         const struct mmio_place *p);
enum next vcpu_mmio_pop(struct vcpu *v, const struct mmio_insn *insn, const struct guest_mode *m,
                        const struct mmio_place *p);
void vcpu_mmio_move_vector(struct vcpu *v, const struct mmio_insn *insn, const struct mmio_place *p);
