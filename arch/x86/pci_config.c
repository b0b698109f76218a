/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/pci_config.h"

#include "arch/x86/cpu.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

uint32_t pci_read(uint32_t function, unsigned reg)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | reg);
    return inl(CONFIG_DATA);
}

void pci_write(uint32_t function, unsigned reg, uint32_t value)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | reg);
    outl(CONFIG_DATA, value);
}

void pci_write_byte(uint32_t function, unsigned offset, uint8_t value)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | function | (offset & ~3u));
    outb((uint16_t)(CONFIG_DATA + (offset & 3)), value);
}

/* Without the mechanism the ports read as they like: its address register keeps what is written to it. */
bool pci_present(void)
{
    uint32_t before = inl(CONFIG_ADDRESS);
    bool kept;

    outl(CONFIG_ADDRESS, CONFIG_ENABLE);
    kept = inl(CONFIG_ADDRESS) == CONFIG_ENABLE;
    outl(CONFIG_ADDRESS, before);
    return kept;
}
