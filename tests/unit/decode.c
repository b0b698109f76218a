/* SPDX-License-Identifier: BSD-2-Clause */
/* dev/decode.c against Zydis over random encodings, dev/execute.c against the processor that runs the test.
 */
#include "tests/unit/unit.h"

#include "dev/decode.h"

#include <stdio.h>
#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 150000 /* of each kind in each mode */

static uint64_t random_state;

static uint64_t rnd(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1d;
}

/* --- decoding --- */

static const struct {
    uint8_t op;
    ZydisMnemonic mnemonics[20];
} names[] = {
    {MMIO_ADD, {ZYDIS_MNEMONIC_ADD}},
    {MMIO_OR, {ZYDIS_MNEMONIC_OR}},
    {MMIO_ADC, {ZYDIS_MNEMONIC_ADC}},
    {MMIO_SBB, {ZYDIS_MNEMONIC_SBB}},
    {MMIO_AND, {ZYDIS_MNEMONIC_AND}},
    {MMIO_SUB, {ZYDIS_MNEMONIC_SUB}},
    {MMIO_XOR, {ZYDIS_MNEMONIC_XOR}},
    {MMIO_CMP, {ZYDIS_MNEMONIC_CMP}},
    {MMIO_LOAD,
     {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVZX, ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD,
      ZYDIS_MNEMONIC_MOVBE, ZYDIS_MNEMONIC_MOVUPS, ZYDIS_MNEMONIC_MOVUPD, ZYDIS_MNEMONIC_MOVSS,
      ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVAPS, ZYDIS_MNEMONIC_MOVAPD, ZYDIS_MNEMONIC_MOVD,
      ZYDIS_MNEMONIC_MOVQ, ZYDIS_MNEMONIC_MOVDQA, ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_LDDQU}},
    {MMIO_STORE,
     {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVNTI, ZYDIS_MNEMONIC_MOVBE, ZYDIS_MNEMONIC_MOVUPS,
      ZYDIS_MNEMONIC_MOVUPD, ZYDIS_MNEMONIC_MOVSS, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVAPS,
      ZYDIS_MNEMONIC_MOVAPD, ZYDIS_MNEMONIC_MOVNTPS, ZYDIS_MNEMONIC_MOVNTPD, ZYDIS_MNEMONIC_MOVD,
      ZYDIS_MNEMONIC_MOVQ, ZYDIS_MNEMONIC_MOVDQA, ZYDIS_MNEMONIC_MOVDQU, ZYDIS_MNEMONIC_MOVNTDQ}},
    {MMIO_XCHG, {ZYDIS_MNEMONIC_XCHG}},
    {MMIO_TEST, {ZYDIS_MNEMONIC_TEST}},
    {MMIO_INC, {ZYDIS_MNEMONIC_INC}},
    {MMIO_DEC, {ZYDIS_MNEMONIC_DEC}},
    {MMIO_NOT, {ZYDIS_MNEMONIC_NOT}},
    {MMIO_NEG, {ZYDIS_MNEMONIC_NEG}},
    {MMIO_ANDN, {ZYDIS_MNEMONIC_ANDN}},
    {MMIO_BEXTR, {ZYDIS_MNEMONIC_BEXTR}},
    {MMIO_BZHI, {ZYDIS_MNEMONIC_BZHI}},
    {MMIO_SHLX, {ZYDIS_MNEMONIC_SHLX}},
    {MMIO_SARX, {ZYDIS_MNEMONIC_SARX}},
    {MMIO_SHRX, {ZYDIS_MNEMONIC_SHRX}},
    {MMIO_BT, {ZYDIS_MNEMONIC_BT}},
    {MMIO_BTS, {ZYDIS_MNEMONIC_BTS}},
    {MMIO_BTR, {ZYDIS_MNEMONIC_BTR}},
    {MMIO_BTC, {ZYDIS_MNEMONIC_BTC}},
    {MMIO_ROL, {ZYDIS_MNEMONIC_ROL}},
    {MMIO_ROR, {ZYDIS_MNEMONIC_ROR}},
    {MMIO_RCL, {ZYDIS_MNEMONIC_RCL}},
    {MMIO_RCR, {ZYDIS_MNEMONIC_RCR}},
    {MMIO_SHL, {ZYDIS_MNEMONIC_SHL}},
    {MMIO_SHR, {ZYDIS_MNEMONIC_SHR}},
    {MMIO_SAR, {ZYDIS_MNEMONIC_SAR}},
    {MMIO_XADD, {ZYDIS_MNEMONIC_XADD}},
    {MMIO_CMPXCHG, {ZYDIS_MNEMONIC_CMPXCHG}},
    {MMIO_IMUL, {ZYDIS_MNEMONIC_IMUL}},
    {MMIO_PUSH, {ZYDIS_MNEMONIC_PUSH}},
    {MMIO_POP, {ZYDIS_MNEMONIC_POP}},
    {MMIO_CMOV,
     {ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVNB,
      ZYDIS_MNEMONIC_CMOVZ, ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE,
      ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVNP,
      ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNLE}},
    {MMIO_SETCC,
     {ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETNB,
      ZYDIS_MNEMONIC_SETZ, ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETNBE,
      ZYDIS_MNEMONIC_SETS, ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETNP,
      ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_SETLE, ZYDIS_MNEMONIC_SETNLE}},
    {MMIO_LODS, {ZYDIS_MNEMONIC_LODSB, ZYDIS_MNEMONIC_LODSW, ZYDIS_MNEMONIC_LODSD, ZYDIS_MNEMONIC_LODSQ}},
    {MMIO_CMPS, {ZYDIS_MNEMONIC_CMPSB, ZYDIS_MNEMONIC_CMPSW, ZYDIS_MNEMONIC_CMPSD, ZYDIS_MNEMONIC_CMPSQ}},
    {MMIO_SCAS, {ZYDIS_MNEMONIC_SCASB, ZYDIS_MNEMONIC_SCASW, ZYDIS_MNEMONIC_SCASD, ZYDIS_MNEMONIC_SCASQ}},
    {MMIO_STOS, {ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD, ZYDIS_MNEMONIC_STOSQ}},
    {MMIO_MOVS, {ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVSQ}},
};

