/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is this machine fit? The boot option `survey`, or `survey=SECONDS`: no guest is started and nothing is
 * changed. What the hypervisor's page looks at is written as numbers into \skerry\report.txt on the volume
 * that this program was started from, with the SMIs that came and the longest time that each CPU stood still;
 * `tools/skerry report` reads it. Then back to the firmware.
 */
#pragma once

#include "arch/x86/types.h"

#define SURVEY_SECONDS 60

/* Whether the boot options ask for it. */
bool survey_wanted(const char *options, unsigned *seconds);

/* False, with a line: the report cannot be written. */
bool survey(unsigned seconds);
