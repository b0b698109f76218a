/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's I/O APIC: 24 pins at FEC00000h (Intel 82093AA data sheet, with the EOI register of later ones). */
#pragma once

#include "arch/x86/types.h"

struct vm;

#define VIOAPIC_BASE UINT64_C(0xfec00000)
#define VIOAPIC_PINS 24

struct vioapic {
    uint64_t redirection[VIOAPIC_PINS];
    uint32_t select;
    uint32_t id;
    uint32_t lines; /* a bit per pin: its input is active */
};

/* All under its lock. offset is within the page; access is 32 bits wide. */
void vioapic_reset(struct vioapic *io);
uint32_t vioapic_read(struct vioapic *io, unsigned offset);
void vioapic_write(struct vm *vm, struct vioapic *io, unsigned offset, uint32_t value);
void vioapic_set_pin(struct vm *vm, struct vioapic *io, unsigned pin, bool level);
/* A local APIC broadcast the end of interrupt of a level-triggered vector. */
void vioapic_eoi(struct vm *vm, struct vioapic *io, unsigned vector);
