/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm.h"

#define FEATURE_CONTROL 0x3a
#define VMX_BASIC       0x480
#define CR4_PSE         BIT(4)
#define CR4_VMXE        BIT(13)
#define CR0_NE          BIT(5)
#define CR0_PG          BIT(31)
#define PAGE_BITS       0x83u /* present, writable, 4 MiB */
#define GUEST_STACK     16384
#define ACPI_PM1A       0xb004 /* of Bochs's machine */
#define ACPI_S5         0x2000
#define PIC_FIRST_MASK  0x21
#define PIC_SECOND_MASK 0xa1
#define NO_LINK         0xffffffffffffffffull

struct table_pointer {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

uint32_t vmm_enter(struct vcpu *vcpu);
extern uint32_t vmm_directory[1024];

uint32_t vmm_directory[1024] ALIGNED(4096);
PAGE_OF(uint32_t, vmxon_page[1024]);
PAGE_OF(uint32_t, vmcs_page[1024]);
static uint8_t guest_stack[GUEST_STACK] ALIGNED(16);

uint64_t capability(uint32_t msr)
{
    uint64_t value;

    return try_rdmsr(msr, &value) == NO_TRAP ? value : 0;
}

bool offers(uint32_t msr, uint32_t bits)
{
    return ((uint32_t)(capability(msr) >> 32) & bits) == bits;
}

uint32_t vmread(uint32_t field)
{
    uint32_t value = 0;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

bool vmwrite(uint32_t field, uint32_t value)
{
    bool failed;

    __asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"(field));
    return !failed;
}

void vmwrite64(uint32_t field, uint64_t value)
{
    vmwrite(field, (uint32_t)value);
    vmwrite(field + 1, (uint32_t)(value >> 32));
}

static bool vmx_pointer(unsigned operation, void *page)
{
    uint64_t address = (uint32_t)page;
    bool failed;

    switch (operation) {
    case 0: __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(address) : "memory"); break;
    case 1: __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(address) : "memory"); break;
    default: __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(address) : "memory"); break;
    }
    return !failed;
}

bool vmm_start(void)
{
    for (uint32_t i = 0; i < 1024; i++)
        vmm_directory[i] = i << 22 | PAGE_BITS;
    if (!(cpuid(1, 0).ecx & BIT(5)) || (capability(FEATURE_CONTROL) & 5) != 5) {
        check(false, "no VMX, or switched off by the firmware");
        return false;
    }
    outb(PIC_FIRST_MASK, 0xff); /* whose timer the firmware left on */
    outb(PIC_SECOND_MASK, 0xff);
    write_cr3((uint32_t)vmm_directory);
    write_cr4(read_cr4() | CR4_PSE | CR4_VMXE);
    write_cr0(read_cr0() | CR0_PG | CR0_NE);
    vmxon_page[0] = (uint32_t)rdmsr(VMX_BASIC);
    if (!vmx_pointer(0, vmxon_page)) {
        check(false, "VMXON failed");
        return false;
    }
    return true;
}

static void write_host(void)
{
    struct table_pointer gdt, idt;

    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    for (unsigned i = 0; i < 6; i++)
        vmwrite(F_HOST_ES + 2 * i, i == 1 ? 0x08 : 0x10);
    vmwrite(F_HOST_TR, 0x28);
    vmwrite(F_HOST_SYSENTER_CS, 0);
    vmwrite(F_HOST_CR0, read_cr0());
    vmwrite(F_HOST_CR3, read_cr3());
    vmwrite(F_HOST_CR4, read_cr4());
    vmwrite(F_HOST_GDTR_BASE, gdt.base);
    vmwrite(F_HOST_IDTR_BASE, idt.base);
    vmwrite(F_HOST_TR_BASE, ((const uint16_t *)gdt.base)[0x28 / 2 + 1] |
                                (uint32_t)((const uint8_t *)gdt.base)[0x28 + 4] << 16 |
                                (uint32_t)((const uint8_t *)gdt.base)[0x28 + 7] << 24);
}

