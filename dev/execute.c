/* SPDX-License-Identifier: BSD-2-Clause */
/* What MMIO instructions do: arithmetic with its flags (SDM volume 2, the pseudo-code of each). */
#include "dev/decode.h"

enum { CF = 0x001, PF = 0x004, AF = 0x010, ZF = 0x040, SF = 0x080, OF = 0x800 };
#define ARITHMETIC (CF | PF | AF | ZF | SF | OF)

/* Of an operand of 1, 2, 4 or 8 bytes. */
static unsigned unused_bits(unsigned size)
{
    return (64 - 8 * size) & 63;
}

static unsigned top_bit(unsigned size)
{
    return (8 * size - 1) & 63;
}

static uint64_t mask(unsigned size)
{
    return UINT64_MAX >> unused_bits(size);
}

static int64_t sign_extended(uint64_t value, unsigned size)
{
    return (int64_t)(value << unused_bits(size)) >> unused_bits(size);
}

static uint64_t result_flags(uint64_t r, unsigned size)
{
    uint64_t even = ~(0x6996u >> ((r ^ r >> 4) & 15)) & 1; /* parity of the low byte, by its folded nibbles */

    return (even ? PF : 0) | ((r & mask(size)) == 0 ? ZF : 0) | (r >> top_bit(size) & 1 ? SF : 0);
}

