/* SPDX-License-Identifier: BSD-2-Clause */
/* MMIO instructions: prefixes, tables of opcodes, operands and their sizes. What they do is in execute.c. */
#include "dev/decode.h"
#include "arch/x86/string.h"

#define MAX_LENGTH 15
#define XMM_SIZE   16
enum { RAX = 0, RCX = 1, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7 };

enum {
    VALID = 1,
    BYTE = 2,   /* memory operand of one byte, else of operand size */
    MODRM = 4,  /* register and memory operand */
    TO_REG = 8, /* memory is the source */
    IMM8 = 16,
    IMMZ = 32,  /* two or four bytes */
    GROUP = 64, /* ModRM.reg selects the operation in `op`, a row of groups[] */
    MOFFS = 128,
    STRING = 256,
    WORD = 512, /* memory operand of two bytes */
    SIGNED = 1024,
    WIDEN = 2048, /* the register is of operand size, whatever the memory operand is */
    LONG_ONLY =
        1 << 12,      /* 64-bit mode only, memory operand of four bytes; not taken with a 16-bit register */
    BY_ONE = 1 << 13, /* the source is 1, */
    BY_CL = 1 << 14,  /* or CL */
    STACK = 1 << 15,  /* as wide as what is pushed */
    UNREPEATED = 1 << 16, /* means something else with F2 and F3, */
    UNPREFIXED = 1 << 17, /* and with 66 */
    SWAP = 1 << 18,
    VECTOR = 1 << 19,      /* the register is XMM, */
    VECTOR_4 = 1 << 20,    /* and the operand in memory has not 16 bytes but 4, */
    VECTOR_8 = 1 << 21,    /* 8, */
    DQ = 1 << 22,          /* 4 bytes, or 8 with REX.W, whatever the operand size */
    CONDITION = 1 << 23,   /* in the lowest four bits of the opcode */
    ACCUMULATOR = 1 << 24, /* RAX has part in it */
};

struct opcode {
    uint8_t op;
    uint32_t flags;
};

#define ALU(n, op)                                                     \
    [n] = {op, VALID | BYTE | MODRM}, [(n) + 1] = {op, VALID | MODRM}, \
    [(n) + 2] = {op, VALID | BYTE | MODRM | TO_REG}, [(n) + 3] = {op, VALID | MODRM | TO_REG}
#define BOTH(n, op, f) [n] = {op, VALID | BYTE | (f)}, [(n) + 1] = {op, VALID | (f)}

enum { GROUP_ALU, GROUP_MOV, GROUP_UNARY, GROUP_INC, GROUP_INC_PUSH, GROUP_POP, GROUP_SHIFT, GROUP_BIT };

static const struct opcode one_byte[256] = {
    ALU(0x00, MMIO_ADD),
    ALU(0x08, MMIO_OR),
    ALU(0x10, MMIO_ADC),
    ALU(0x18, MMIO_SBB),
    ALU(0x20, MMIO_AND),
    ALU(0x28, MMIO_SUB),
    ALU(0x30, MMIO_XOR),
    ALU(0x38, MMIO_CMP),
    [0x63] = {MMIO_LOAD, VALID | MODRM | TO_REG | WIDEN | SIGNED | LONG_ONLY},
    [0x69] = {MMIO_IMUL, VALID | MODRM | TO_REG | IMMZ},
    [0x6b] = {MMIO_IMUL, VALID | MODRM | TO_REG | IMM8},
    [0x80] = {GROUP_ALU, VALID | BYTE | MODRM | GROUP | IMM8},
    [0x81] = {GROUP_ALU, VALID | MODRM | GROUP | IMMZ},
    [0x83] = {GROUP_ALU, VALID | MODRM | GROUP | IMM8},
    BOTH(0x84, MMIO_TEST, MODRM),
    BOTH(0x86, MMIO_XCHG, MODRM),
    BOTH(0x88, MMIO_STORE, MODRM),
    BOTH(0x8a, MMIO_LOAD, MODRM | TO_REG),
    [0x8f] = {GROUP_POP, VALID | MODRM | GROUP | STACK},
    BOTH(0xa0, MMIO_LOAD, MOFFS | TO_REG),
    BOTH(0xa2, MMIO_STORE, MOFFS),
    BOTH(0xa4, MMIO_MOVS, STRING),
    BOTH(0xa6, MMIO_CMPS, STRING),
    BOTH(0xaa, MMIO_STOS, STRING),
    BOTH(0xac, MMIO_LODS, STRING),
    BOTH(0xae, MMIO_SCAS, STRING),
    BOTH(0xc0, GROUP_SHIFT, MODRM | GROUP | IMM8),
    [0xc6] = {GROUP_MOV, VALID | BYTE | MODRM | GROUP | IMM8},
    [0xc7] = {GROUP_MOV, VALID | MODRM | GROUP | IMMZ},
    BOTH(0xd0, GROUP_SHIFT, MODRM | GROUP | BY_ONE),
    BOTH(0xd2, GROUP_SHIFT, MODRM | GROUP | BY_CL),
    [0xf6] = {GROUP_UNARY, VALID | BYTE | MODRM | GROUP},
    [0xf7] = {GROUP_UNARY, VALID | MODRM | GROUP},
    [0xfe] = {GROUP_INC, VALID | BYTE | MODRM | GROUP},
    [0xff] = {GROUP_INC_PUSH, VALID | MODRM | GROUP},
};

