/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are in the hypervisor's address space, a row per area (4-level paging).
 *
 *   DIRECT_BASE   all physical memory, RW NX (the image's own pages read-only)
 *   STACKS_BASE   one slot of STACK_SLOT bytes per CPU: run stack and IST stacks with unmapped guard pages
 *   MMIO_BASE     device registers and the framebuffer, uncached or write-combining
 *   KERNEL_BASE   the image: text RX, rodata R, data RW
 *
 * NASM reads the numbers through core/vm/offsets.c, linker.ld repeats KERNEL_BASE.
 */
#pragma once

#include "arch/x86/types.h"

#ifndef DIRECT_BASE /* unit tests put it where they have memory */
#define DIRECT_BASE UINT64_C(0xffff800000000000)
#endif
#define STACKS_BASE UINT64_C(0xffffc00000000000)
#define MMIO_BASE   UINT64_C(0xffffd00000000000)
#define MMIO_SIZE   (4 * GIB)
#define KERNEL_BASE UINT64_C(0xffffffff80000000)

#define STACK_SLOT (16 * PAGE_SIZE)
#define STACK_SIZE (4 * PAGE_SIZE)
#define IST_SIZE   (2 * PAGE_SIZE)

_Static_assert(PAGE_SIZE + STACK_SIZE + 3 * (PAGE_SIZE + IST_SIZE) <= STACK_SLOT, "run stack, NMI, #DF, #MC");
_Static_assert(STACKS_BASE < MMIO_BASE && MMIO_BASE + MMIO_SIZE <= KERNEL_BASE, "no two areas overlap");

/* Physical memory by its address in the direct map. */
static inline void *phys_to_virt(hpa_t at)
{
    return (void *)(DIRECT_BASE + at.value);
}

static inline hpa_t virt_to_phys(const void *at)
{
    return hpa((uint64_t)at - DIRECT_BASE);
}

/* Image symbols: base of the image in physical memory is known only at run time (boot/entry.asm). */
extern uint64_t image_phys_base;
extern char text_start[], text_end[], rodata_end[], image_end[];

static inline hpa_t image_to_phys(const void *symbol)
{
    return hpa((uint64_t)symbol - KERNEL_BASE + image_phys_base);
}
