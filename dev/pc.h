/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine a guest sees: a PC with one UART, RTC, 8254 without interrupts, keyboard controller without
 * keyboard, I/O APIC and ACPI power control. vm->bus finds them, and what dev/pci/ adds.
 */
#pragma once

#include "core/vm/part.h"

/* A part of a VM (core/vm/part.h). Its firmware: the ACPI tables, and what dev/firmware.h leaves. */
bool pc_create(struct vm *vm, const struct placement *p);
bool pc_write_firmware(struct vm *vm, struct image *image);
void pc_reset(struct vm *vm);
void pc_destroy(struct vm *vm);

/* Of what was typed for it, when that is not for its UART (vm->typed): at most n bytes; how many. */
unsigned pc_take_input(struct vm *vm, void *bytes, unsigned n);

/* A key typed on the console for this VM, for its UART. */
void pc_input(struct vm *vm, uint8_t byte);

/* A break on its UART's line. False: there is no room for it. */
bool pc_break(struct vm *vm);

/* A pin of its I/O APIC, for devices that are not here; from any CPU. */
void pc_set_pin(struct vm *vm, unsigned pin, bool level);