/* The flags of a + b or a - b, from the operands, the result and the carry out. */
static uint64_t sum_flags(uint64_t a, uint64_t b, uint64_t r, bool carry, bool subtract, unsigned size)
{
    uint64_t overflow = (subtract ? a ^ b : ~(a ^ b)) & (a ^ r);

    return result_flags(r, size) | (carry ? CF : 0) | ((a ^ b ^ r) & AF) |
           (overflow >> top_bit(size) & 1 ? OF : 0);
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

static bool bit_of(uint64_t value, unsigned n)
{
    return value >> (n & 63) & 1;
}

static void set_flag(uint64_t *flags, uint64_t flag, bool on)
{
    *flags = on ? *flags | flag : *flags & ~flag;
}

/* --- shifts and rotates --- */

static uint64_t rotate_once(unsigned op, uint64_t a, unsigned top, bool *carry)
{
    bool high = bit_of(a, top), low = a & 1;
    uint64_t in = op == MMIO_ROL ? high : op == MMIO_ROR ? low : *carry;
    bool left = op == MMIO_ROL || op == MMIO_RCL;

    *carry = left ? high : low;
    return left ? a << 1 | in : a >> 1 | in << top;
}

/* ROL, ROR, RCL and RCR have a part in CF and OF only. */
static uint64_t rotate(unsigned op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
    unsigned top = top_bit(size);
    bool carry = *flags & CF;

    for (unsigned i = 0; i < count; i++)
        a = rotate_once(op, a, top, &carry) & mask(size);
    set_flag(flags, CF, carry);
    set_flag(flags, OF, bit_of(a, top) ^ (op == MMIO_ROL || op == MMIO_RCL ? carry : bit_of(a, top - 1)));
    return a;
}

static uint64_t shift_left(uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
    unsigned bits = 8 * size;
    uint64_t r = a << count & mask(size);
    bool carry = count <= bits && bit_of(a, bits - count);

    *flags = result_flags(r, size) | (carry ? CF : 0) | (carry != bit_of(r, top_bit(size)) ? OF : 0);
    return r;
}

static uint64_t shift_right(unsigned op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
    int64_t value = op == MMIO_SAR ? sign_extended(a, size) : (int64_t)a;
    uint64_t r = (op == MMIO_SAR ? (uint64_t)(value >> count) : a >> count) & mask(size);
    bool carry = (uint64_t)(value >> (count - 1)) & 1;

    if (op == MMIO_SHR)
        carry = bit_of(a, count - 1);
    *flags = result_flags(r, size) | (carry ? CF : 0) | (op == MMIO_SHR && bit_of(a, top_bit(size)) ? OF : 0);
    return r;
}

/* A count of 0 does nothing at all. */
static uint64_t shift(unsigned op, uint64_t a, uint64_t by, unsigned size, uint64_t *flags)
{
    unsigned count = by & (size == 8 ? 63 : 31);

    if (!count)
        return a;
    if (op <= MMIO_RCR)
        return rotate(op, a, count, size, flags);
    return op == MMIO_SHL ? shift_left(a, count, size, flags) : shift_right(op, a, count, size, flags);
}

/* --- bits, products, conditions --- */

static uint64_t change_bit(unsigned op, uint64_t a, uint64_t number, unsigned size, uint64_t *flags)
{
    uint64_t bit = BIT(number & top_bit(size));

    set_flag(flags, CF, a & bit);
    switch (op) {
    case MMIO_BTS: return a | bit;
    case MMIO_BTR: return a & ~bit;
    case MMIO_BTC: return a ^ bit;
    default: return a;
    }
}

/* Whether the product of two signed numbers, of which r has the lowest 64 bits, has more. */
static bool product_overflows(int64_t a, int64_t b, int64_t r)
{
    if (a > 0 || a < -1)
        return r / a != b;
    return a && b == INT64_MIN;
}

static uint64_t multiply(uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
    int64_t x = sign_extended(a, size), y = sign_extended(b, size), r = (int64_t)((uint64_t)x * (uint64_t)y);
    bool over = product_overflows(x, y, r) || sign_extended((uint64_t)r, size) != r;

    *flags = over ? CF | OF : 0;
    return (uint64_t)r & mask(size);
}

/* "Conditional Test Field (tttn)": the lowest bit negates. */
static bool holds(unsigned condition, uint64_t f)
{
    bool less = !(f & SF) != !(f & OF), r;

    switch (condition >> 1) {
    case 0: r = f & OF; break;
    case 1: r = f & CF; break;
    case 2: r = f & ZF; break;
    case 3: r = f & (CF | ZF); break;
    case 4: r = f & SF; break;
    case 5: r = f & PF; break;
    case 6: r = less; break;
    default: r = less || (f & ZF); break;
    }
    return r != (condition & 1);
}

static uint64_t swapped(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> unused_bits(size);
}

/* a: destination, b: source, both masked; *flags comes in with the carry and leaves with all arithmetic
 * flags. */
static uint64_t compute(unsigned op, uint64_t a, uint64_t b, unsigned size, uint64_t *flags)
{
    uint64_t carry = *flags & CF, r;

    switch (op) {
    case MMIO_ADD:
    case MMIO_XADD: return add_with_carry(a, b, false, size, flags);
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
    case MMIO_BT:
    case MMIO_BTS:
    case MMIO_BTR:
    case MMIO_BTC: return change_bit(op, a, b, size, flags);
    case MMIO_ROL:
    case MMIO_ROR:
    case MMIO_RCL:
    case MMIO_RCR:
    case MMIO_SHL:
    case MMIO_SHR:
    case MMIO_SAR: return shift(op, a, b, size, flags);
    case MMIO_IMUL: return multiply(a, b, size, flags);
    default: return b; /* MMIO_STORE, MMIO_LOAD, MMIO_XCHG: no flags */
    }
}

/* The whole register after writing its operand: four bytes clear the upper half, fewer leave the rest. */
static uint64_t merge(uint64_t reg, uint64_t value, unsigned size, bool high)
{
    unsigned at = high ? 8 : 0;
    uint64_t field = mask(size) << at;

    if (size >= 4)
        return value & mask(size);
    return (reg & ~field) | (value << at & field);
}

static uint64_t merge_register(const struct mmio_insn *i, uint64_t reg, uint64_t value)
{
    return merge(reg, value, i->reg_size, i->high);
}

/* Compared with the accumulator: it goes to memory, or memory to that. */
static struct mmio_result compare_exchange(const struct mmio_insn *i, const struct mmio_operands *in)
{
    struct mmio_result r = {.memory = in->reg >> (i->high ? 8 : 0) & mask(i->size), .other = in->other};
    uint64_t memory = in->memory & mask(i->size), flags;

    subtract(in->other & mask(i->size), memory, false, i->size, &flags);
    r.rflags = (in->rflags & ~(uint64_t)ARITHMETIC) | flags;
    r.write_memory = flags & ZF;
    r.write_other = !r.write_memory;
    if (r.write_other)
        r.other = merge(in->other, memory, i->size, false);
    return r;
}

static struct mmio_result load(const struct mmio_insn *i, const struct mmio_operands *in)
{
    uint64_t value = in->memory & mask(i->size);

    if (i->swap)
        value = swapped(value, i->size);
    if (i->op == MMIO_CMOV && !holds(i->condition, in->rflags))
        value = in->reg;
    else if (i->sign_extend)
        value = (uint64_t)sign_extended(value, i->size);
    return (struct mmio_result){
        .reg = merge_register(i, in->reg, value), .rflags = in->rflags, .write_reg = true};
}

static uint64_t source_of(const struct mmio_insn *i, const struct mmio_operands *in)
{
    if (i->has_imm)
        return (uint64_t)i->imm & mask(i->size);
    if (i->other != MMIO_NONE)
        return in->other & 0xff; /* a shift by CL */
    return in->reg >> (i->high ? 8 : 0) & mask(i->size);
}

static struct mmio_result store(const struct mmio_insn *i, const struct mmio_operands *in)
{
    uint64_t value = source_of(i, in);

    if (i->op == MMIO_SETCC)
        value = holds(i->condition, in->rflags);
    return (struct mmio_result){.memory = i->swap ? swapped(value, i->size) : value,
                                .reg = in->reg,
                                .rflags = in->rflags,
                                .write_memory = true};
}

/* SHLX, SARX, SHRX: no flags. */
static uint64_t shift_by(unsigned op, uint64_t a, uint64_t by, unsigned size)
{
    static const uint8_t ops[] = {MMIO_SHL, MMIO_SAR, MMIO_SHR};
    uint64_t flags;

    return shift(ops[(op - MMIO_SHLX) % 3], a, by, size, &flags);
}

/* So many bits from a place on. */
static uint64_t extract(uint64_t a, unsigned from, unsigned count)
{
    a = from < 64 ? a >> from : 0;
    return count < 64 ? a & (BIT(count) - 1) : a;
}

static struct mmio_result vex_form(const struct mmio_insn *i, const struct mmio_operands *in)
{
    uint64_t a = in->memory & mask(i->size), by = in->other & mask(i->size), r, flags = 0;

    switch (i->op) {
    case MMIO_ANDN: r = ~by & a; break;
    case MMIO_BEXTR: r = extract(a, by & 0xff, by >> 8 & 0xff); break;
    case MMIO_BZHI:
        r = extract(a, 0, by & 0xff);
        flags = (by & 0xff) >= 8 * i->size ? CF : 0;
        break;
    default:
        r = shift_by(i->op, a, by, i->size);
        return (struct mmio_result){.reg = r, .rflags = in->rflags, .write_reg = true};
    }
    flags |= result_flags(r, i->size) & (ZF | SF);
    return (struct mmio_result){
        .reg = r, .rflags = (in->rflags & ~(uint64_t)ARITHMETIC) | flags, .write_reg = true};
}

/* IMUL has a form whose sources are memory and an immediate. */
static struct mmio_result to_register(const struct mmio_insn *i, const struct mmio_operands *in)
{
    uint64_t flags = in->rflags & ARITHMETIC,
             value = compute(i->op, source_of(i, in), in->memory & mask(i->size), i->size, &flags);

    return (struct mmio_result){.reg = i->op == MMIO_CMP ? in->reg : merge_register(i, in->reg, value),
                                .rflags = (in->rflags & ~(uint64_t)ARITHMETIC) | flags,
                                .write_reg = i->op != MMIO_CMP};
}

static struct mmio_result to_memory(const struct mmio_insn *i, const struct mmio_operands *in)
{
    uint64_t flags = in->rflags & ARITHMETIC, old = in->memory & mask(i->size);
    bool exchange = i->op == MMIO_XCHG || i->op == MMIO_XADD;
    struct mmio_result r = {.write_memory = i->writes, .write_reg = exchange, .reg = in->reg};

    r.memory = compute(i->op, old, source_of(i, in), i->size, &flags);
    if (exchange)
        r.reg = merge_register(i, in->reg, old);
    r.rflags = (in->rflags & ~(uint64_t)ARITHMETIC) | flags;
    return r;
}

struct mmio_result mmio_execute(const struct mmio_insn *i, const struct mmio_operands *in)
{
    switch (i->op) {
    case MMIO_LOAD:
    case MMIO_CMOV: return load(i, in);
    case MMIO_STORE:
    case MMIO_SETCC: return store(i, in);
    case MMIO_CMPXCHG: return compare_exchange(i, in);
    case MMIO_ANDN:
    case MMIO_BEXTR:
    case MMIO_BZHI:
    case MMIO_SHLX:
    case MMIO_SARX:
    case MMIO_SHRX: return vex_form(i, in);
    default: return i->to_register ? to_register(i, in) : to_memory(i, in);
    }
}

uint64_t mmio_compare(uint64_t a, uint64_t b, unsigned size, uint64_t rflags)
{
    uint64_t flags;

    subtract(a & mask(size), b & mask(size), false, size, &flags);
    return (rflags & ~(uint64_t)ARITHMETIC) | flags;
}
