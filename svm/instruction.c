/* SPDX-License-Identifier: BSD-2-Clause */
#include "svm/instruction.h"

#include "arch/x86/cpu.h"
#include "dev/decode.h"
#include "svm/guest.h"
#include "vcpu/walk.h"

#define NO_SEGMENT 0xff

/* ES, CS, SS, DS, FS, GS; other bytes are none. */
static unsigned segment_of(uint8_t prefix)
{
    switch (prefix) {
    case 0x26: return SEGMENT_ES;
    case 0x2e: return SEGMENT_CS;
    case 0x36: return SEGMENT_SS;
    case 0x3e: return SEGMENT_DS;
    case 0x64: return SEGMENT_FS;
    case 0x65: return SEGMENT_GS;
    default: return NO_SEGMENT;
    }
}

static bool is_prefix(uint8_t byte)
{
    return segment_of(byte) != NO_SEGMENT || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 ||
           byte == 0xf3;
}

static bool has_modrm(uint8_t second)
{
    return second == 0x01 || (second >= 0x20 && second <= 0x23);
}

/* Bytes behind the opcode: a port, a vector, a ModRM that names registers. */
static unsigned operand_bytes(const struct svm_instruction *i)
{
    if (i->two_bytes)
        return has_modrm(i->opcode);
    return (i->opcode >= 0xe4 && i->opcode <= 0xe7) || i->opcode == 0xcd;
}

static unsigned take_prefixes(const uint8_t *bytes, unsigned count, bool wide, struct svm_instruction *out)
{
    unsigned at = 0;

    for (; at < count && is_prefix(bytes[at]); at++) {
        if (segment_of(bytes[at]) != NO_SEGMENT)
            out->segment = (uint8_t)segment_of(bytes[at]);
        else if (bytes[at] == 0x67)
            out->address_size = out->address_size == 4 ? 2 : 4; /* of 8 and of 2, 4 */
    }
    if (wide && at < count && (bytes[at] & 0xf0) == 0x40)
        out->rex = bytes[at++];
    return at;
}

struct svm_instruction svm_decode(struct vcpu *v)
{
    struct svm_instruction out = {.segment = SEGMENT_DS};
    uint8_t bytes[FETCH_SIZE] ALIGNED(8);
    struct guest_mode m;
    unsigned count, at;

    svm_get_mode(v, &m);
    out.address_size = (uint8_t)(m.bits / 8);
    count = guest_fetch(v->vm, &m, bytes);
    at = take_prefixes(bytes, count, m.bits == 64, &out);
    if (at < count && bytes[at] == 0x0f) {
        out.two_bytes = true;
        at++;
    }
    if (at >= count)
        return out;
    out.opcode = bytes[at++];
    if (at + operand_bytes(&out) > count)
        return out;
    if (out.two_bytes && has_modrm(out.opcode))
        out.modrm = bytes[at];
    else if (operand_bytes(&out))
        out.vector = bytes[at];
    out.length = (uint8_t)(at + operand_bytes(&out));
    return out;
}

unsigned svm_instruction_length(struct vcpu *v)
{
    return svm_decode(v).length;
}
