/* SPDX-License-Identifier: BSD-2-Clause */
/* Files built into the image (core/base/blobs.asm). */
#pragma once

#include "arch/x86/types.h"

extern const uint8_t dsdt_aml[]; /* dev/dsdt.asl compiled by iasl */
extern const uint64_t dsdt_aml_size;
extern const uint8_t pci_aml[]; /* so, too: dev/pci/ssdt.asl */
extern const uint64_t pci_aml_size;
extern const uint8_t font[256 * 16]; /* for the framebuffer console: 8x16 pixels a glyph */
