/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/topology.h"

#include "arch/x86/cpu.h"

#define LEVEL_THREAD 1u      /* in leaves 0Bh and 1Fh: what is told apart below a core */
#define LEAF1_HTT    BIT(28) /* a package has room for several IDs */

static unsigned bits_for(unsigned count)
{
    return count > 1 ? 32 - (unsigned)__builtin_clz(count - 1) : 0;
}

/* "Extended topology enumeration". False: the processor has no such leaf. Where the second thread is switched
 * off, its bit is still kept free, but by processors that are emulated: there one thread says that it is all.
 */
static bool read_extended(uint32_t leaf, unsigned *bits)
{
    struct cpuid r;

    if (cpuid(0, 0).eax < leaf)
        return false;
    r = cpuid(leaf, 0);
    if (!(r.ebx & 0xffff) || (r.ecx >> 8 & 0xff) != LEVEL_THREAD)
        return false;
    *bits = (r.ebx & 0xffff) > 1 ? r.eax & 31 : 0;
    return true;
}

/* From the room for IDs in a package and that for its cores. */
static unsigned read_legacy(void)
{
    struct cpuid one = cpuid(1, 0);
    unsigned threads = one.edx & LEAF1_HTT ? one.ebx >> 16 & 0xff : 1, cores = 1;

    if (cpuid(0, 0).eax >= 4)
        cores = (cpuid(4, 0).eax >> 26 & 63) + 1;
    return bits_for(threads) > bits_for(cores) ? bits_for(threads) - bits_for(cores) : 0;
}

unsigned topology_thread_bits(void)
{
    unsigned bits;

    return read_extended(0x1f, &bits) || read_extended(0x0b, &bits) ? bits : read_legacy();
}
