/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an instruction in each mode; what is decoded can be executed. */
#include "tests/fuzz/fuzz.h"

#include "dev/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (unsigned mode = 16; mode <= 64; mode *= 2) {
        struct mmio_insn m;

        if (!mmio_decode(data, size > 64 ? 64 : (unsigned)size, mode, &m))
            continue;
        MUST(m.length >= 1 && m.length <= 15 && m.length <= size && m.reg < 16);
        MUST(m.size == 1 || m.size == 2 || m.size == 4 || m.size == 8);
        MUST(m.reads || m.writes);
        if (m.op != MMIO_STOS && m.op != MMIO_MOVS)
            mmio_execute(&m, UINT64_MAX, 0x123456789abcdef0, 0x202);
    }
    return 0;
}
