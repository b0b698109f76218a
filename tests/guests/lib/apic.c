/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define APIC_MMIO   0xfee00000u
#define SPURIOUS    0xff
#define GUESSED_HZ  1000000000u
#define ALL_PRESENT (APIC_BASE_ENABLE | APIC_BASE_X2APIC)

bool apic_in_x2apic_mode(void)
{
    return (rdmsr(APIC_BASE_MSR) & ALL_PRESENT) == ALL_PRESENT;
}

uint32_t apic_read(unsigned reg)
{
    return apic_in_x2apic_mode() ? (uint32_t)rdmsr(X2APIC_MSR + reg / 16) : mmio_read(APIC_MMIO + reg);
}

void apic_write(unsigned reg, uint32_t value)
{
    if (apic_in_x2apic_mode())
        wrmsr(X2APIC_MSR + reg / 16, value);
    else
        mmio_write(APIC_MMIO + reg, value);
}

void apic_send_icr(uint32_t destination, uint32_t low)
{
    if (apic_in_x2apic_mode()) {
        wrmsr(X2APIC_MSR + APIC_ICR / 16, (uint64_t)destination << 32 | low);
    } else {
        mmio_write(APIC_MMIO + APIC_ICR_HIGH, destination << 24);
        mmio_write(APIC_MMIO + APIC_ICR, low);
    }
}

static void ignore(struct trap_frame *frame)
{
    (void)frame; /* a spurious interrupt wants no EOI */
}

void apic_enable(void)
{
    on_interrupt(SPURIOUS, ignore);
    apic_write(APIC_SVR, 0x100 | SPURIOUS);
    apic_write(APIC_TPR, 0);
    for (unsigned reg = APIC_LVT_TIMER; reg <= APIC_LVT_ERROR; reg += 16)
        apic_write(reg, LVT_MASKED);
}

bool has_tsc_deadline(void)
{
    return cpuid(1, 0).ecx & BIT(24);
}

bool has_x2apic(void)
{
    return cpuid(1, 0).ecx & BIT(21);
}

uint64_t tsc_hz(void)
{
    uint32_t max = cpuid(0, 0).eax;
    struct cpuid c;

    if (max >= 0x15) {
        c = cpuid(0x15, 0);
        if (c.eax == 1 && c.ebx && c.ecx)
            return (uint64_t)c.ecx * c.ebx;
    }
    if (max >= 0x16 && cpuid(0x16, 0).eax)
        return (uint64_t)cpuid(0x16, 0).eax * 1000000;
    return GUESSED_HZ;
}

void wait_change(const volatile uint32_t *counter, uint32_t before)
{
    while (*counter == before)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}
