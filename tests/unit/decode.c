/* SPDX-License-Identifier: BSD-2-Clause */
/* dev/decode.c against Zydis over random encodings. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zydis_64), cmocka_unit_test(zydis_32),
                                       cmocka_unit_test(zydis_16), cmocka_unit_test(too_long),
                                       cmocka_unit_test(string_forms)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
