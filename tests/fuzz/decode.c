/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an instruction in each mode; what is decoded can be executed. */
#include "tests/fuzz/fuzz.h"

#include "dev/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mmio_operands in = {
        .memory = UINT64_MAX, .reg = 0x123456789abcdef0, .other = 5, .rflags = 0x202};

    for (unsigned mode = 16; mode <= 64; mode *= 2) {
        struct mmio_insn m;

        if (!mmio_decode(data, size > 64 ? 64 : (unsigned)size, mode, &m))
            continue;
        MUST(m.length >= 1 && m.length <= 15 && m.length <= size && m.reg < 16);
        MUST(m.size == 1 || m.size == 2 || m.size == 4 || m.size == 8 || (m.size == 16 && m.vector));
        MUST(m.reads || m.writes);
        MUST(m.segment <= SEGMENT_GS && (m.index < 16 || m.index == MMIO_NONE) && m.scale < 4);
        MUST(m.base < 16 || m.base == MMIO_NONE || m.base == MMIO_RIP);
        if (!mmio_is_string(&m) && !m.vector && m.op != MMIO_PUSH && m.op != MMIO_POP)
            mmio_execute(&m, &in);
    }
    return 0;
}