static const uint8_t one_byte[] = {
    0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a,
    0x1b, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2a, 0x2b, 0x30, 0x31, 0x32, 0x33, 0x38, 0x39,
    0x3a, 0x3b, 0x63, 0x80, 0x81, 0x83, 0x69, 0x6b, 0x8f, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xa6, 0xa7, 0xac, 0xad, 0xae, 0xaf, 0xc0, 0xc1, 0xd0,
    0xd1, 0xd2, 0xd3, 0xa4, 0xa5, 0xaa, 0xab, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff};
static const uint8_t two_byte[] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b,
                                   0x4c, 0x4d, 0x4e, 0x4f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
                                   0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa3, 0xab, 0xaf, 0xb0,
                                   0xb1, 0xb3, 0xb6, 0xb7, 0xba, 0xbb, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3, 0x10,
                                   0x11, 0x28, 0x29, 0x2b, 0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xe7, 0xf0};
static const uint8_t three_byte[] = {0xf0, 0xf1}; /* behind 0F 38 */

struct zydis {
    ZydisDecoder decoder;
    ZydisDecodedInstruction i;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool valid;
};

static bool name_fits(const struct zydis *z, unsigned op)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        for (unsigned n = 0; names[i].op == op && n < ARRAY_SIZE(names[i].mnemonics); n++) {
            if (names[i].mnemonics[n] != ZYDIS_MNEMONIC_INVALID && names[i].mnemonics[n] == z->i.mnemonic)
                return true;
        }
    }
    return false;
}

