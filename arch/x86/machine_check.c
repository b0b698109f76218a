/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/machine_check.h"

#include "arch/x86/features.h"
#include "arch/x86/identity.h"
#include "arch/x86/msr.h"

#define MCG_CAP_COUNT        0xffu
#define MCG_CAP_CTL          BIT(8)
#define MCG_CAP_SER_P        BIT(24)
#define MCG_CAP_LMCE         BIT(27)
#define MCG_STATUS_RIPV      BIT(0)
#define MCG_EXT_CTL_LMCE     BIT(0)
#define FEATURE_CONTROL_LMCE (BIT(20) | BIT(0)) /* allowed, and locked */

#define MCI_CTL(bank)    (0x400u + 4 * (bank))
#define MCI_STATUS(bank) (0x401u + 4 * (bank))
#define MCI_ADDR(bank)   (0x402u + 4 * (bank))
#define MCI_MISC(bank)   (0x403u + 4 * (bank))

/* IA32_MCi_MISC, where SER_P is set. */
#define MISC_LOWEST_BIT(misc)   ((misc)&0x3f) /* of the address that is valid */
#define MISC_ADDRESS_MODE(misc) ((misc) >> 6 & 7)
#define ADDRESS_PHYSICAL        2u

#define LEAF_1_MCE_MCA (BIT(7) | BIT(14))

static struct machine_check left[MACHINE_CHECK_MOST_LEFT];
static unsigned left_count, boot_banks;

static unsigned banks_here(uint64_t *capabilities)
{
    if ((cpuid(1, 0).edx & LEAF_1_MCE_MCA) != LEAF_1_MCE_MCA || !rdmsr_safe(IA32_MCG_CAP, capabilities))
        return 0;
    return *capabilities & MCG_CAP_COUNT;
}

static bool read_bank(unsigned bank, struct machine_check *m)
{
    *m = (struct machine_check){.cpu_apic_id = cpu_apic_id(), .bank = bank};
    if (!rdmsr_safe(MCI_STATUS(bank), &m->status) || !(m->status & MCI_STATUS_VALID))
        return false;
    if (m->status & MCI_STATUS_ADDRESS)
        rdmsr_safe(MCI_ADDR(bank), &m->address);
    if (m->status & MCI_STATUS_MISC)
        rdmsr_safe(MCI_MISC(bank), &m->misc);
    return true;
}

/* CPUs start one after the other. */
static void note_left(unsigned bank)
{
    struct machine_check m;

    if (!read_bank(bank, &m))
        return;
    if (left_count < MACHINE_CHECK_MOST_LEFT)
        left[left_count] = m;
    left_count++;
}

/* Bank 0 of the first processors with banks is the firmware's (SDM: family 6, models below 1Ah). */
static bool has_control(unsigned bank)
{
    uint32_t signature = cpuid(1, 0).eax;

    return bank > 0 || (signature >> 8 & 15) != 6 || (signature >> 4 & 15) + (signature >> 12 & 0xf0) >= 0x1a;
}

void machine_check_enable(void)
{
    uint64_t capabilities, control;
    unsigned banks = banks_here(&capabilities);

    if (boot_banks == 0)
        boot_banks = banks;
    if (banks && (capabilities & MCG_CAP_CTL))
        wrmsr_safe(IA32_MCG_CTL, UINT64_MAX);
    if (banks && (capabilities & MCG_CAP_LMCE) && rdmsr_safe(IA32_FEATURE_CONTROL, &control) &&
        (control & FEATURE_CONTROL_LMCE) == FEATURE_CONTROL_LMCE)
        wrmsr_safe(IA32_MCG_EXT_CTL, MCG_EXT_CTL_LMCE);
    for (unsigned bank = 0; bank < banks; bank++) {
        note_left(bank);
        if (has_control(bank))
            wrmsr_safe(MCI_CTL(bank), UINT64_MAX);
        wrmsr_safe(MCI_STATUS(bank), 0);
    }
}

const struct machine_check *machine_check_left(unsigned *count)
{
    *count = left_count;
    return left;
}

unsigned machine_check_banks(void)
{
    return boot_banks;
}

bool machine_check_next(unsigned *at, struct machine_check *out)
{
    uint64_t capabilities;
    unsigned banks = banks_here(&capabilities);

    while (*at < banks) {
        if (read_bank((*at)++, out))
            return true;
    }
    return false;
}

/* "Recoverable machine-check errors": UCR, signaled, with the physical address of one page. */
static bool is_one_page(const struct machine_check *m)
{
    const uint64_t set = MCI_STATUS_UNCORRECTED | MCI_STATUS_ENABLED | MCI_STATUS_SIGNALED |
                         MCI_STATUS_ADDRESS | MCI_STATUS_MISC,
                   clear = MCI_STATUS_CORRUPT | MCI_STATUS_OVERFLOW;

    return (m->status & (set | clear)) == set && MISC_ADDRESS_MODE(m->misc) == ADDRESS_PHYSICAL &&
           MISC_LOWEST_BIT(m->misc) <= PAGE_SHIFT;
}

enum machine_check_verdict machine_check_judge(hpa_t *page)
{
    enum machine_check_verdict verdict = MACHINE_CHECK_NOT_HERE;
    uint64_t capabilities, status;
    struct machine_check m;

    if (!banks_here(&capabilities) || !rdmsr_safe(IA32_MCG_STATUS, &status) || !(status & MCG_STATUS_RIPV))
        return MACHINE_CHECK_FATAL;
    for (unsigned at = 0; machine_check_next(&at, &m);) {
        if (!(m.status & MCI_STATUS_UNCORRECTED))
            continue;
        if (verdict != MACHINE_CHECK_NOT_HERE || !(capabilities & MCG_CAP_SER_P) || !is_one_page(&m))
            return MACHINE_CHECK_FATAL;
        verdict = MACHINE_CHECK_ONE_PAGE;
        *page = hpa(ALIGN_DOWN(m.address & (BIT(cpu_physical_bits()) - 1), PAGE_SIZE));
    }
    return verdict;
}

void machine_check_forgive(void)
{
    struct machine_check m;

    for (unsigned at = 0; machine_check_next(&at, &m);) {
        if (m.status & MCI_STATUS_UNCORRECTED)
            wrmsr_safe(MCI_STATUS(m.bank), 0);
    }
    wrmsr_safe(IA32_MCG_STATUS, 0);
}
