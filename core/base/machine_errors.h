/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks in words. */
#pragma once

/* A line for each error in the banks of this CPU: before a panic because of them. */
void machine_errors_print(void);

/* For the page at the start: banks, and what was left in them by the last run. */
void machine_errors_explain(void);