#define CMOV  0x40
#define SETCC 0x90

/* Behind 0F. */
static const struct opcode two_bytes[256] = {
    [CMOV... CMOV + 15] = {MMIO_CMOV, VALID | MODRM | TO_REG | CONDITION},
    [SETCC... SETCC + 15] = {MMIO_SETCC, VALID | BYTE | MODRM | CONDITION},
    [0xa3] = {MMIO_BT, VALID | MODRM},
    [0xab] = {MMIO_BTS, VALID | MODRM},
    [0xaf] = {MMIO_IMUL, VALID | MODRM | TO_REG},
    BOTH(0xb0, MMIO_CMPXCHG, MODRM | ACCUMULATOR),
    [0xb3] = {MMIO_BTR, VALID | MODRM},
    [0xb6] = {MMIO_LOAD, VALID | BYTE | MODRM | TO_REG | WIDEN},
    [0xb7] = {MMIO_LOAD, VALID | WORD | MODRM | TO_REG | WIDEN},
    [0xba] = {GROUP_BIT, VALID | MODRM | GROUP | IMM8},
    [0xbb] = {MMIO_BTC, VALID | MODRM},
    [0xbe] = {MMIO_LOAD, VALID | BYTE | MODRM | TO_REG | WIDEN | SIGNED},
    [0xbf] = {MMIO_LOAD, VALID | WORD | MODRM | TO_REG | WIDEN | SIGNED},
    BOTH(0xc0, MMIO_XADD, MODRM),
    [0xc3] = {MMIO_STORE, VALID | MODRM | DQ | UNREPEATED | UNPREFIXED}, /* MOVNTI */
};

/* Behind 0F 38: MOVBE. */
#define MOVBE_LOAD  0xf0
#define MOVBE_STORE 0xf1
static const struct opcode movbe[2] = {
    {MMIO_LOAD, VALID | MODRM | TO_REG | SWAP | UNREPEATED},
    {MMIO_STORE, VALID | MODRM | SWAP | UNREPEATED},
};

/* Behind C4 with map 0F 38, by VEX.pp. */
static const struct {
    uint8_t byte, pp, op;
} vex_forms[] = {
    {0xf2, 0, MMIO_ANDN}, {0xf5, 0, MMIO_BZHI}, {0xf7, 0, MMIO_BEXTR},
    {0xf7, 1, MMIO_SHLX}, {0xf7, 2, MMIO_SARX}, {0xf7, 3, MMIO_SHRX},
};

/* Moves of XMM registers behind 0F, by the prefix that is a part of the opcode; 0: none. */
#define MOVE(byte, prefix, op, flags)            \
    {                                            \
        byte, prefix,                            \
        {                                        \
            op, VALID | MODRM | VECTOR | (flags) \
        }                                        \
    }