/* Index of the first memory operand, or -1. */
static int memory_operand(const struct zydis *z)
{
    for (int n = 0; n < z->i.operand_count; n++) {
        if (z->operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return n;
    }
    return -1;
}

static bool is_mmx(const struct zydis *z)
{
    for (unsigned n = 0; n < z->i.operand_count; n++) {
        if (z->operands[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(z->operands[n].reg.value) == ZYDIS_REGCLASS_MMX)
            return true;
    }
    return false;
}

static bool listed(const struct zydis *z)
{
    switch (z->i.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT: return memchr(one_byte, z->i.opcode, sizeof(one_byte)) != NULL;
    case ZYDIS_OPCODE_MAP_0F: return memchr(two_byte, z->i.opcode, sizeof(two_byte)) != NULL;
    case ZYDIS_OPCODE_MAP_0F38: return memchr(three_byte, z->i.opcode, sizeof(three_byte)) != NULL;
    default: return false;
    }
}

static bool is_vex_form(const struct zydis *z)
{
    for (unsigned op = MMIO_ANDN; op <= MMIO_SHRX; op++) {
        if (name_fits(z, op))
            return true;
    }
    return false;
}

/* Does Zydis see a form that our header promises? */
static bool promised(const struct zydis *z)
{
    bool named = false;

    if (!z->valid || memory_operand(z) < 0)
        return false;
    if (z->i.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        return is_vex_form(z);
    if (z->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return false;
    if ((z->i.attributes & ZYDIS_ATTRIB_HAS_MODRM) && z->i.raw.modrm.mod == 3)
        return false; /* its memory is the stack */
    for (unsigned op = 0; op < MMIO_OPS; op++)
        named = named || name_fits(z, op);
    if (z->i.mnemonic == ZYDIS_MNEMONIC_MOVSXD && z->i.operand_width == 16)
        return false; /* manuals differ on the size of its memory operand, and nobody uses it */
    if (z->i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->i.opcode == 0xf6 || z->i.opcode == 0xf7))
        named =
            named && z->i.raw.modrm.reg != 1 && z->i.raw.modrm.reg < 4; /* an undocumented TEST; products */
    return named && listed(z) && !is_mmx(z);
}

static ZydisRegister byte_register(const struct mmio_insn *m, bool rex)
{
    if (m->high)
        return (ZydisRegister)(ZYDIS_REGISTER_AH + m->reg);
    if (m->reg < 4)
        return (ZydisRegister)(ZYDIS_REGISTER_AL + m->reg);
    assert_true(rex);
    return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR8, (ZyanU8)(m->reg + 4)); /* AH to BH come before SPL */
}

static ZydisRegister our_register(const struct mmio_insn *m, const struct zydis *z)
{
    static const ZydisRegisterClass classes[] = {
        [2] = ZYDIS_REGCLASS_GPR16, [4] = ZYDIS_REGCLASS_GPR32, [8] = ZYDIS_REGCLASS_GPR64};

    if (m->vector)
        return ZydisRegisterEncode(ZYDIS_REGCLASS_XMM, m->reg);
    if (m->reg_size == 1)
        return byte_register(m, z->i.attributes & ZYDIS_ATTRIB_HAS_REX);
    return ZydisRegisterEncode(classes[m->reg_size], m->reg);
}

static ZydisRegister address_register(const struct mmio_insn *m, uint8_t number)
{
    static const ZydisRegisterClass classes[] = {
        [2] = ZYDIS_REGCLASS_GPR16, [4] = ZYDIS_REGCLASS_GPR32, [8] = ZYDIS_REGCLASS_GPR64};

    if (number == MMIO_NONE)
        return ZYDIS_REGISTER_NONE;
    if (number == MMIO_RIP)
        return m->address_size == 4 ? ZYDIS_REGISTER_EIP : ZYDIS_REGISTER_RIP;
    return ZydisRegisterEncode(classes[m->address_size], number);
}

/* Where the operand is, by its parts. */
static const char *wrong_address(const struct mmio_insn *m, const struct zydis *z,
                                 const ZydisDecodedOperand *o)
{
    static const ZydisRegister segments[] = {ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS,
                                             ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS};

    if (z->i.raw.rex.B && z->i.raw.modrm.mod == 0 && z->i.raw.modrm.rm == 4 && z->i.raw.sib.base == 5) {
        /* "Special Cases of REX Encodings": REX.B is not decoded there. This Zydis takes it for R13. */
        return m->base == MMIO_NONE ? NULL : "base";
    }
    if (address_register(m, m->base) != o->mem.base || address_register(m, m->index) != o->mem.index)
        return "base or index";
    if (m->index != MMIO_NONE && (1 << m->scale) != o->mem.scale)
        return "scale";
    if (segments[m->segment] != o->mem.segment)
        return "segment";
    return ((uint64_t)m->displacement ^ (uint64_t)o->mem.disp.value) << (64 - 8 * m->address_size) != 0
               ? "displacement"
               : NULL;
}

/* NULL, or the name of what differs. */
static const char *compare(const struct mmio_insn *m, const struct zydis *z)
{
    int mem = memory_operand(z), other = 1 - mem, imm = m->op == MMIO_IMUL ? 2 : 1;
    const ZydisDecodedOperand *o = z->operands + mem;
    bool string = mmio_is_string(m), by_one = m->has_imm && z->i.raw.imm[0].size == 0 && m->imm == 1;
    bool reads = o->actions & ZYDIS_OPERAND_ACTION_MASK_READ,
         writes = o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;

    if (mem < 0 || m->length != z->i.length || !name_fits(z, m->op))
        return "length or mnemonic";
    if (o->size != m->size * 8u || z->i.address_width != m->address_size * 8u)
        return "sizes";
    if (m->lock != ((z->i.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0))
        return "lock";
    if (m->op == MMIO_MOVS || m->op == MMIO_CMPS)
        return z->operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY ? NULL : "operands";
    if (reads != m->reads || writes != m->writes)
        return "access";
    if (!string && wrong_address(m, z, o))
        return wrong_address(m, z, o);
    if (m->op == MMIO_ANDN)
        other = 0;
    if (is_vex_form(z) &&
        z->operands[m->op == MMIO_ANDN ? 1 : 2].reg.value !=
            ZydisRegisterEncode(m->size == 8 ? ZYDIS_REGCLASS_GPR64 : ZYDIS_REGCLASS_GPR32, m->other))
        return "register of VEX";
    if ((m->reg_size != 0 || m->has_imm) && !string && m->op != MMIO_ANDN &&
        (mem > 1 || m->to_register != (mem == 1)))
        return "direction";
    if (m->reg_size != 0 && z->operands[other].reg.value != our_register(m, z))
        return "register";
    if (m->reg_size != 0 && !m->vector && z->operands[other].size != m->reg_size * 8u)
        return "register size";
    if (!by_one && m->has_imm != (z->i.raw.imm[0].size != 0))
        return "immediate";
    if (m->has_imm && !by_one &&
        ((uint64_t)m->imm ^ z->operands[imm].imm.value.u) << (64 - z->i.raw.imm[0].size) != 0)
        return "immediate value";
    if (m->op == MMIO_LOAD && !m->vector && m->reg_size > m->size &&
        m->sign_extend == (z->i.mnemonic == ZYDIS_MNEMONIC_MOVZX))
        return "extension";
    return NULL;
}

static void show(const char *what, const uint8_t *bytes, unsigned mode)
{
    char hex[64] = "";

    for (unsigned i = 0; i < 15; i++)
        snprintf(hex + 3 * i, 4, "%02x ", bytes[i]);
    fail_msg("mode %u: %s: %s", mode, what, hex);
}

/* One encoding; true when it was decoded. Bytes end where the sanitizer looks. */
static bool check(struct zydis *z, const uint8_t *bytes, unsigned count, unsigned mode)
{
    static uint8_t *copies[17];
    struct mmio_insn m;
    bool ours;

    if (copies[count] == NULL)
        copies[count] = malloc(count + 1);
    memcpy(copies[count], bytes, count);
    ours = mmio_decode(copies[count], count, mode, &m);
    z->valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&z->decoder, bytes, count, &z->i, z->operands));
    if (ours && !z->valid)
        show("decoded what Zydis refuses", bytes, mode);
    if (ours && compare(&m, z) != NULL)
        show(compare(&m, z), bytes, mode);
    if (!ours && promised(z))
        show("refused what was promised", bytes, mode);
    return ours;
}

/* Some prefixes, mostly none, an opcode of ours, anything behind it. */
static void biased(uint8_t bytes[16], unsigned mode)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26,
                                       0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66};
    unsigned at = 0;

    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)rnd();
    while (at < 4 && rnd() % 3 == 0)
        bytes[at++] = prefixes[rnd() % sizeof(prefixes)];
    if (mode == 64 && rnd() % 2 == 0)
        bytes[at++] = (uint8_t)(0x40 | rnd() % 16);
    if (rnd() % 16 == 0) {
        bytes[at++] = 0xc4;
        bytes[at++] = (uint8_t)((rnd() & 0xe0) | 2);
        bytes[at++] = (uint8_t)(rnd() & 0xfb);
        bytes[at] = (uint8_t)(0xf2 + rnd() % 6);
    } else if (rnd() % 3 == 0) {
        bytes[at++] = 0x0f;
        bytes[at] = two_byte[rnd() % sizeof(two_byte)];
        if (rnd() % 32 == 0) {
            bytes[at++] = 0x38;
            bytes[at] = three_byte[rnd() % sizeof(three_byte)];
        }
    } else {
        bytes[at] = one_byte[rnd() % sizeof(one_byte)];
    }
}

