/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder: any bytes in each mode, and what is decoded is executed with any operands. */
#include "tests/prove/prove.h"

#include "dev/decode.c"

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
        insn.op != MMIO_STOS && insn.op != MMIO_MOVS)
        mmio_execute(&insn, any64(), any64(), any64());
}