static const struct {
    uint8_t byte, prefix;
    struct opcode opcode;
} vector_moves[] = {
    MOVE(0x10, 0, MMIO_LOAD, TO_REG),
    MOVE(0x10, 0x66, MMIO_LOAD, TO_REG),
    MOVE(0x10, 0xf3, MMIO_LOAD, TO_REG | VECTOR_4),
    MOVE(0x10, 0xf2, MMIO_LOAD, TO_REG | VECTOR_8),
    MOVE(0x11, 0, MMIO_STORE, 0),
    MOVE(0x11, 0x66, MMIO_STORE, 0),
    MOVE(0x11, 0xf3, MMIO_STORE, VECTOR_4),
    MOVE(0x11, 0xf2, MMIO_STORE, VECTOR_8),
    MOVE(0x28, 0, MMIO_LOAD, TO_REG),
    MOVE(0x28, 0x66, MMIO_LOAD, TO_REG),
    MOVE(0x29, 0, MMIO_STORE, 0),
    MOVE(0x29, 0x66, MMIO_STORE, 0),
    MOVE(0x2b, 0, MMIO_STORE, 0),
    MOVE(0x2b, 0x66, MMIO_STORE, 0),
    MOVE(0x6e, 0x66, MMIO_LOAD, TO_REG | DQ),
    MOVE(0x6f, 0x66, MMIO_LOAD, TO_REG),
    MOVE(0x6f, 0xf3, MMIO_LOAD, TO_REG),
    MOVE(0x7e, 0x66, MMIO_STORE, DQ),
    MOVE(0x7e, 0xf3, MMIO_LOAD, TO_REG | VECTOR_8),
    MOVE(0x7f, 0x66, MMIO_STORE, 0),
    MOVE(0x7f, 0xf3, MMIO_STORE, 0),
    MOVE(0xd6, 0x66, MMIO_STORE, VECTOR_8),
    MOVE(0xe7, 0x66, MMIO_STORE, 0),
    MOVE(0xf0, 0xf2, MMIO_LOAD, TO_REG),
};

/* By ModRM.reg; flags are added to those of the opcode. */
static const struct opcode groups[][8] = {
    [GROUP_ALU] = {{MMIO_ADD, VALID},
                   {MMIO_OR, VALID},
                   {MMIO_ADC, VALID},
                   {MMIO_SBB, VALID},
                   {MMIO_AND, VALID},
                   {MMIO_SUB, VALID},
                   {MMIO_XOR, VALID},
                   {MMIO_CMP, VALID}},
    [GROUP_MOV] = {{MMIO_STORE, VALID}},
    [GROUP_UNARY] = {[0] = {MMIO_TEST, VALID | IMMZ}, [2] = {MMIO_NOT, VALID}, [3] = {MMIO_NEG, VALID}},
    [GROUP_INC] = {{MMIO_INC, VALID}, {MMIO_DEC, VALID}},
    [GROUP_INC_PUSH] = {{MMIO_INC, VALID}, {MMIO_DEC, VALID}, [6] = {MMIO_PUSH, VALID | STACK}},
    [GROUP_POP] = {{MMIO_POP, VALID}},
    [GROUP_SHIFT] = {{MMIO_ROL, VALID},
                     {MMIO_ROR, VALID},
                     {MMIO_RCL, VALID},
                     {MMIO_RCR, VALID},
                     {MMIO_SHL, VALID},
                     {MMIO_SHR, VALID},
                     {MMIO_SHL, VALID},
                     {MMIO_SAR, VALID}},
    [GROUP_BIT] =
        {[4] = {MMIO_BT, VALID}, [5] = {MMIO_BTS, VALID}, [6] = {MMIO_BTR, VALID}, [7] = {MMIO_BTC, VALID}},
};

_Static_assert(MMIO_ADD == 0 && MMIO_CMP == 7, "in the order of the opcodes");
_Static_assert(ARRAY_SIZE(groups) == GROUP_BIT + 1, "each has a row");
_Static_assert(VALID == 1, "flags of an opcode; a hole in a table has none");

