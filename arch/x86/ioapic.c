/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/ioapic.h"
#define SELECT               0 /* index registers, in 32-bit words */
#define WINDOW               4
#define REG_VERSION          1
#define REG_REDIRECTION(pin) (0x10 + 2 * (pin))
#define REDIRECT_MASKED      BIT(16)
#define REDIRECT_LEVEL       BIT(15)
#define REDIRECT_LOW         BIT(13)

static uint32_t read_ioapic(volatile uint32_t *regs, uint32_t reg)
{
    regs[SELECT] = reg;
    return regs[WINDOW];
}

static void write_ioapic(volatile uint32_t *regs, uint32_t reg, uint32_t value)
{
    regs[SELECT] = reg;
    regs[WINDOW] = value;
}

_Static_assert(IOAPIC_MAX_PINS == 0xff + 1, "as many as the version register can say");

unsigned ioapic_setup(void *regs, uint64_t before[IOAPIC_MAX_PINS])
{
    unsigned pins = (read_ioapic(regs, REG_VERSION) >> 16 & 0xff) + 1;

    for (unsigned pin = 0; pin < pins; pin++)
        before[pin] = (uint64_t)read_ioapic(regs, REG_REDIRECTION(pin) + 1) << 32 |
                      read_ioapic(regs, REG_REDIRECTION(pin));
    ioapic_mask(regs, pins);
    return pins;
}

void ioapic_mask(void *regs, unsigned pins)
{
    for (unsigned pin = 0; pin < pins; pin++)
        write_ioapic(regs, REG_REDIRECTION(pin), REDIRECT_MASKED);
}

void ioapic_put_back(void *regs, unsigned pins, const uint64_t before[IOAPIC_MAX_PINS])
{
    for (unsigned pin = 0; pin < pins; pin++) {
        write_ioapic(regs, REG_REDIRECTION(pin) + 1, (uint32_t)(before[pin] >> 32));
        write_ioapic(regs, REG_REDIRECTION(pin), (uint32_t)before[pin]);
    }
}

void ioapic_route(void *regs, unsigned pin, unsigned vector, uint32_t apic_id, bool level, bool active_low)
{
    write_ioapic(regs, REG_REDIRECTION(pin) + 1, apic_id << 24);
    write_ioapic(regs, REG_REDIRECTION(pin),
                 (uint32_t)(vector | (level ? REDIRECT_LEVEL : 0) | (active_low ? REDIRECT_LOW : 0)));
}