static void against_zydis(unsigned mode, ZydisMachineMode machine, ZydisStackWidth stack)
{
    struct zydis z;
    uint8_t bytes[16];
    unsigned decoded = 0;

    random_state = 0x5ee1 + mode;
    assert_true(ZYAN_SUCCESS(ZydisDecoderInit(&z.decoder, machine, stack)));
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        biased(bytes, mode);
        for (unsigned i = 0; round < ROUNDS && i < 16; i++)
            bytes[i] = (uint8_t)rnd();
        decoded += check(&z, bytes, rnd() % 8 == 0 ? (unsigned)(rnd() % 16) : 15, mode);
    }
    print_message("mode %u: %u encodings, %u decoded\n", mode, 2 * ROUNDS, decoded);
    assert_true(decoded > ROUNDS / 2);
}

static void zydis_64(void **state)
{
    (void)state;
    against_zydis(64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static void zydis_32(void **state)
{
    (void)state;
    against_zydis(32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
}

static void zydis_16(void **state)
{
    (void)state;
    against_zydis(16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
}

static void too_long(void **state)
{
    uint8_t bytes[17];
    struct mmio_insn m;

    (void)state;
    memset(bytes, 0x66, sizeof(bytes));
    assert_false(mmio_decode(bytes, 17, 64, &m));
    memcpy(bytes + 13, "\x8b\x00", 2);
    assert_true(mmio_decode(bytes, 17, 64, &m));
    assert_int_equal(m.length, 15);
    memcpy(bytes + 13, "\x8b\x40\x00", 3);
    assert_false(mmio_decode(bytes, 17, 64, &m));
    assert_false(mmio_decode(bytes, 0, 64, &m));
}

static void string_forms(void **state)
{
    struct mmio_insn m;

    (void)state;
    assert_true(mmio_decode((const uint8_t *)"\xf3\x48\xab", 3, 64, &m));
    assert_int_equal(m.op, MMIO_STOS);
    assert_int_equal(m.size, 8);
    assert_true(m.rep && m.writes && !m.reads);
    assert_true(mmio_decode((const uint8_t *)"\xa4", 1, 16, &m));
    assert_int_equal(m.op, MMIO_MOVS);
    assert_int_equal(m.address_size, 2);
    assert_false(m.rep);
}

/* --- execution --- */

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
        cmocka_unit_test(zydis_64),   cmocka_unit_test(zydis_32),         cmocka_unit_test(zydis_16),
        cmocka_unit_test(too_long),   cmocka_unit_test(string_forms),     cmocka_unit_test(against_processor),
        cmocka_unit_test(extensions), cmocka_unit_test(counts_and_bits),  cmocka_unit_test(conditions),
        cmocka_unit_test(exchanges),  cmocka_unit_test(bit_manipulation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
