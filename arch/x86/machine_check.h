/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks (SDM volume 3, "Machine-Check Architecture"): what the processor's banks have seen. */
#pragma once

#include "arch/x86/types.h"

#define MACHINE_CHECK_MOST_LEFT 8

/* IA32_MCi_STATUS. */
#define MCI_STATUS_VALID       BIT(63)
#define MCI_STATUS_OVERFLOW    BIT(62)
#define MCI_STATUS_UNCORRECTED BIT(61)
#define MCI_STATUS_MISC        BIT(59)
#define MCI_STATUS_ADDRESS     BIT(58)
#define MCI_STATUS_CORRUPT     BIT(57)
#define MCI_STATUS_ENABLED     BIT(60)
#define MCI_STATUS_SIGNALED    BIT(56) /* S: of a recoverable error, with MCG_CAP's SER_P */

struct machine_check {
    unsigned cpu_apic_id, bank;
    uint64_t status, address, misc; /* address and misc: 0 where the status has none */
};

/*
 * On each CPU at its start, behind its IDT: notes what is left from before, and has all banks report. The
 * SDM's "machine-check initialization"; LMCE, an error for the CPU that meets it alone, where the firmware
 * allows that.
 */
void machine_check_enable(void);

/* What was left, of all CPUs: the first of them, and how many there were. */
const struct machine_check *machine_check_left(unsigned *count);
unsigned machine_check_banks(void); /* of the boot CPU; 0: none */

/* What this CPU's banks hold now, one behind the other from bank *at on; false: no more. Nothing is cleared.
 */
bool machine_check_next(unsigned *at, struct machine_check *out);

enum machine_check_verdict {
    MACHINE_CHECK_FATAL,
    MACHINE_CHECK_NOT_HERE, /* told to all CPUs, and this one has nothing of it in its banks */
    MACHINE_CHECK_ONE_PAGE, /* of memory has lost what was in it, and nobody has taken that in */
};

/*
 * What a machine check on this CPU means: ONE_PAGE only for a single uncorrected error that the processor
 * calls recoverable, with the address of the page in *page. Nothing is cleared.
 */
enum machine_check_verdict machine_check_judge(hpa_t *page);

/* Behind that, to go on: uncorrected errors and the machine check itself are taken note of. */
void machine_check_forgive(void);
