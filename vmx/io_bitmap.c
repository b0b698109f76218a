/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/io_bitmap.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"

static uint8_t *closed;  /* what all VMs share, but for ... */
static uint8_t *delayed; /* ... the first half of those with io-delay = pass */

static void open_port(uint8_t *bitmap, unsigned port)
{
    bitmap[port / 8] &= (uint8_t)~BIT(port % 8);
}

bool vmx_io_bitmap_create(void)
{
    closed = memory_alloc_zeroed(&memory_host, MEMORY_CONTROL, 3);
    if (!closed)
        return false;
    memset(closed, 0xff, 3 * PAGE_SIZE);
    delayed = closed + 2 * PAGE_SIZE;
    /* What BIOS and Linux write to for a delay: the diagnostic port and its stand-in. */
    open_port(delayed, 0x80);
    open_port(delayed, 0xed);
    return true;
}

hpa_t vmx_io_bitmap_a(const struct vm_config *c)
{
    return virt_to_phys(c->pass_io_delay ? delayed : closed);
}

hpa_t vmx_io_bitmap_b(void)
{
    return virt_to_phys(closed + PAGE_SIZE);
}