enum { REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

struct cursor {
    const uint8_t *bytes;
    unsigned at, count;
    bool overrun;
    unsigned mode;
    bool operand_prefix, address_prefix;
    uint8_t repeat; /* F2 or F3, whichever comes last; 0: none */
    uint8_t rex;    /* 0: none */
    uint8_t condition;
    uint8_t vvvv; /* the register that VEX names; MMIO_NONE: there is no VEX */
    unsigned operand_size;
};

static uint8_t next(struct cursor *c)
{
    if (c->at >= c->count) {
        c->overrun = true;
        return 0;
    }
    return c->bytes[c->at++];
}

static uint64_t take_bytes(struct cursor *c, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value |= (uint64_t)next(c) << (8 * i);
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused = 64 - 8 * size;

    return (int64_t)(value << unused) >> unused;
}

/* The last override counts; in 64-bit mode those of ES, CS, SS and DS mean nothing. */
static void take_segment(const struct cursor *c, uint8_t byte, struct mmio_insn *out)
{
    if (byte >= 0x64)
        out->segment = byte & 7;
    else if (c->mode != 64)
        out->segment = byte >> 3 & 3;
}

/* Returns the first byte that is no prefix. A REX prefix counts only directly before the opcode. */
static uint8_t take_prefixes(struct cursor *c, struct mmio_insn *out)
{
    for (;;) {
        uint8_t byte = next(c);

        switch (byte) {
        case 0x66: c->operand_prefix = true; break;
        case 0x67: c->address_prefix = true; break;
        case 0xf0: out->lock = true; break;
        case 0xf2:
        case 0xf3: c->repeat = byte; break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65: take_segment(c, byte, out); break;
        default:
            if (c->mode != 64 || (byte & 0xf0) != 0x40)
                return byte;
            c->rex = byte;
            continue;
        }
        c->rex = 0;
    }
}

static void set_sizes(struct cursor *c, struct mmio_insn *out)
{
    unsigned natural = c->mode / 8;

    c->operand_size = (c->mode == 16) != c->operand_prefix ? 2 : 4;
    if (c->rex & REX_W)
        c->operand_size = 8;
    out->address_size = (uint8_t)natural;
    if (c->address_prefix)
        out->address_size = natural == 4 ? 2 : 4;
}

static struct opcode find_vector_move(const struct cursor *c, uint8_t byte)
{
    uint8_t prefix = c->repeat ? c->repeat : c->operand_prefix ? 0x66 : 0;

    for (unsigned i = 0; i < ARRAY_SIZE(vector_moves); i++) {
        if (vector_moves[i].byte == byte && vector_moves[i].prefix == prefix)
            return vector_moves[i].opcode;
    }
    return (struct opcode){0, 0};
}

static struct opcode find_opcode(struct cursor *c, uint8_t byte)
{
    if (byte != 0x0f)
        return one_byte[byte];
    byte = next(c);
    c->condition = byte & 15;
    if (byte == 0x38) {
        byte = next(c);
        return byte == MOVBE_LOAD || byte == MOVBE_STORE ? movbe[byte - MOVBE_LOAD] : (struct opcode){0, 0};
    }
    return two_bytes[byte].flags ? two_bytes[byte] : find_vector_move(c, byte);
}

/* "Instruction Encoding with VEX": R, X, B and vvvv are inverted; what 64-bit mode has more is not decoded in
 * others. */
static struct opcode take_vex(struct cursor *c)
{
    uint8_t first = next(c), second = next(c), byte = next(c);
    bool wide = c->mode == 64;

