/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder: any bytes in each mode, and what is decoded is executed with any operands. */
#include "tests/prove/prove.h"

#include "dev/decode.c"
#include "dev/execute.c"

void main(void);

void main(void)
{
    uint8_t bytes[15];
    struct mmio_insn insn;
    unsigned mode = 16u << Frama_C_interval(0, 2);

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = any8();
    for (unsigned i = 0; i < sizeof(insn); i++)
        ((uint8_t *)&insn)[i] = any8(); /* what is left out stays like that */
    if (mmio_decode(bytes, (unsigned)Frama_C_interval(0, sizeof(bytes)), mode, &insn) &&
        !mmio_is_string(&insn) && !insn.vector && insn.op != MMIO_PUSH && insn.op != MMIO_POP) {
        const struct mmio_operands in = {any64(), any64(), any64(), any64()};

        mmio_execute(&insn, &in);
    }
}
