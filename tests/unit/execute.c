/* SPDX-License-Identifier: BSD-2-Clause */
/* dev/execute.c against the processor that runs the test. */
#include "tests/unit/unit.h"

#include "dev/decode.h"

static uint64_t random_state;

static uint64_t rnd(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1d;
}

#define CARRY 1u
#define FLAGS 0x8d5u

/* Runs `op` on *a (destination) and b with the given carry; returns the flags. */
#define HOST(name, T, insn)                                           \
    static uint64_t name(uint64_t *a, uint64_t b, uint64_t carry)     \
    {                                                                 \
        T x = (T)*a, y = (T)b;                                        \
        uint64_t f;                                                   \
                                                                      \
        __asm__ volatile("lea -128(%%rsp), %%rsp; bt $0, %[c]; " insn \
                         "; pushfq; popq %[f]; lea 128(%%rsp), %%rsp" \
                         : [x] "+q"(x), [f] "=&r"(f)                  \
                         : [y] "c"(y), [c] "r"(carry)                 \
                         : "cc", "memory");                           \
        *a = x;                                                       \
        return f;                                                     \
    }

#define HOST_ALL(op, operands)                \
    HOST(op##_1, uint8_t, #op "b " operands)  \
    HOST(op##_2, uint16_t, #op "w " operands) \
    HOST(op##_4, uint32_t, #op "l " operands) \
    HOST(op##_8, uint64_t, #op "q " operands)

HOST_ALL(add, "%[y], %[x]")
HOST_ALL(or, "%[y], %[x]")
HOST_ALL(adc, "%[y], %[x]")
HOST_ALL(sbb, "%[y], %[x]")
HOST_ALL(and, "%[y], %[x]")
HOST_ALL(sub, "%[y], %[x]")
HOST_ALL(xor, "%[y], %[x]")
HOST_ALL(cmp, "%[y], %[x]")
HOST_ALL(test, "%[y], %[x]")
HOST_ALL(inc, "%[x]")
HOST_ALL(dec, "%[x]")
HOST_ALL(not, "%[x]")
HOST_ALL(neg, "%[x]")

/* The second operand in CL. */
#define HOST_COUNTED(op)                       \
    HOST(op##_1, uint8_t, #op "b %%cl, %[x]")  \
    HOST(op##_2, uint16_t, #op "w %%cl, %[x]") \
    HOST(op##_4, uint32_t, #op "l %%cl, %[x]") \
    HOST(op##_8, uint64_t, #op "q %%cl, %[x]")
#define HOST_BITS(op)                          \
    HOST(op##_2, uint16_t, #op "w %[y], %[x]") \
    HOST(op##_4, uint32_t, #op "l %[y], %[x]") \
    HOST(op##_8, uint64_t, #op "q %[y], %[x]")
#define NO_BYTES(op)                             \
    {                                            \
        [2] = op##_2, [4] = op##_4, [8] = op##_8 \
    }

HOST_COUNTED(rol)
HOST_COUNTED(ror)
HOST_COUNTED(rcl)
HOST_COUNTED(rcr)
HOST_COUNTED(shl)
HOST_COUNTED(shr)
HOST_COUNTED(sar)
HOST_BITS(bt)
HOST_BITS(bts)
HOST_BITS(btr)
HOST_BITS(btc)
HOST_BITS(imul)

#define SIZES(op)                                              \
    {                                                          \
        [1] = op##_1, [2] = op##_2, [4] = op##_4, [8] = op##_8 \
    }

typedef uint64_t host_op(uint64_t *a, uint64_t b, uint64_t carry);

static const struct {
    uint8_t op;
    bool logic;
    host_op *run[9];
} host_ops[] = {
    {MMIO_ADD, false, SIZES(add)}, {MMIO_OR, true, SIZES(or)},    {MMIO_ADC, false, SIZES(adc)},
    {MMIO_SBB, false, SIZES(sbb)}, {MMIO_AND, true, SIZES(and)},  {MMIO_SUB, false, SIZES(sub)},
    {MMIO_XOR, true, SIZES(xor)},  {MMIO_CMP, false, SIZES(cmp)}, {MMIO_TEST, true, SIZES(test)},
    {MMIO_INC, false, SIZES(inc)}, {MMIO_DEC, false, SIZES(dec)}, {MMIO_NOT, false, SIZES(not )},
    {MMIO_NEG, false, SIZES(neg)},
};

static uint64_t interesting(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x7fff,
                                      0x8000,
                                      0xffff,
                                      INT32_MAX,
                                      0x80000000,
                                      UINT32_MAX,
                                      INT64_MAX,
                                      (uint64_t)INT64_MIN,
                                      UINT64_MAX};

    return rnd() % 2 ? rnd() : values[rnd() % ARRAY_SIZE(values)];
}

static void one_operation(unsigned n, unsigned size)
{
    uint64_t a = interesting(), b = interesting(), carry = rnd() & 1, wanted = a, flags, undefined;
    uint64_t field = UINT64_MAX >> (64 - 8 * size);
    struct mmio_insn m = {.op = host_ops[n].op, .size = (uint8_t)size, .reads = true, .other = MMIO_NONE};
    struct mmio_result r;

    m.writes = m.op != MMIO_CMP && m.op != MMIO_TEST;
    m.reg_size = (uint8_t)size;
    flags = host_ops[n].run[size](&wanted, b, carry);
    r = mmio_execute(&m, &(struct mmio_operands){.memory = a, .reg = b, .rflags = 0x202 | carry});
    undefined = host_ops[n].logic ? 0x10 : 0;
    if (m.op == MMIO_NOT)
        flags = carry;
    if (m.op != MMIO_CMP && m.op != MMIO_TEST)
        assert_int_equal(r.memory, wanted & field);
    assert_int_equal(r.rflags & ~undefined, (flags & FLAGS & ~undefined) | 0x202);
    assert_int_equal(r.write_memory, m.writes);
    assert_false(r.write_reg);
    if (m.op > MMIO_CMP)
        return;
    /* The same with the register as first operand. */
    m.to_register = true;
    m.writes = false;
    r = mmio_execute(&m, &(struct mmio_operands){.memory = b, .reg = a, .rflags = 0x202 | carry});
    if (r.write_reg)
        assert_int_equal(r.reg & field, wanted & field);
    assert_int_equal(r.rflags & ~undefined, (flags & FLAGS & ~undefined) | 0x202);
}

static void against_processor(void **state)
{
    (void)state;
    random_state = 42;
    for (unsigned n = 0; n < ARRAY_SIZE(host_ops); n++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            for (unsigned round = 0; round < 2000; round++)
                one_operation(n, size);
        }
    }
}

#define ZERO     0x40u
#define SIGN     0x80u
#define ADJUST   0x10u
#define PARITY   0x04u
#define OVERFLOW 0x800u

/* Undefined: what the manual does not say of flags, by the count. */
static const struct {
    uint8_t op;
    bool rotates, to_register;
    uint32_t undefined;
    host_op *run[9];
} counted_ops[] = {
    {MMIO_ROL, true, false, 0, SIZES(rol)},
    {MMIO_ROR, true, false, 0, SIZES(ror)},
    {MMIO_RCL, true, false, 0, SIZES(rcl)},
    {MMIO_RCR, true, false, 0, SIZES(rcr)},
    {MMIO_SHL, false, false, ADJUST, SIZES(shl)},
    {MMIO_SHR, false, false, ADJUST, SIZES(shr)},
    {MMIO_SAR, false, false, ADJUST, SIZES(sar)},
    {MMIO_BT, false, false, OVERFLOW | SIGN | ADJUST | PARITY, NO_BYTES(bt)},
    {MMIO_BTS, false, false, OVERFLOW | SIGN | ADJUST | PARITY, NO_BYTES(bts)},
    {MMIO_BTR, false, false, OVERFLOW | SIGN | ADJUST | PARITY, NO_BYTES(btr)},
    {MMIO_BTC, false, false, OVERFLOW | SIGN | ADJUST | PARITY, NO_BYTES(btc)},
    {MMIO_IMUL, false, true, SIGN | ZERO | ADJUST | PARITY, NO_BYTES(imul)},
};

static bool is_shift(unsigned op)
{
    return op >= MMIO_ROL && op <= MMIO_SAR;
}

static void one_counted(unsigned n, unsigned size)
{
    uint64_t a = interesting(), b = interesting(), carry = rnd() & 1, wanted = a, flags, got;
    uint64_t field = UINT64_MAX >> (64 - 8 * size), undefined = counted_ops[n].undefined;
    unsigned op = counted_ops[n].op, count = b & (size == 8 ? 63 : 31);
    struct mmio_insn m = {.op = (uint8_t)op, .size = (uint8_t)size, .reg_size = (uint8_t)size, .reads = true};
    struct mmio_operands in = {.memory = a, .reg = b, .other = b, .rflags = 0x202 | carry};
    struct mmio_result r;

    m.other = is_shift(op) ? 1 : MMIO_NONE;
    m.to_register = counted_ops[n].to_register;
    m.writes = !m.to_register && op != MMIO_BT;
    flags = counted_ops[n].run[size](&wanted, b, carry);
    r = mmio_execute(&m, &in);
    got = m.to_register ? r.reg : r.memory;
    assert_int_equal(got & field, wanted & field);
    assert_true(r.write_memory == m.writes && r.write_reg == m.to_register && !r.write_other);
    if (is_shift(op) && !count) {
        assert_int_equal(r.rflags, in.rflags);
        return;
    }
    if (counted_ops[n].rotates)
        undefined |= SIGN | ZERO | ADJUST | PARITY; /* they are as they were, which the host's were not */
    if (is_shift(op) && count != 1)
        undefined |= OVERFLOW;
    if (is_shift(op) && !counted_ops[n].rotates && count >= 8 * size)
        undefined |= CARRY;
    if (op >= MMIO_BT && op <= MMIO_BTC)
        undefined |= ZERO;
    assert_int_equal(r.rflags & FLAGS & ~undefined, flags & FLAGS & ~undefined);
}

static void counts_and_bits(void **state)
{
    (void)state;
    random_state = 77;
    for (unsigned n = 0; n < ARRAY_SIZE(counted_ops); n++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            for (unsigned round = 0; counted_ops[n].run[size] && round < 4000; round++)
                one_counted(n, size);
        }
    }
}

/* All conditions with all flags, by what the host's SETcc says. */
#define HOST_CONDITION(cc)                                                                              \
    static bool host_##cc(uint64_t flags)                                                               \
    {                                                                                                   \
        bool r;                                                                                         \
                                                                                                        \
        __asm__ volatile("lea -128(%%rsp), %%rsp; push %1; popfq; set" #cc " %0; lea 128(%%rsp), %%rsp" \
                         : "=r"(r)                                                                      \
                         : "r"(flags)                                                                   \
                         : "cc", "memory");                                                             \
        return r;                                                                                       \
    }
#define EACH_CONDITION(X) \
    X(o) X(no) X(b) X(nb) X(z) X(nz) X(be) X(nbe) X(s) X(ns) X(p) X(np) X(l) X(nl) X(le) X(nle)
EACH_CONDITION(HOST_CONDITION)

static void conditions(void **state)
{
#define CONDITION_ROW(cc) host_##cc,
    static bool (*const host[])(uint64_t flags) = {EACH_CONDITION(CONDITION_ROW)};

    (void)state;
    for (unsigned n = 0; n < 16 * 64; n++) {
        static const uint32_t bits[] = {CARRY, PARITY, ADJUST, ZERO, SIGN, OVERFLOW};
        struct mmio_insn set = {.op = MMIO_SETCC, .size = 1, .condition = n & 15, .other = MMIO_NONE},
                         move = {.op = MMIO_CMOV, .size = 4, .reg_size = 4, .condition = n & 15};
        struct mmio_operands in = {.memory = 0x1234, .reg = UINT64_MAX, .rflags = 0x202};
        bool holds;

        for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
            in.rflags |= n >> (4 + i) & 1 ? bits[i] : 0;
        holds = host[n & 15](in.rflags);
        assert_int_equal(mmio_execute(&set, &in).memory, holds);
        assert_int_equal(mmio_execute(&move, &in).reg, holds ? 0x1234 : UINT32_MAX);
    }
}

/* CMPXCHG and XADD. */
static void exchanges(void **state)
{
    struct mmio_insn m = {.op = MMIO_CMPXCHG, .size = 4, .reg_size = 4, .reads = true, .writes = true};
    struct mmio_operands in = {.memory = 7, .reg = 9, .other = 0x500000007, .rflags = 2};
    struct mmio_result r = mmio_execute(&m, &in);

    (void)state;
    assert_true(r.write_memory && r.memory == 9 && !r.write_other && !r.write_reg && (r.rflags & ZERO));
    in.other = 8;
    r = mmio_execute(&m, &in);
    assert_true(!r.write_memory && r.write_other && r.other == 7 && !(r.rflags & (ZERO | CARRY)));
    m.size = m.reg_size = 1; /* AH, compared with AL, of which only that changes */
    m.high = true;
    in = (struct mmio_operands){.memory = 0x33, .reg = 0x4455, .other = 0x4455, .rflags = 2};
    r = mmio_execute(&m, &in);
    assert_true(r.write_other && r.other == 0x4433);
    in.memory = 0x55;
    r = mmio_execute(&m, &in);
    assert_true(r.write_memory && r.memory == 0x44);
    m = (struct mmio_insn){
        .op = MMIO_XADD, .size = 4, .reg_size = 4, .reads = true, .writes = true, .other = MMIO_NONE};
    in = (struct mmio_operands){.memory = UINT32_MAX, .reg = 2, .rflags = 2};
    r = mmio_execute(&m, &in);
    assert_true(r.memory == 1 && r.reg == UINT32_MAX && (r.rflags & CARRY));
}

/* Of BMI, where the host has it: r = a, by b. */
#define HOST_BMI(name, T, operands)                                                               \
    __attribute__((target("bmi,bmi2"))) static uint64_t host_##name##_##T(uint64_t a, uint64_t b, \
                                                                          uint64_t *f)            \
    {                                                                                             \
        T x = (T)a, y = (T)b, r;                                                                  \
                                                                                                  \
        __asm__ volatile("lea -128(%%rsp), %%rsp; push $0x202; popfq; " #name " " operands        \
                         "; pushfq; popq %1; lea 128(%%rsp), %%rsp"                               \
                         : "=&r"(r), "=&r"(*f)                                                    \
                         : "r"(x), "r"(y)                                                         \
                         : "cc", "memory");                                                       \
        return r;                                                                                 \
    }
#define HOST_BMI_BOTH(name, operands)  \
    HOST_BMI(name, uint32_t, operands) \
    HOST_BMI(name, uint64_t, operands)
HOST_BMI_BOTH(andn, "%2, %3, %0")
HOST_BMI_BOTH(bextr, "%3, %2, %0")
HOST_BMI_BOTH(bzhi, "%3, %2, %0")
HOST_BMI_BOTH(shlx, "%3, %2, %0")
HOST_BMI_BOTH(sarx, "%3, %2, %0")
HOST_BMI_BOTH(shrx, "%3, %2, %0")

static const struct {
    uint8_t op;
    uint32_t undefined;
    uint64_t (*narrow)(uint64_t a, uint64_t b, uint64_t *f), (*wide)(uint64_t a, uint64_t b, uint64_t *f);
} bmi_ops[] = {
    {MMIO_ANDN, ADJUST | PARITY, host_andn_uint32_t, host_andn_uint64_t},
    {MMIO_BEXTR, ADJUST | SIGN | PARITY, host_bextr_uint32_t, host_bextr_uint64_t},
    {MMIO_BZHI, ADJUST | PARITY, host_bzhi_uint32_t, host_bzhi_uint64_t},
    {MMIO_SHLX, 0, host_shlx_uint32_t, host_shlx_uint64_t},
    {MMIO_SARX, 0, host_sarx_uint32_t, host_sarx_uint64_t},
    {MMIO_SHRX, 0, host_shrx_uint32_t, host_shrx_uint64_t},
};

static void bit_manipulation(void **state)
{
    (void)state;
    if (!__builtin_cpu_supports("bmi2"))
        skip();
    random_state = 99;
    for (unsigned round = 0; round < 12000 * ARRAY_SIZE(bmi_ops); round++) {
        unsigned n = round % ARRAY_SIZE(bmi_ops), size = rnd() % 2 ? 8 : 4;
        struct mmio_insn m = {
            .op = bmi_ops[n].op, .size = (uint8_t)size, .reg_size = (uint8_t)size, .other = 3, .reads = true};
        struct mmio_operands in = {.memory = interesting(), .other = interesting(), .rflags = 0x202};
        uint64_t flags, wanted;
        struct mmio_result r;

        if (rnd() % 2)
            in.other &= 0x3f3f;
        wanted = (size == 8 ? bmi_ops[n].wide : bmi_ops[n].narrow)(in.memory, in.other, &flags);
        r = mmio_execute(&m, &in);
        assert_true(r.write_reg && !r.write_memory && r.reg == wanted);
        assert_int_equal((r.rflags ^ flags) & FLAGS & ~(uint64_t)bmi_ops[n].undefined, 0);
    }
}

struct execution {
    const char *bytes;
    unsigned count;
    uint64_t memory, reg, wanted_memory, wanted_reg;
};

static const struct execution executions[] = {
    {"\x8b\x07", 2, 0x89abcdef, UINT64_MAX, 0, 0x89abcdef},
    {"\x66\x8b\x07", 3, 0x1234, UINT64_MAX, 0, 0xffffffffffff1234},
    {"\x8a\x27", 2, 0x5a, 0x1111111111111111, 0, 0x1111111111115a11},     /* AH */
    {"\x40\x8a\x27", 3, 0x5a, 0x1111111111111111, 0, 0x111111111111115a}, /* SPL */
    {"\x0f\xb6\x07", 3, 0xff, UINT64_MAX, 0, 0xff},
    {"\x0f\xbe\x07", 3, 0xff, 0, 0, 0xffffffff},
    {"\x48\x0f\xbf\x07", 4, 0x8000, 0, 0, 0xffffffffffff8000},
    {"\x48\x63\x07", 3, 0x80000000, 0, 0, 0xffffffff80000000},
    {"\x88\x27", 2, 0, 0xa5c3, 0xa5, 0xa5c3}, /* AH to memory */
    {"\xc7\x07\xff\xff\xff\xff", 6, 0, 7, 0xffffffff, 7},
    {"\x48\xc7\x07\xff\xff\xff\xff", 7, 0, 7, UINT64_MAX, 7},
    {"\x87\x07", 2, 0x12345678, 0xaaaaaaaabbbbbbbb, 0xbbbbbbbb, 0x12345678},
    {"\x86\x27", 2, 0x12, 0x3456, 0x34, 0x1256},
    {"\x83\x07\xff", 3, 5, 0, 4, 0},
    {"\x03\x07", 2, 5, 0xffffffff00000001, 0, 6},
    {"\x0f\x38\xf0\x07", 4, 0x11223344, UINT64_MAX, 0, 0x44332211}, /* MOVBE */
    {"\x66\x0f\x38\xf1\x07", 5, 0, 0x1122, 0x2211, 0x1122},
    {"\x6b\x07\xfe", 3, 5, 0, 0, 0xfffffff6}, /* IMUL by -2 */
};

static void extensions(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(executions); i++) {
        const struct execution *e = &executions[i];
        struct mmio_insn m;
        struct mmio_result r;

        assert_true(mmio_decode((const uint8_t *)e->bytes, e->count, 64, &m));
        r = mmio_execute(&m, &(struct mmio_operands){.memory = e->memory, .reg = e->reg, .rflags = 2});
        assert_int_equal(r.reg, e->wanted_reg);
        if (r.write_memory)
            assert_int_equal(r.memory, e->wanted_memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_processor), cmocka_unit_test(extensions),
        cmocka_unit_test(counts_and_bits),   cmocka_unit_test(conditions),
        cmocka_unit_test(exchanges),         cmocka_unit_test(bit_manipulation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
