/* SPDX-License-Identifier: BSD-2-Clause */
/* What VMX can do for a VM and a configuration may switch off, by name; also for tools that read one
 * (tools/check). */
#pragma once

#define VMX_SWITCHES "hv-timer", "tpr-shadow", "apicv", "posted", "ipiv"
