/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts that meet a guest: external ones with IF=0, posted and virtual ones, and a trap behind a fault.
 */
#include "lib/vmm.h"

#define TIMER        0x61
#define NOTIFY       0xf2
#define LOW          0x41
#define HIGH         0x50
#define SPURIOUS     0xff
#define NP           11
#define GATE_PRESENT 0x80
#define SPINS        200000u
#define SOON         5000u

const char guest_name[] = "vmx-events";

PAGE_OF(uint32_t, virtual_apic[1024]);
PAGE_OF(uint32_t, descriptor_page[1024]);
PAGE_OF(uint32_t, msr_bitmap[1024]);
static uint32_t *const descriptor = descriptor_page + 64 / 4; /* aligned to 64 bytes, and to no more */
static struct vcpu vcpu;
static volatile uint32_t seen[256];
extern const uint32_t trap_stubs[256];

static void spin(void)
{
    for (volatile uint32_t i = 0; i < SPINS; i++)
        ;
}

static void count(struct trap_frame *frame)
{
    seen[frame->vector]++;
    wrmsr(X2APIC_MSR + APIC_EOI / 16, 0);
}

static void count_host(struct trap_frame *frame)
{
    seen[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

/* In the host: what is pending there is delivered there. */
static void let_interrupts_in(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void guest_spin(void)
{
    spin();
    vmcall();
}

static void external_with_if_clear(void)
{
    static const struct controls c = {.pin = PIN_EXTERNAL};
    uint32_t reason;

    vmm_prepare(&vcpu, &c, guest_spin);
    apic_timer_once(TIMER, SOON);
    reason = vmm_run(&vcpu);
    check(reason == EXIT_EXTERNAL, "an external interrupt exits from a guest entered with IF=0 (reason %u)",
          reason);
    let_interrupts_in();
    check(seen[TIMER] == 1, "it is still there for the host");
}

static const struct controls posted = {
    .pin = PIN_EXTERNAL | PIN_POSTED,
    .primary = PRIMARY_SECONDARY | PRIMARY_TPR_SHADOW | PRIMARY_MSR_BITMAP,
    .secondary = SECONDARY_X2APIC | SECONDARY_REGISTERS | SECONDARY_DELIVERY,
    .exit = EXIT_ACKNOWLEDGE,
};

static void prepare_posted(void (*function)(void), uint32_t *pid)
{
    memset(virtual_apic, 0, sizeof(virtual_apic));
    memset(descriptor_page, 0, sizeof(descriptor_page));
    vmm_prepare(&vcpu, &posted, function);
    vmwrite64(F_VIRTUAL_APIC, (uint32_t)virtual_apic);
    vmwrite64(F_MSR_BITMAP, (uint32_t)msr_bitmap);
    vmwrite64(F_DESCRIPTOR, (uint32_t)pid);
    vmwrite(F_NOTIFICATION, NOTIFY);
    for (uint32_t i = 0; i < 4; i++)
        vmwrite64(F_EOI_EXIT0 + 2 * i, 0);
    vmwrite(F_INTERRUPT_STATUS, 0);
}

static void aligned_to_64(void)
{
    uint32_t reason;

    prepare_posted(guest_spin, descriptor);
    reason = vmm_run(&vcpu);
    check(reason == EXIT_VMCALL, "a posted-interrupt descriptor aligned to 64 bytes is accepted (%x)",
          reason);
    prepare_posted(guest_spin, descriptor + 8);
    reason = vmm_run(&vcpu);
    check(reason == ENTRY_FAILED + 7, "one aligned to 32 bytes is not (%x)", reason);
}

static void guest_open(void)
{
    __asm__ volatile("sti; nop; nop; nop");
    spin();
    vmcall();
}

static void nothing_posted(uint32_t *pid)
{
    uint32_t reason, status;

    prepare_posted(guest_open, pid);
    seen[SPURIOUS] = 0;
    apic_send_icr(0, ICR_TO_SELF | NOTIFY);
    reason = vmm_run(&vcpu);
    status = vmread(F_INTERRUPT_STATUS);
    check(reason == EXIT_VMCALL && status == 0 && seen[SPURIOUS] == 0,
          "a notification with nothing posted leaves RVI alone (reason %u, status %x, vector 255 %u times)",
          reason, status, seen[SPURIOUS]);
}

static void guest_masked(void)
{
    __asm__ volatile("sti; nop; cli");
    wrmsr(X2APIC_MSR + APIC_SELF_IPI / 16, HIGH);
    spin();
    vmcall();
    __asm__ volatile("sti; nop; nop; cli");
    vmcall();
}

static void virtual_waits_for_if(uint32_t *pid)
{
    uint32_t reason;

    prepare_posted(guest_masked, pid);
    seen[HIGH] = seen[LOW] = 0;
    pid[LOW / 32] = BIT(LOW % 32);
    pid[8] = 1; /* ON */
    apic_timer_once(NOTIFY, SOON);
    reason = vmm_run(&vcpu);
    check(reason == EXIT_VMCALL && seen[HIGH] == 0,
          "a virtual interrupt waits for IF beside an external one (%u)", seen[HIGH]);
    check(pid[8] == 0 && pid[LOW / 32] == 0, "the notification is processed while IF=0");
    check((vmread(F_INTERRUPT_STATUS) & 0xff) == HIGH,
          "RVI is the higher of what was there and what was posted");
    vmm_skip();
    reason = vmm_run(&vcpu);
    check(reason == EXIT_VMCALL && seen[HIGH] == 1 && seen[LOW] == 1, "both are delivered with IF=1 (%u, %u)",
          seen[HIGH], seen[LOW]);
}

static void guest_self(void)
{
    wrmsr(X2APIC_MSR + APIC_SELF_IPI / 16, HIGH);
    __asm__ volatile("sti; nop; nop; cli");
    vmcall();
}

/* The vector's gate is not present, and #NP exits. */
static void delivery_cut_short(uint32_t *pid)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) idt;
    volatile uint8_t *gate_type;
    uint32_t reason;

    __asm__("sidt %0" : "=m"(idt));
    gate_type = (volatile uint8_t *)(idt.base + HIGH * 8 + 5);
    prepare_posted(guest_self, pid);
    vmwrite(F_EXCEPTIONS, BIT(NP));
    *gate_type &= (uint8_t)~GATE_PRESENT;
    reason = vmm_run(&vcpu);
    *gate_type |= GATE_PRESENT;
    check(reason == EXIT_EXCEPTION && vmread(F_VECTORING) == (BIT(31) | HIGH),
          "an exit from the delivery of a virtual interrupt names it (reason %u, %x)", reason,
          vmread(F_VECTORING));
}

static void guest_fault(void)
{
    __asm__ volatile("ud2");
}

/* The trap comes before the handler's first instruction: what is saved must be of one moment. */
static void trap_behind_fault(void)
{
    static const struct controls c = {.primary = PRIMARY_MTF};
    uint32_t reason, eip, esp, before;

    vmm_prepare(&vcpu, &c, guest_fault);
    before = vmread(F_GUEST_ESP);
    do
        reason = vmm_run(&vcpu);
    while (reason == EXIT_MTF && vmread(F_GUEST_ESP) >= before - 8); /* a frame pointer may be pushed */
    eip = vmread(F_GUEST_EIP);
    esp = vmread(F_GUEST_ESP);
    check(reason == EXIT_MTF && eip == trap_stubs[UD],
          "a trap behind a fault saves the handler's EIP (%x, handler %x)", eip, trap_stubs[UD]);
    check(before - esp >= 12, "and the ESP of its frame");
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    apic_enable();
    if (!vmm_start())
        vmm_end();
    on_interrupt(TIMER, count_host);
    on_interrupt(SPURIOUS, count_host);
    on_interrupt(NOTIFY, count_host);
    on_interrupt(LOW, count);
    on_interrupt(HIGH, count);
    external_with_if_clear();
    trap_behind_fault();
    if (offers(0x481, PIN_POSTED)) {
        aligned_to_64();
        /* On whole pages, so that these two see nothing of that. */
        nothing_posted(descriptor_page);
        virtual_waits_for_if(descriptor_page);
        delivery_cut_short(descriptor_page);
    }
    vmm_end();
}
