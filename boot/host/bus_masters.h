/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI devices that the firmware has left as bus masters: they may go on writing to memory that is a guest's
 * by now (network cards, USB controllers). Bridges and displays aside they are switched off before any memory
 * is given away, and back on for the kernel that a release starts. Configuration mechanism 1 (PCI local bus
 * specification 3.0, 3.2.2.3.2).
 */
#pragma once

#include "arch/x86/types.h"

void bus_masters_switch_off(void); /* says which, a line each */
void bus_masters_put_back(void);
