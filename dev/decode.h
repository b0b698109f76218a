/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoder and executor for the instructions that reach emulated device memory (SDM vol. 2, "Instruction
 * Format" and the opcode maps): all moves, exchanges and integer operations with one operand in memory but
 * MUL, DIV, SHLD, SHRD and some of BMI; string instructions; PUSH and POP; moves of XMM registers.
 *
 * An exit handler does: mmio_decode, read the device if insn.reads, mmio_execute, write the device if
 * result.write_memory, regs[insn.reg] = result.reg if result.write_reg, regs[insn.other] likewise, set
 * RFLAGS, skip insn.length bytes.
 *
 * Three kinds are reported, not executed. String forms (mmio_is_string()): one element of insn.size bytes
 * between register 0, DS:rSI (or insn.segment) and ES:rDI, all by insn.address_size, as vcpu/mmio_string.c
 * has it. PUSH and POP, whose other operand is on the stack. What has insn.vector: reg is that of an XMM
 * register, of which the lowest insn.size bytes are moved, and the rest is cleared by a load.
 */
#pragma once

#include "arch/x86/types.h"

#define MMIO_NONE 0xff /* no register */
#define MMIO_RIP  0xfe /* as the base: behind the instruction */

/* As prefixes and selectors' encodings have them. */
enum mmio_segment { SEGMENT_ES, SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS };

enum mmio_op {
    /* In the order of the opcodes 00h to 38h and of group 80h. */
    MMIO_ADD,
    MMIO_OR,
    MMIO_ADC,
    MMIO_SBB,
    MMIO_AND,
    MMIO_SUB,
    MMIO_XOR,
    MMIO_CMP,
    MMIO_LOAD,  /* register = memory; also MOVZX, MOVSX, MOVSXD */
    MMIO_STORE, /* memory = source */
    MMIO_XCHG,
    MMIO_TEST,
    MMIO_INC,
    MMIO_DEC,
    MMIO_NOT,
    MMIO_NEG,
    MMIO_BT,
    MMIO_BTS,
    MMIO_BTR,
    MMIO_BTC,
    MMIO_ROL, /* from here on as group C0h has them */
    MMIO_ROR,
    MMIO_RCL,
    MMIO_RCR,
    MMIO_SHL,
    MMIO_SHR,
    MMIO_SAR,
    MMIO_XADD,
    MMIO_CMPXCHG,
    MMIO_CMOV,
    MMIO_SETCC,
    MMIO_IMUL,
    MMIO_ANDN, /* VEX forms: register = memory and insn.other */
    MMIO_BEXTR,
    MMIO_BZHI,
    MMIO_SHLX,
    MMIO_SARX,
    MMIO_SHRX,
    MMIO_PUSH,
    MMIO_POP,
    MMIO_STOS, /* string forms from here on */
    MMIO_MOVS,
    MMIO_LODS,
    MMIO_CMPS,
    MMIO_SCAS,
    MMIO_OPS
};

struct mmio_insn {
    uint8_t length;       /* bytes of the instruction, 1 to 15 */
    uint8_t op;           /* enum mmio_op */
    uint8_t size;         /* bytes of the memory operand: 1, 2, 4 or 8, and 16 of vectors */
    uint8_t address_size; /* bytes: 2, 4 or 8 */
    uint8_t reg;      /* register operand 0 to 15, in the order of the encoding (RAX, RCX, RDX, RBX, ...) */
    uint8_t reg_size; /* its bytes; 0: there is none */
    bool high;        /* the register operand is bits 15:8 of reg: AH, CH, DH, BH */
    bool sign_extend; /* MMIO_LOAD with reg_size > size: sign-extend, not zero-extend */
    bool to_register; /* the register is the first operand (destination, or minuend of CMP), memory the second
                       */
    bool has_imm;     /* the source is imm, not a register */
    bool reads, writes; /* memory */
    bool lock, rep;
    bool while_unequal; /* REPNE of CMPS and SCAS: until ZF is 1, not 0 */
    bool swap;          /* MOVBE */
    bool vector;
    uint8_t other;     /* a further register that it uses: RAX of CMPXCHG, RCX with a shift by CL, VEX.vvvv */
    uint8_t condition; /* of CMOV and SETcc, as Jcc has them */
    int64_t imm;       /* sign-extended */
    /* Where its memory operand is, strings aside; scale is a shift. */
    uint8_t base, index, scale, segment;
    int64_t displacement;
};

static inline bool mmio_is_string(const struct mmio_insn *insn)
{
    return insn->op >= MMIO_STOS;
}

/*
 * Decodes one instruction of which count bytes (at most 15 matter) are at hand; mode is 16, 32 or 64.
 * False: not one of these, without memory operand, illegal, or not complete within count bytes.
 */
bool mmio_decode(const uint8_t *bytes, unsigned count, unsigned mode, struct mmio_insn *out);

struct mmio_operands {
    uint64_t memory; /* what was read, as long as the operand is (ignored unless insn.reads) */
    uint64_t reg;    /* the whole register insn.reg, */
    uint64_t other;  /* and insn.other */
    uint64_t rflags;
};

struct mmio_result {
    uint64_t memory; /* the new contents, insn.size bytes */
    uint64_t reg;    /* the whole new register insn.reg, merged or extended as the operand size demands, */
    uint64_t other;  /* and insn.other */
    uint64_t rflags;
    bool write_memory, write_reg, write_other;
};

/* What the instruction does. Undefined flags come out as zero or as they were. */
struct mmio_result mmio_execute(const struct mmio_insn *insn, const struct mmio_operands *in);

/* The flags of a - b, both of so many bytes: for CMPS and SCAS. */
uint64_t mmio_compare(uint64_t a, uint64_t b, unsigned size, uint64_t rflags);
