/* SPDX-License-Identifier: BSD-2-Clause */
/* A second CPU. */
#pragma once

#include "guest.h"

/*
 * Starts the CPU with APIC ID 1 by INIT and SIPI. It runs function, which does not return, on a stack of its
 * own with the traps of the first CPU, interrupts off, its APIC as reset left it. False when it does not come
 * up.
 */
bool second_cpu_run(void (*function)(void));
