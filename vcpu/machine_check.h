/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks that only one VM has to end for. */
#pragma once

#include "arch/x86/types.h"

/*
 * A machine check has ended a guest's run on this CPU. True: the machine goes on. Either it was another
 * CPU's, or a page of a VM's RAM has lost what was in it: that VM ends, and the page is never given out
 * again. False: what has been read wrong may be anybody's.
 */
bool vcpu_survives_machine_check(void);
