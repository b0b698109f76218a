/* SPDX-License-Identifier: BSD-2-Clause */
/* IN, OUT, INS and OUTS that exit: answered by the guest's own devices, or by nobody. size: 1, 2 or 4 bytes.
 */
#pragma once

#include "core/vm/vm.h"

enum next vcpu_in(struct vcpu *v, uint16_t port, unsigned size);
enum next vcpu_out(struct vcpu *v, uint16_t port, unsigned size);

struct string_io {
    uint64_t linear;       /* of the first element */
    uint64_t address_mask; /* of the address size */
    uint16_t port;
    uint8_t size;
    bool in, rep;
};

/* Some elements; RIP stays at the instruction while there are more. */
enum next vcpu_string_io(struct vcpu *v, const struct string_io *io);
