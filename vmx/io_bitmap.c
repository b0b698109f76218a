/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ports a guest reaches without an exit: two pages, shared by all VMs (SDM volume 3, "I/O-bitmap
 * addresses"). */
#include "vmx/io_bitmap.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"

static uint8_t *bitmap;

bool vmx_io_bitmap_create(void)
{
    bitmap = memory_alloc_zeroed(&memory_host, MEMORY_CONTROL, 2);
    if (!bitmap)
        return false;
    memset(bitmap, 0xff, 2 * PAGE_SIZE);
    /* What BIOS and Linux write to for a delay: the diagnostic port, which nothing decodes, and its stand-in.
     */
    bitmap[0x80 / 8] &= (uint8_t)~BIT(0x80 % 8);
    bitmap[0xed / 8] &= (uint8_t)~BIT(0xed % 8);
    return true;
}

hpa_t vmx_io_bitmap(void)
{
    return virt_to_phys(bitmap);
}
