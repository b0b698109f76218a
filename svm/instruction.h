/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction that has exited, decoded as far as the processor does not tell: length (without next RIP),
 * operands of MOV CR and MOV DR (without decode assists), address size and segment of a string on a port.
 * What exits is known by the exit code, so that this is prefixes and a few bytes (APM volume 3, "Instruction
 * encoding").
 */
#pragma once

#include "svm/state.h"

struct svm_instruction {
    uint8_t length;       /* 0: it could not be fetched, or is none that exits */
    uint8_t opcode;       /* its last byte */
    bool two_bytes;       /* behind 0Fh */
    uint8_t modrm;        /* of those behind 0Fh that have it */
    uint8_t vector;       /* of INT n */
    uint8_t rex;          /* or 0 */
    uint8_t segment;      /* enum mmio_segment */
    uint8_t address_size; /* bytes */
};

struct svm_instruction svm_decode(struct vcpu *v);
unsigned svm_instruction_length(struct vcpu *v);

/* ModRM's fields, with REX. */
static inline unsigned svm_modrm_reg(const struct svm_instruction *i)
{
    return (i->modrm >> 3 & 7u) | (i->rex & 4u) << 1;
}

static inline unsigned svm_modrm_rm(const struct svm_instruction *i)
{
    return (i->modrm & 7u) | (i->rex & 1u) << 3;
}

static inline bool svm_in_registers(const struct svm_instruction *i)
{
    return i->modrm >> 6 == 3;
}
