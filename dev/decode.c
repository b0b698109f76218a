/* SPDX-License-Identifier: BSD-2-Clause */
/* MMIO instructions: prefixes, one table of opcodes, operand sizes, and the arithmetic with its flags. */
#include "dev/decode.h"
#define MAX_LENGTH 15

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
    WIDEN = 2048,     /* the register is of operand size, whatever the memory operand is */
    LONG_ONLY = 4096, /* 64-bit mode only, memory operand of four bytes; not taken with a 16-bit register */
};

struct opcode {
    uint8_t op;
    uint16_t flags;
};

#define ALU(n, op)                                                     \
    [n] = {op, VALID | BYTE | MODRM}, [(n) + 1] = {op, VALID | MODRM}, \
    [(n) + 2] = {op, VALID | BYTE | MODRM | TO_REG}, [(n) + 3] = {op, VALID | MODRM | TO_REG}
#define BOTH(n, op, f) [n] = {op, VALID | BYTE | (f)}, [(n) + 1] = {op, VALID | (f)}

enum { GROUP_ALU, GROUP_MOV, GROUP_UNARY, GROUP_INC };

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
    [0x80] = {GROUP_ALU, VALID | BYTE | MODRM | GROUP | IMM8},
    [0x81] = {GROUP_ALU, VALID | MODRM | GROUP | IMMZ},
    [0x83] = {GROUP_ALU, VALID | MODRM | GROUP | IMM8},
    BOTH(0x84, MMIO_TEST, MODRM),
    BOTH(0x86, MMIO_XCHG, MODRM),
    BOTH(0x88, MMIO_STORE, MODRM),
    BOTH(0x8a, MMIO_LOAD, MODRM | TO_REG),
    BOTH(0xa0, MMIO_LOAD, MOFFS | TO_REG),
    BOTH(0xa2, MMIO_STORE, MOFFS),
    BOTH(0xa4, MMIO_MOVS, STRING),
    BOTH(0xaa, MMIO_STOS, STRING),
    [0xc6] = {GROUP_MOV, VALID | BYTE | MODRM | GROUP | IMM8},
    [0xc7] = {GROUP_MOV, VALID | MODRM | GROUP | IMMZ},
    [0xf6] = {GROUP_UNARY, VALID | BYTE | MODRM | GROUP},
    [0xf7] = {GROUP_UNARY, VALID | MODRM | GROUP},
    BOTH(0xfe, GROUP_INC, MODRM | GROUP),
};

/* Behind 0F. */
static const struct {
    uint8_t byte;
    struct opcode opcode;
} two_bytes[] = {
    {0xb6, {MMIO_LOAD, VALID | BYTE | MODRM | TO_REG | WIDEN}},
    {0xb7, {MMIO_LOAD, VALID | WORD | MODRM | TO_REG | WIDEN}},
    {0xbe, {MMIO_LOAD, VALID | BYTE | MODRM | TO_REG | WIDEN | SIGNED}},
    {0xbf, {MMIO_LOAD, VALID | WORD | MODRM | TO_REG | WIDEN | SIGNED}},
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
};

_Static_assert(MMIO_ADD == 0 && MMIO_CMP == 7, "in the order of the opcodes");
_Static_assert(ARRAY_SIZE(groups) == GROUP_INC + 1, "each has a row");
_Static_assert(LONG_ONLY <= UINT16_MAX && VALID == 1, "flags of an opcode; a hole in a table has none");

enum { REX_W = 8, REX_R = 4 };

