/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a PC's firmware leaves behind, where a VM has none: Skerry is the firmware of its guests. A row for
 * each thing that systems look for, in firmware.c; the MSRs here, for whoever resets a vCPU.
 */
#pragma once

#include "core/vm/part.h"

/* IA32_MTRR_DEF_TYPE: MTRRs on, write-back. Without it Linux up to 6.2 does not set up PAT. */
#define FIRMWARE_MTRR_DEF_TYPE UINT64_C(0xc06)

/* Into the guest's memory, before its images: interrupt vectors, BIOS data area, extended BIOS data area,
 * reset vector. False: no room. */
bool firmware_write(struct vm *vm);

/* Into the CMOS bytes of its clock: how much memory there is. */
#define FIRMWARE_CMOS_SIZE 128
void firmware_fill_cmos(uint8_t cmos[FIRMWARE_CMOS_SIZE], uint64_t memory);
