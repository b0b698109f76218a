/* SPDX-License-Identifier: BSD-2-Clause */
/* The way out of the firmware (UEFI 2.10, section 7.4.6), and into the hypervisor. */
#pragma once

#include "boot/efi/boot_info.h"
#include "boot/efi/placed.h"

/*
 * Ends the firmware's boot services, adds the memory maps to the information, and enters the image. Returns,
 * with a line, only while the firmware still has the machine.
 */
void leave_firmware(struct boot_info_writer *info, const struct placed_image *image);

/* Bytes that boot_info_memory() may need in it. */
uint64_t leave_room(void);

/* jump.asm: position-independent, to be copied below 4 GiB; and its call, which does not return. */
extern const uint8_t jump_start[], jump_end[];
void jump(void *copy, uint32_t entry, uint32_t info);