struct cursor {
    const uint8_t *bytes;
    unsigned at, count;
    bool overrun;
    unsigned mode;
    bool operand_prefix, address_prefix, extended; /* extended: behind 0F */
    uint8_t rex;                                   /* 0: none */
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
        case 0xf3: out->rep = true; break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65: break;
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

static struct opcode find_opcode(struct cursor *c, uint8_t byte)
{
    if (byte != 0x0f)
        return one_byte[byte];
    byte = next(c);
    for (unsigned i = 0; i < ARRAY_SIZE(two_bytes); i++) {
        if (two_bytes[i].byte == byte)
            return two_bytes[i].opcode;
    }
    return (struct opcode){0, 0};
}

/* Skips SIB and displacement: where the access goes, the exit says. */
static void skip_address(struct cursor *c, unsigned address_size, uint8_t modrm)
{
    unsigned mod = modrm >> 6, rm = modrm & 7, wide = address_size == 2 ? 2 : 4;
    unsigned direct = address_size == 2 ? 6 : 5; /* with mod 0: displacement only */

    if (address_size != 2 && rm == 4)
        rm = next(c) & 7;
    if (mod == 1)
        take_bytes(c, 1);
    else if (mod == 2 || rm == direct)
        take_bytes(c, wide);
}

static void set_register(const struct cursor *c, struct mmio_insn *out, unsigned number, unsigned size)
{
    out->reg_size = (uint8_t)size;
    out->high = size == 1 && c->rex == 0 && number >= 4;
    out->reg = (uint8_t)(out->high ? number - 4 : number | (c->rex & REX_R ? 8 : 0));
}

static bool take_modrm(struct cursor *c, struct opcode *o, struct mmio_insn *out)
{
    uint8_t modrm = next(c);
    unsigned number = modrm >> 3 & 7;
    unsigned size = o->flags & WIDEN ? c->operand_size : out->size;

    if (modrm >> 6 == 3)
        return false;
    if (o->flags & GROUP) {
        const struct opcode *row = &groups[o->op % ARRAY_SIZE(groups)][number];

        if (!(row->flags & VALID))
            return false;
        out->op = row->op;
        o->flags |= row->flags;
    } else {
        set_register(c, out, number, size);
    }
    skip_address(c, out->address_size, modrm);
    return true;
}

static void take_immediate(struct cursor *c, const struct opcode *o, struct mmio_insn *out)
{
    unsigned size = (o->flags & IMM8) || out->size == 1 ? 1 : MIN(c->operand_size, 4);

    if (!(o->flags & (IMM8 | IMMZ)))
        return;
    out->has_imm = true;
    out->imm = sign_extend(take_bytes(c, size), size);
}

static unsigned memory_size(const struct cursor *c, uint16_t flags)
{
    if (flags & BYTE)
        return 1;
    if (flags & WORD)
        return 2;
    return flags & LONG_ONLY ? 4 : c->operand_size;
}

static bool lock_allowed(const struct mmio_insn *i)
{
    return i->writes && i->op != MMIO_STORE && i->op != MMIO_STOS && i->op != MMIO_MOVS;
}

static void set_direction(struct mmio_insn *i, uint16_t flags)
{
    bool compare = i->op == MMIO_CMP || i->op == MMIO_TEST;

    i->to_register = flags & TO_REG;
    i->sign_extend = flags & SIGNED;
    i->reads = i->op != MMIO_STORE && i->op != MMIO_STOS;
    i->writes = !(flags & TO_REG) && !compare;
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
    if (mod == 3 || rm == 4)
        return false;
    *out = (struct mmio_insn){
        .length = mod == 0 && rm == 5 ? 6 : lengths[mod],
        .op = bytes[0] == 0x8b ? MMIO_LOAD : MMIO_STORE,
        .size = 4,
        .address_size = (uint8_t)(mode / 8),
        .reg = bytes[1] >> 3 & 7,
        .reg_size = 4,
        .to_register = bytes[0] == 0x8b,
        .reads = bytes[0] == 0x8b,
        .writes = bytes[0] == 0x89,
    };
    return true;
}

bool mmio_decode(const uint8_t *bytes, unsigned count, unsigned mode, struct mmio_insn *out)
{
    struct cursor c = {.bytes = bytes, .count = MIN(count, MAX_LENGTH), .mode = mode};
    struct opcode o;
    uint8_t first;

    if (decode_plain_mov(bytes, count, mode, out))
        return true;
    *out = (struct mmio_insn){0};
    first = take_prefixes(&c, out);
    set_sizes(&c, out);
    o = find_opcode(&c, first);
    if (!(o.flags & VALID) || ((o.flags & LONG_ONLY) && (mode != 64 || c.operand_size == 2)))
        return false;
    out->op = o.op;
    out->size = (uint8_t)memory_size(&c, o.flags);
    if ((o.flags & MODRM) && !take_modrm(&c, &o, out))
        return false;
    if (o.flags & MOFFS)
        take_bytes(&c, out->address_size);
    if (o.flags & MOFFS || out->op == MMIO_STOS)
        out->reg_size = out->size;
    take_immediate(&c, &o, out);
    set_direction(out, o.flags);
    out->rep = out->rep && (o.flags & STRING);
    out->length = (uint8_t)c.at;
    return !c.overrun && (!out->lock || lock_allowed(out));
}

/* --- execution --- */

enum { CF = 0x001, PF = 0x004, AF = 0x010, ZF = 0x040, SF = 0x080, OF = 0x800 };
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

static uint64_t mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

static uint64_t result_flags(uint64_t r, unsigned size)
{
    uint64_t even = ~(0x6996u >> ((r ^ r >> 4) & 15)) & 1; /* parity of the low byte, by its folded nibbles */

    return (even ? PF : 0) | ((r & mask(size)) == 0 ? ZF : 0) | (r >> (8 * size - 1) & 1 ? SF : 0);
}

/* The flags of a + b or a - b, from the operands, the result and the carry out. */
static uint64_t sum_flags(uint64_t a, uint64_t b, uint64_t r, bool carry, bool subtract, unsigned size)
{
    uint64_t overflow = (subtract ? a ^ b : ~(a ^ b)) & (a ^ r);

    return result_flags(r, size) | (carry ? CF : 0) | ((a ^ b ^ r) & AF) |
           (overflow >> (8 * size - 1) & 1 ? OF : 0);
}

static uint64_t add_with_carry(uint64_t a, uint64_t b, bool carry, unsigned size, uint64_t *flags)
{
    uint64_t r = (a + b + carry) & mask(size);

    *flags = sum_flags(a, b, r, r < a || (carry && r == a), false, size);
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, bool borrow, unsigned size, uint64_t *flags)
{
    uint64_t r = (a - b - borrow) & mask(size);

    *flags = sum_flags(a, b, r, a < b || (borrow && a == b), true, size);
    return r;
}

static uint64_t logic(uint64_t r, unsigned size, uint64_t *flags)
{
    *flags = result_flags(r, size);
    return r;
}

/* a: destination, b: source, both masked; *flags comes in with the carry and leaves with all arithmetic
 * flags. */
static uint64_t compute(unsigned op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
    uint64_t carry = *flags & CF, r;

    switch (op) {
    case MMIO_ADD: return add_with_carry(a, b, false, size, flags);
    case MMIO_ADC: return add_with_carry(a, b, carry, size, flags);
    case MMIO_SBB: return subtract(a, b, carry, size, flags);
    case MMIO_SUB:
    case MMIO_CMP: return subtract(a, b, false, size, flags);
    case MMIO_NEG: return subtract(0, a, false, size, flags);
    case MMIO_OR: return logic(a | b, size, flags);
    case MMIO_XOR: return logic(a ^ b, size, flags);
    case MMIO_AND:
    case MMIO_TEST: return logic(a & b, size, flags);
    case MMIO_INC:
        r = add_with_carry(a, 1, false, size, flags);
        *flags = (*flags & ~(uint64_t)CF) | carry;
        return r;
    case MMIO_DEC:
        r = subtract(a, 1, false, size, flags);
        *flags = (*flags & ~(uint64_t)CF) | carry;
        return r;
    case MMIO_NOT: return ~a & mask(size);
    default: return b; /* MMIO_STORE, MMIO_LOAD, MMIO_XCHG: no flags */
    }
}

/* The whole register after writing its operand: four bytes clear the upper half, fewer leave the rest. */
static uint64_t merge(const struct mmio_insn *i, uint64_t reg, uint64_t value)
{
    unsigned shift = i->high ? 8 : 0;
    uint64_t field = (i->reg_size == 2 ? UINT64_C(0xffff) : UINT64_C(0xff)) << shift;

    if (i->reg_size == 8)
        return value;
    if (i->reg_size == 4)
        return (uint32_t)value;
    return (reg & ~field) | (value << shift & field);
}

struct mmio_result mmio_execute(const struct mmio_insn *i, uint64_t memory, uint64_t reg, uint64_t rflags)
{
    struct mmio_result r = {.reg = reg, .rflags = rflags, .write_memory = i->writes};
    uint64_t source = i->has_imm ? (uint64_t)i->imm : reg >> (i->high ? 8 : 0);
    uint64_t flags = rflags & ARITHMETIC, value;

    source &= mask(i->size);
    memory &= mask(i->size);
    if (i->op == MMIO_LOAD) {
        r.write_reg = true;
        r.reg = merge(i, reg, i->sign_extend ? (uint64_t)sign_extend(memory, i->size) : memory);
        return r;
    }
    if (i->to_register) {
        value = compute(i->op, source, memory, i->size, &flags);
        r.write_reg = i->op != MMIO_CMP;
    } else {
        r.memory = compute(i->op, memory, source, i->size, &flags);
        value = memory;
        r.write_reg = i->op == MMIO_XCHG;
    }
    if (r.write_reg)
        r.reg = merge(i, reg, value);
    r.rflags = (rflags & ~(uint64_t)ARITHMETIC) | flags;
    return r;
}
