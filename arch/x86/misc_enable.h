/* SPDX-License-Identifier: BSD-2-Clause */
/* What the firmware's setup can hide of a CPU by IA32_MISC_ENABLE (SDM volume 4, 1A0h). */
#pragma once

/*
 * Shows NX and the CPUID leaves above 3 on this CPU again. Before anything asks feature_present(), which
 * remembers. The MSR is left alone where nothing is hidden: emulators may lack it. It stays so after
 * `release`, as kernels do the same.
 */
void misc_enable_show_features(void);
