/* SPDX-License-Identifier: BSD-2-Clause */
/* XCR0 of a vCPU that waits and comes back to the same CPU, with nobody in between: it is what the guest set.
 */
#include "lib/guest.h"

#define VECTOR      0x40
#define CR4_OSFXSR  BIT(9)
#define CR4_OSXSAVE BIT(18)
#define X87_AND_SSE 3
#define WAITS       20

const char guest_name[] = "xcr0";

static volatile uint32_t count;

static void tick(struct trap_frame *frame)
{
    (void)frame;
    count++;
    apic_write(APIC_EOI, 0);
}

static uint32_t xgetbv(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void use_zmm(void *argument)
{
    (void)argument;
    __asm__ volatile(".byte 0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0"); /* vpxord zmm0, zmm0, zmm0 */
}

void guest_main(const struct boot_info *info)
{
    uint32_t size, wrong = 0;

    (void)info;
    on_interrupt(VECTOR, tick);
    apic_enable();
    apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
    write_cr4(read_cr4() | CR4_OSXSAVE | CR4_OSFXSR);
    __asm__ volatile("xsetbv" : : "a"(X87_AND_SSE), "d"(0), "c"(0));
    size = cpuid(13, 0).ebx;
    for (unsigned i = 0; i < WAITS; i++) {
        wrmsr(TSC_DEADLINE_MSR, rdtsc() + 100000);
        wait_change(&count, count);
        wrong += xgetbv() != X87_AND_SSE || cpuid(13, 0).ebx != size || trap_call(use_zmm, NULL) != UD;
    }
    check(!wrong, "after %u of %u waits XCR0 is another", (unsigned)wrong, WAITS);
}
