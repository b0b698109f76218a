/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoder and executor for the instructions that reach emulated device memory (SDM vol. 2, "Instruction
 * Format" and the opcode maps): moves, exchanges, integer arithmetic on memory, and string stores.
 *
 * An exit handler does: mmio_decode, read the device if insn.reads, mmio_execute, write the device if
 * result.write_memory, regs[insn.reg] = result.reg if result.write_reg, set RFLAGS, skip insn.length bytes.
 *
 * String forms (MMIO_STOS, MMIO_MOVS) are reported, not executed: they do one element of insn.size bytes.
 * STOS stores register 0 to ES:rDI. MOVS copies DS:rSI (or another segment) to ES:rDI, and which of both is
 * the device the handler knows from the faulting address. It then moves rSI and rDI by insn.size (down when
 * RFLAGS.DF is set) and, with insn.rep, counts down rCX and leaves RIP where it is until rCX is zero; each of
 * these registers in insn.address_size bytes. With insn.rep and rCX = 0 nothing is done at all.
 */
#pragma once

#include "arch/x86/types.h"

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
    MMIO_STOS,
    MMIO_MOVS,
};

struct mmio_insn {
    uint8_t length;       /* bytes of the instruction, 1 to 15 */
    uint8_t op;           /* enum mmio_op */
    uint8_t size;         /* bytes of the memory operand: 1, 2, 4 or 8 */
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
    int64_t imm; /* sign-extended */
};

/*
 * Decodes one instruction of which count bytes (at most 15 matter) are at hand; mode is 16, 32 or 64.
 * False: not one of these, without memory operand, illegal, or not complete within count bytes.
 */
bool mmio_decode(const uint8_t *bytes, unsigned count, unsigned mode, struct mmio_insn *out);

struct mmio_result {
    uint64_t memory; /* the new contents, insn.size bytes */
    uint64_t reg;    /* the whole new register insn.reg, merged or extended as the operand size demands */
    uint64_t rflags;
    bool write_memory, write_reg;
};

/*
 * What the instruction does: memory is what was read (ignored unless insn.reads), reg the whole register
 * insn.reg. Undefined flags come out as zero. Not for string forms.
 */
struct mmio_result mmio_execute(const struct mmio_insn *insn, uint64_t memory, uint64_t reg, uint64_t rflags);
