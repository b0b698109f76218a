/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space of the machine, by configuration mechanism 1 (PCI local bus specification 3.0,
 * 3.2.2.3.2). */
#pragma once

#include "arch/x86/types.h"

/* A function of the machine, as the address register has it. */
static inline uint32_t pci_function(unsigned bus, unsigned device, unsigned function)
{
    return bus << 16 | device << 11 | function << 8;
}

/* Registers, 32 bits each. */
#define PCI_ID      0x00
#define PCI_COMMAND 0x04 /* status above: bits that are written as 1 are cleared there */
#define PCI_CLASS   0x08 /* in its upper three bytes */
#define PCI_HEADER  0x0c
#define PCI_BAR0    0x10

#define PCI_NOBODY UINT32_MAX /* what PCI_ID is where no function is */

bool pci_present(void); /* there is such a mechanism */
uint32_t pci_read(uint32_t function, unsigned reg);
void pci_write(uint32_t function, unsigned reg, uint32_t value);
void pci_write_byte(uint32_t function, unsigned offset, uint8_t value);
