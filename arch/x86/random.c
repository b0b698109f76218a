/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/random.h"

#include "arch/x86/cpu.h"

#define TRIES 10 /* of RDRAND, as the manual has it */

#define LEAF_FEATURES 1
#define LEAF_EXTENDED 7
#define HAS_RDRAND    BIT(30) /* ECX */
#define HAS_RDSEED    BIT(18) /* EBX */

static bool has_rdrand(void)
{
    return cpuid(LEAF_FEATURES, 0).ecx & HAS_RDRAND;
}

static bool has_rdseed(void)
{
    return cpuid(0, 0).eax >= LEAF_EXTENDED && (cpuid(LEAF_EXTENDED, 0).ebx & HAS_RDSEED);
}

bool random_present(void)
{
    return has_rdrand() || has_rdseed();
}

static bool rdseed(uint64_t *word)
{
    bool got;

    __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(got));
    return got;
}

static bool rdrand(uint64_t *word)
{
    bool got;

    __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(got));
    return got;
}

bool random_word(uint64_t *word)
{
    static enum { UNKNOWN, SEED = 1, RAND = 2, BOTH = 3, LOOKED = 4 } how;

    if (!how)
        how = LOOKED | (has_rdseed() ? SEED : 0) | (has_rdrand() ? RAND : 0);
    if ((how & SEED) && rdseed(word))
        return true;
    for (unsigned i = 0; (how & RAND) && i < TRIES; i++) {
        if (rdrand(word))
            return true;
    }
    return false;
}
