/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/mtrr.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"

#define CPUID_MTRR BIT(12)
#define CAP_COUNT  0xffu
#define CAP_FIXED  BIT(8)
#define DEF_ENABLE BIT(11)
#define DEF_FIXED  BIT(10)
#define MASK_VALID BIT(11)
#define FIXED_END  0x100000u

static const uint32_t fixed_msrs[] = {IA32_MTRR_FIX64K,    IA32_MTRR_FIX16K,    IA32_MTRR_FIX16K + 1,
                                      IA32_MTRR_FIX4K,     IA32_MTRR_FIX4K + 1, IA32_MTRR_FIX4K + 2,
                                      IA32_MTRR_FIX4K + 3, IA32_MTRR_FIX4K + 4, IA32_MTRR_FIX4K + 5,
                                      IA32_MTRR_FIX4K + 6, IA32_MTRR_FIX4K + 7};

_Static_assert(ARRAY_SIZE(fixed_msrs) * 8 == sizeof(((struct mtrrs *)NULL)->fixed),
               "a byte of a register for each range");

static void read_fixed(struct mtrrs *m)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fixed_msrs); i++)
        store_le(&m->fixed[i * 8], rdmsr(fixed_msrs[i]), 8);
}

void mtrr_read(struct mtrrs *m)
{
    uint64_t cap, def;

    *m = (struct mtrrs){.default_type = CACHE_UC};
    if (!(cpuid(1, 0).edx & CPUID_MTRR))
        return;
    cap = rdmsr(IA32_MTRRCAP);
    def = rdmsr(IA32_MTRR_DEF_TYPE);
    m->present = true;
    m->enabled = def & DEF_ENABLE;
    m->default_type = m->enabled ? (enum cache_type)(def & 0xff) : CACHE_UC;
    if (!m->enabled)
        return;
    m->fixed_enabled = (cap & CAP_FIXED) && (def & DEF_FIXED);
    if (m->fixed_enabled)
        read_fixed(m);
    for (unsigned i = 0; i < (cap & CAP_COUNT) && m->variable_count < MTRR_MAX_VARIABLE; i++) {
        uint64_t base = rdmsr(IA32_MTRR_PHYSBASE0 + 2 * i), mask = rdmsr(IA32_MTRR_PHYSBASE0 + 2 * i + 1);

        if (!(mask & MASK_VALID))
            continue;
        m->variable[m->variable_count].base = ALIGN_DOWN(base, PAGE_SIZE);
        m->variable[m->variable_count].mask = ALIGN_DOWN(mask, PAGE_SIZE);
        m->variable[m->variable_count++].type = (enum cache_type)(base & 0xff);
    }
}

static bool same_variable(const struct mtrrs *a, const struct mtrrs *b)
{
    for (unsigned i = 0; i < a->variable_count; i++) {
        if (a->variable[i].base != b->variable[i].base || a->variable[i].mask != b->variable[i].mask ||
            a->variable[i].type != b->variable[i].type)
            return false;
    }
    return a->variable_count == b->variable_count;
}

bool mtrr_same(const struct mtrrs *a, const struct mtrrs *b)
{
    return a->enabled == b->enabled && a->fixed_enabled == b->fixed_enabled &&
           a->default_type == b->default_type && memcmp(a->fixed, b->fixed, sizeof(a->fixed)) == 0 &&
           same_variable(a, b);
}

static void write_ranges(const struct mtrrs *m, unsigned count)
{
    for (unsigned i = 0; m->fixed_enabled && i < ARRAY_SIZE(fixed_msrs); i++)
        wrmsr(fixed_msrs[i], load_le(&m->fixed[i * 8], 8));
    for (unsigned i = 0; i < count; i++) {
        bool used = i < m->variable_count;

        wrmsr(IA32_MTRR_PHYSBASE0 + 2 * i, used ? m->variable[i].base | m->variable[i].type : 0);
        wrmsr(IA32_MTRR_PHYSBASE0 + 2 * i + 1, used ? m->variable[i].mask | MASK_VALID : 0);
    }
}

bool mtrr_write(const struct mtrrs *m)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), cap;

    if (!m->present || !(cpuid(1, 0).edx & CPUID_MTRR))
        return false;
    cap = rdmsr(IA32_MTRRCAP);
    if ((cap & CAP_COUNT) < m->variable_count || (m->fixed_enabled && !(cap & CAP_FIXED)))
        return false;
    write_cr0((cr0 | CR0_CD) & ~CR0_NW);
    write_back_and_invalidate_caches();
    write_cr4(cr4 & ~CR4_PGE); /* with the next, nothing is left in the TLB */
    write_cr3(read_cr3());
    wrmsr(IA32_MTRR_DEF_TYPE, 0);
    write_ranges(m, (unsigned)(cap & CAP_COUNT));
    wrmsr(IA32_MTRR_DEF_TYPE,
          (m->enabled ? m->default_type | DEF_ENABLE : 0) | (m->fixed_enabled ? DEF_FIXED : 0));
    write_back_and_invalidate_caches();
    write_cr3(read_cr3());
    write_cr0(cr0);
    write_cr4(cr4);
    return true;
}

static enum cache_type fixed_type(const struct mtrrs *m, uint64_t address)
{
    _Static_assert(24 + ((FIXED_END - 0xc0000) >> 12) == sizeof(m->fixed), "the last page has the last one");
    if (address < 0x80000)
        return m->fixed[address >> 16];
    if (address < 0xc0000)
        return m->fixed[8 + ((address - 0x80000) >> 14)];
    return m->fixed[24 + ((address - 0xc0000) >> 12)];
}

/* "Precedence of MTRRs": UC wins, then WT over WB; any other overlap is undefined and taken as UC. */
static enum cache_type combine(enum cache_type a, enum cache_type b)
{
    if (a == b)
        return a;
    if ((a == CACHE_WT && b == CACHE_WB) || (a == CACHE_WB && b == CACHE_WT))
        return CACHE_WT;
    return CACHE_UC;
}

enum cache_type mtrr_page_type(const struct mtrrs *m, uint64_t address)
{
    enum cache_type type = CACHE_UC;
    bool found = false;

    if (m->fixed_enabled && address < FIXED_END)
        return fixed_type(m, address);
    for (unsigned i = 0; i < m->variable_count; i++) {
        if ((address & m->variable[i].mask) != (m->variable[i].base & m->variable[i].mask))
            continue;
        type = found ? combine(type, m->variable[i].type) : m->variable[i].type;
        found = true;
    }
    return found ? type : m->default_type;
}

bool mtrr_range_type(const struct mtrrs *m, uint64_t base, uint64_t size, enum cache_type *type)
{
    if (m->fixed_enabled && base < FIXED_END)
        return false;
    for (unsigned i = 0; i < m->variable_count; i++) {
        uint64_t mask = m->variable[i].mask;

        /* A mask that tests bits inside the range may split it; else it covers all of it or nothing. */
        if ((mask & (size - 1)) && (base & mask & ~(size - 1)) == (m->variable[i].base & mask & ~(size - 1)))
            return false;
    }
    *type = mtrr_page_type(m, base);
    return true;
}