static void write_guest(void (*function)(void))
{
    static const struct {
        uint32_t limit, access;
    } segments[8] = {{0xffffffff, 0xc093}, {0xffffffff, 0xc09b}, {0xffffffff, 0xc093}, {0xffffffff, 0xc093},
                     {0xffffffff, 0xc093}, {0xffffffff, 0xc093}, {0, 0x10000},         {0x67, 0x8b}};

    for (unsigned i = 0; i < 8; i++) {
        vmwrite(F_GUEST_ES + 2 * i, i == 1 ? 0x08 : i == 6 ? 0 : i == 7 ? 0x28 : 0x10);
        vmwrite(F_GUEST_ES_LIMIT + 2 * i, segments[i].limit);
        vmwrite(F_GUEST_ES_ACCESS + 2 * i, segments[i].access);
        vmwrite(F_GUEST_ES_BASE + 2 * i, 0);
    }
    vmwrite(F_GUEST_ES_BASE + 14, vmread(F_HOST_TR_BASE));
    vmwrite(F_GUEST_GDTR_BASE, vmread(F_HOST_GDTR_BASE));
    vmwrite(F_GUEST_IDTR_BASE, vmread(F_HOST_IDTR_BASE));
    vmwrite(0x4810, 0xffff); /* limits of GDTR and IDTR */
    vmwrite(0x4812, 0xffff);
    vmwrite(F_GUEST_CR0, read_cr0());
    vmwrite(F_GUEST_CR3, read_cr3());
    vmwrite(F_GUEST_CR4, read_cr4());
    vmwrite(F_GUEST_DR7, 0x400);
    vmwrite(F_GUEST_ESP, (uint32_t)guest_stack + GUEST_STACK - 4);
    vmwrite(F_GUEST_EIP, (uint32_t)function);
    vmwrite(F_GUEST_EFLAGS, 2);
    vmwrite(F_ACTIVITY, 0);
    vmwrite(F_INTERRUPTIBILITY, 0);
    vmwrite(F_CR3_TARGETS, 0);
    vmwrite(F_EXCEPTIONS, 0);
    vmwrite64(F_LINK, NO_LINK);
}

/* msr says what must be 1: its TRUE form where there is one. */
static uint32_t with_required(uint32_t wanted, uint32_t msr)
{
    uint32_t exact = msr + 0xc;

    return wanted | (uint32_t)capability(msr == 0x48b ? msr : exact);
}

void vmm_prepare(struct vcpu *vcpu, const struct controls *c, void (*function)(void))
{
    memset(vcpu, 0, sizeof(*vcpu));
    vmcs_page[0] = (uint32_t)rdmsr(VMX_BASIC);
    vmx_pointer(1, vmcs_page);
    vmx_pointer(2, vmcs_page);
    vmwrite(F_PIN, with_required(c->pin, 0x481));
    vmwrite(F_PRIMARY, with_required(c->primary, 0x482));
    if (c->primary & PRIMARY_SECONDARY)
        vmwrite(F_SECONDARY, with_required(c->secondary, 0x48b));
    if (c->primary & PRIMARY_TERTIARY)
        vmwrite64(F_TERTIARY, c->tertiary);
    vmwrite(F_EXIT, with_required(c->exit, 0x483));
    vmwrite(F_ENTRY, with_required(c->entry, 0x484));
    write_host();
    write_guest(function);
}

uint32_t vmm_run(struct vcpu *vcpu)
{
    switch (vmm_enter(vcpu)) {
    case 0: return vmread(F_REASON);
    case 1: return ENTRY_FAILED + vmread(F_ERROR);
    default: return ENTRY_NO_VMCS;
    }
}

void vmm_skip(void)
{
    vmwrite(F_GUEST_EIP, vmread(F_GUEST_EIP) + vmread(F_LENGTH));
}

void vmm_end(void)
{
    say("end");
    uart_drain();
    outw(ACPI_PM1A, ACPI_S5);
    stop();
}

void apic_timer_once(unsigned vector, uint32_t ticks)
{
    apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    apic_write(APIC_LVT_TIMER, LVT_ONE_SHOT | vector);
    apic_write(APIC_TIMER_INITIAL, ticks);
}
