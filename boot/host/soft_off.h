/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers by which ACPI switches off and resets (ACPI Specification 6.5, 4.8.3 and 16.1.7). */
#pragma once

#include "arch/x86/acpi.h"

/* S5, tried three times a second apart. Returns when the tables name none, or the machine stays on. */
void soft_off(const struct acpi_fadt *f, const struct acpi_s5 *s5);

/* Writes FADT's reset register, when there is one; it may take a while until it is felt. */
void soft_reset(const struct acpi_fadt *f);