    if ((first & 0x1f) != 2 || (second & 4) || c->repeat || c->operand_prefix || c->rex)
        return (struct opcode){0, 0};
    c->rex = (uint8_t)(wide ? 0x40 | (second >> 4 & REX_W) | (~first >> 5 & 7) : 0);
    c->operand_size = c->rex & REX_W ? 8 : 4;
    c->vvvv = ~second >> 3 & (wide ? 15 : 7);
    for (unsigned i = 0; i < ARRAY_SIZE(vex_forms); i++) {
        if (vex_forms[i].byte == byte && vex_forms[i].pp == (second & 3))
            return (struct opcode){vex_forms[i].op, VALID | MODRM | TO_REG};
    }
    return (struct opcode){0, 0};
}

/* In other modes LES, if a memory operand follows. */
static bool is_vex(const struct cursor *c, uint8_t byte)
{
    return byte == 0xc4 && c->at < c->count && (c->mode == 64 || c->bytes[c->at] >= 0xc0);
}

/* --- operands --- */

/* "16-Bit Addressing Forms with the ModR/M Byte", by ModRM.rm; 6 with mod 0 is a displacement alone. */
static void take_address_16(struct cursor *c, struct mmio_insn *out, unsigned mod, unsigned rm)
{
    static const uint8_t base[] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[] = {RSI, RDI, RSI, RDI, MMIO_NONE, MMIO_NONE, MMIO_NONE, MMIO_NONE};
    bool direct = mod == 0 && rm == 6;

    out->base = direct ? MMIO_NONE : base[rm];
    out->index = index[rm];
    if (mod == 1)
        out->displacement = sign_extend(take_bytes(c, 1), 1);
    else if (mod == 2 || direct)
        out->displacement = sign_extend(take_bytes(c, 2), 2);
}

static void take_sib(struct cursor *c, struct mmio_insn *out)
{
    uint8_t sib = next(c);
    unsigned index = (sib >> 3 & 7u) | (c->rex & REX_X ? 8 : 0);

    out->scale = sib >> 6;
    out->index = index == RSP ? MMIO_NONE : (uint8_t)index;
    out->base = (uint8_t)((sib & 7) | (c->rex & REX_B ? 8 : 0));
}

/* "32-Bit Addressing Forms", and those with a SIB byte. */
static void take_address_32(struct cursor *c, struct mmio_insn *out, unsigned mod, unsigned rm)
{
    out->base = (uint8_t)(rm | (c->rex & REX_B ? 8 : 0));
    if (rm == 4)
        take_sib(c, out);
    if (mod == 0 && (out->base & 7) == RBP) {
        out->base = rm == RBP && c->mode == 64 ? MMIO_RIP : MMIO_NONE;
        mod = 2;
    }
    if (mod)
        out->displacement = mod == 1 ? sign_extend(take_bytes(c, 1), 1) : sign_extend(take_bytes(c, 4), 4);
}

static void take_address(struct cursor *c, struct mmio_insn *out, uint8_t modrm)
{
    if (out->address_size == 2)
        take_address_16(c, out, modrm >> 6, modrm & 7);
    else
        take_address_32(c, out, modrm >> 6, modrm & 7);
    if (out->segment == MMIO_NONE && (out->base == RSP || out->base == RBP))
        out->segment = SEGMENT_SS;
}

static void set_register(const struct cursor *c, struct mmio_insn *out, unsigned number, unsigned size)
{
    out->reg_size = (uint8_t)size;
    out->high = size == 1 && c->rex == 0 && number >= 4;
    out->reg = (uint8_t)(out->high ? number - 4 : number | (c->rex & REX_R ? 8 : 0));
}

static unsigned register_size(const struct cursor *c, const struct mmio_insn *out, uint32_t flags)
{
    if (flags & VECTOR)
        return XMM_SIZE;
    return flags & WIDEN ? c->operand_size : out->size;
}

static bool take_modrm(struct cursor *c, struct opcode *o, struct mmio_insn *out)
{
    uint8_t modrm = next(c);
    unsigned number = modrm >> 3 & 7;

    if (modrm >> 6 == 3)
        return false;
    if (o->flags & GROUP) {
        const struct opcode *row = &groups[o->op % ARRAY_SIZE(groups)][number];

        if (!(row->flags & VALID))
            return false;
        out->op = row->op;
        o->flags |= row->flags;
    } else if (out->op != MMIO_SETCC) {
        set_register(c, out, number, register_size(c, out, o->flags));
    }
    take_address(c, out, modrm);
    return true;
}

static void take_immediate(struct cursor *c, const struct opcode *o, struct mmio_insn *out)
{
    unsigned size = (o->flags & IMM8) || out->size == 1 ? 1 : MIN(c->operand_size, 4);

    out->has_imm = o->flags & (IMM8 | IMMZ | BY_ONE);
    if (o->flags & BY_ONE)
        out->imm = 1;
    else if (out->has_imm)
        out->imm = sign_extend(take_bytes(c, size), size);
}

static unsigned vector_size(uint32_t flags)
{
    if (flags & VECTOR_4)
        return 4;
    return flags & VECTOR_8 ? 8 : XMM_SIZE;
}

static unsigned memory_size(const struct cursor *c, uint32_t flags)
{
    if (flags & DQ)
        return c->rex & REX_W ? 8 : 4;
    if (flags & VECTOR)
        return vector_size(flags);
    if (flags & BYTE)
        return 1;
    if (flags & WORD)
        return 2;
    if ((flags & STACK) && c->mode == 64 && c->operand_size == 4)
        return 8;
    return flags & LONG_ONLY ? 4 : c->operand_size;
}

static bool lock_allowed(const struct mmio_insn *i)
{
    switch (i->op) {
    case MMIO_XCHG:
    case MMIO_INC:
    case MMIO_DEC:
    case MMIO_NOT:
    case MMIO_NEG:
    case MMIO_BTS:
    case MMIO_BTR:
    case MMIO_BTC:
    case MMIO_XADD:
    case MMIO_CMPXCHG: return true;
    default: return i->op <= MMIO_XOR && i->writes;
    }
}

static void set_direction(struct mmio_insn *i, uint32_t flags)
{
    static const uint64_t no_reads = BIT(MMIO_STORE) | BIT(MMIO_STOS) | BIT(MMIO_SETCC) | BIT(MMIO_POP);
    static const uint64_t no_writes = BIT(MMIO_CMP) | BIT(MMIO_TEST) | BIT(MMIO_BT) | BIT(MMIO_PUSH) |
                                      BIT(MMIO_LODS) | BIT(MMIO_CMPS) | BIT(MMIO_SCAS);

    _Static_assert(MMIO_OPS <= 64, "a bit each");
    i->to_register = flags & TO_REG;
    i->sign_extend = flags & SIGNED;
    i->reads = !(no_reads >> i->op & 1);
    i->writes = !(flags & TO_REG) && !(no_writes >> i->op & 1);
    i->swap = flags & SWAP;
    i->vector = flags & VECTOR;
    i->other = flags & ACCUMULATOR ? RAX : flags & BY_CL ? RCX : i->other;
    i->rep = i->rep && (flags & STRING);
    if (i->segment == MMIO_NONE)
        i->segment = SEGMENT_DS;
}

static bool prefixes_allowed(const struct cursor *c, uint32_t flags)
{
    return !((flags & UNREPEATED) && c->repeat) && !((flags & UNPREFIXED) && c->operand_prefix) &&
           !((flags & LONG_ONLY) && (c->mode != 64 || c->operand_size == 2));
}

/* MOV between a 32-bit register and memory without prefix or SIB byte: what nearly every driver is compiled
 * to. */
static bool decode_plain_mov(const uint8_t *bytes, unsigned count, unsigned mode, struct mmio_insn *out)
{
    static const uint8_t lengths[3] = {2, 3, 6}; /* by ModRM.mod */
    unsigned mod, rm;

    if (count < 6 || mode == 16 || (bytes[0] != 0x8b && bytes[0] != 0x89))
        return false;
    mod = bytes[1] >> 6;
    rm = bytes[1] & 7;
    if (mod == 3 || rm == 4 || (mod == 0 && rm == 5))
        return false;
    *out = (struct mmio_insn){
        .length = lengths[mod],
        .op = bytes[0] == 0x8b ? MMIO_LOAD : MMIO_STORE,
        .size = 4,
        .address_size = (uint8_t)(mode / 8),
        .reg = bytes[1] >> 3 & 7,
        .reg_size = 4,
        .to_register = bytes[0] == 0x8b,
        .reads = bytes[0] == 0x8b,
        .writes = bytes[0] == 0x89,
        .other = MMIO_NONE,
        .base = (uint8_t)rm,
        .index = MMIO_NONE,
        .segment = rm == RBP ? SEGMENT_SS : SEGMENT_DS,
    };
    if (mod)
        out->displacement = mod == 1 ? (int8_t)bytes[2] : (int32_t)(uint32_t)load_le(bytes + 2, 4);
    return true;
}

/* An opcode that was found, up to its last byte. */
static bool decode_operands(struct cursor *c, struct opcode o, struct mmio_insn *out)
{
    out->op = o.op;
    out->other = c->vvvv;
    out->size = (uint8_t)memory_size(c, o.flags);
    if ((o.flags & MODRM) && !take_modrm(c, &o, out))
        return false;
    out->size = (uint8_t)memory_size(c, o.flags); /* a group may have said more */
    if (o.flags & MOFFS)
        out->displacement = (int64_t)take_bytes(c, out->address_size);
    if ((o.flags & MOFFS) || out->op == MMIO_STOS || out->op == MMIO_LODS || out->op == MMIO_SCAS)
        out->reg_size = out->size;
    take_immediate(c, &o, out);
    set_direction(out, o.flags);
    return true;
}

bool mmio_decode(const uint8_t *bytes, unsigned count, unsigned mode, struct mmio_insn *out)
{
    struct cursor c = {.bytes = bytes, .count = MIN(count, MAX_LENGTH), .mode = mode, .vvvv = MMIO_NONE};
    struct opcode o;
    uint8_t first;

    if (decode_plain_mov(bytes, count, mode, out))
        return true;
    *out = (struct mmio_insn){.base = MMIO_NONE, .index = MMIO_NONE, .segment = MMIO_NONE};
    first = take_prefixes(&c, out);
    set_sizes(&c, out);
    o = is_vex(&c, first) ? take_vex(&c) : find_opcode(&c, first);
    if (!(o.flags & VALID) || !prefixes_allowed(&c, o.flags))
        return false;
    out->rep = c.repeat;
    out->while_unequal = c.repeat == 0xf2;
    out->condition = o.flags & CONDITION ? c.condition : 0;
    if (!decode_operands(&c, o, out))
        return false;
    out->length = (uint8_t)c.at;
    return !c.overrun && (!out->lock || lock_allowed(out));
}
