/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPI virtualization: each kind of ICR write, from a guest that has its APIC as a page and one that has it as
 * MSRs. The notifications go to a second CPU. With the word `x2apic` the physical APICs are in that mode.
 */
#include "lib/vmm.h"

#define NOTIFIED 0x71 /* on the second CPU */
#define OWN      0xf2 /* on this one, by the posted-interrupt controls */
#define MYSELF   7u   /* virtual APIC IDs: the sender's, */
#define OTHER    1u   /* one that is all right, */
enum { EMPTY = 2, BIT_SET, TOO_HIGH, SUPPRESSED, OUTSTANDING }; /* and others that are not */
#define LAST   MYSELF
#define FAR    (1u << 9) /* bit 41 of an address, in its upper half */
#define SETTLE 3000u

const char guest_name[] = "vmx-ipiv";

enum outcome { POSTED, QUIET, DELIVERED, EXITS, FAULTS };

struct icr_case {
    const char *what;
    uint32_t target, low;
    enum outcome page, msr; /* by the guest's APIC */
};

static const struct icr_case cases[] = {
    {"fixed", OTHER, 0x51, POSTED, POSTED},
    {"fixed, assert", OTHER, 0x4051, POSTED, POSTED},
    {"lowest vector", OTHER, 0x10, POSTED, POSTED},
    {"highest vector", OTHER, 0xff, POSTED, POSTED},
    {"vector 15", OTHER, 0x0f, EXITS, EXITS},
    {"vector 0", OTHER, 0x00, EXITS, EXITS},
    {"empty entry", EMPTY, 0x51, EXITS, EXITS},
    {"entry with bit 1", BIT_SET, 0x51, EXITS, EXITS},
    {"entry too high", TOO_HIGH, 0x51, EXITS, EXITS},
    {"behind the table", LAST + 1, 0x51, EXITS, EXITS},
    {"ID 255", 0xff, 0x51, EXITS, EXITS},
    {"SN set", SUPPRESSED, 0x51, QUIET, QUIET},
    {"ON set", OUTSTANDING, 0x51, QUIET, QUIET},
    {"to itself by ID", MYSELF, 0x51, DELIVERED, DELIVERED},
    {"to itself by shorthand", OTHER, 0x40051, DELIVERED, EXITS},
    {"to all", OTHER, 0x80051, EXITS, EXITS},
    {"to all others", OTHER, 0xc0051, EXITS, EXITS},
    {"level", OTHER, 0x8051, EXITS, EXITS},
    {"logical", OTHER, 0x0851, EXITS, EXITS},
    {"lowest priority", OTHER, 0x0151, EXITS, EXITS},
    {"SMI", OTHER, 0x0200, EXITS, EXITS},
    {"reserved mode 3", OTHER, 0x0351, EXITS, EXITS},
    {"NMI", OTHER, 0x0400, EXITS, EXITS},
    {"INIT", OTHER, 0x4500, EXITS, EXITS},
    {"startup", OTHER, 0x0651, EXITS, EXITS},
    {"ExtINT", OTHER, 0x0751, EXITS, EXITS},
    {"bit 12", OTHER, 0x1051, EXITS, EXITS},
    {"bit 13", OTHER, 0x2051, EXITS, FAULTS},
    {"bit 16", OTHER, 0x10051, EXITS, FAULTS},
    {"bit 17", OTHER, 0x20051, EXITS, FAULTS},
    {"bit 20", OTHER, 0x100051, EXITS, FAULTS},
    {"bit 31", OTHER, 0x80000051, EXITS, FAULTS},
};

struct descriptor {
    uint32_t requests[8], control, destination, reserved[6];
} ALIGNED(64);

PAGE_OF(uint32_t, virtual_apic[1024]);
PAGE_OF(uint32_t, access_page[1024]);
PAGE_OF(uint32_t, msr_bitmap[1024]);
PAGE_OF(uint32_t, table[1024]);
static struct descriptor descriptors[LAST + 1] ALIGNED(4096);
static struct vcpu vcpu;
static bool by_msr;
static volatile uint32_t icr_target, icr_low, sent, delivered;
static volatile int fault;

static const struct controls msr_controls = {
    .pin = PIN_EXTERNAL | PIN_POSTED,
    .primary = PRIMARY_SECONDARY | PRIMARY_TPR_SHADOW | PRIMARY_MSR_BITMAP | PRIMARY_TERTIARY,
    .secondary = SECONDARY_X2APIC | SECONDARY_REGISTERS | SECONDARY_DELIVERY,
    .tertiary = TERTIARY_IPIV,
    .exit = EXIT_ACKNOWLEDGE,
};
static const struct controls page_controls = {
    .pin = PIN_EXTERNAL | PIN_POSTED,
    .primary = PRIMARY_SECONDARY | PRIMARY_TPR_SHADOW | PRIMARY_MSR_BITMAP | PRIMARY_TERTIARY,
    .secondary = SECONDARY_APIC | SECONDARY_REGISTERS | SECONDARY_DELIVERY,
    .tertiary = TERTIARY_IPIV,
    .exit = EXIT_ACKNOWLEDGE,
};

static void in_guest(struct trap_frame *frame)
{
    (void)frame;
    delivered++;
    if (by_msr)
        wrmsr(X2APIC_MSR + APIC_EOI / 16, 0);
    else
        mmio_write((uint32_t)access_page + APIC_EOI, 0);
}

static void send(void *unused)
{
    (void)unused;
    if (by_msr) {
        wrmsr(X2APIC_MSR + APIC_ICR / 16, (uint64_t)icr_target << 32 | icr_low);
    } else {
        mmio_write((uint32_t)access_page + APIC_ICR_HIGH, icr_target << 24 | 0x123456);
        mmio_write((uint32_t)access_page + APIC_ICR, icr_low);
    }
    sent = 1;
}

static void guest_send(void)
{
    fault = trap_call(send, NULL);
    __asm__ volatile("sti; nop; nop; cli");
    vmcall();
}

static void guest_other_register(void)
{
    mmio_write((uint32_t)access_page + APIC_LDR, 0);
    vmcall();
}

static void settle(void)
{
    for (volatile uint32_t i = 0; i < SETTLE; i++)
        ;
}

static void set_entry(unsigned id, uint32_t low, uint32_t high)
{
    table[2 * id] = low;
    table[2 * id + 1] = high;
}

static void prepare(const struct controls *c, void (*function)(void))
{
    uint32_t destination = apic_in_x2apic_mode() ? second_cpu_id : second_cpu_id << 8;

    memset(virtual_apic, 0, sizeof(virtual_apic));
    memset(descriptors, 0, sizeof(descriptors));
    memset(table, 0, sizeof(table));
    for (unsigned i = 0; i <= LAST; i++) {
        descriptors[i].control = NOTIFIED << 16;
        descriptors[i].destination = destination;
        set_entry(i, (uint32_t)&descriptors[i] | 1, 0);
    }
    descriptors[MYSELF].control = OWN << 16;
    descriptors[MYSELF].destination = 0;
    descriptors[SUPPRESSED].control |= 2;
    descriptors[OUTSTANDING].control |= 1;
    set_entry(EMPTY, 0, 0);
    set_entry(BIT_SET, (uint32_t)&descriptors[BIT_SET] | 3, 0);
    set_entry(TOO_HIGH, (uint32_t)&descriptors[TOO_HIGH] | 1, FAR);

    vmm_prepare(&vcpu, c, function);
    vmwrite64(F_VIRTUAL_APIC, (uint32_t)virtual_apic);
    vmwrite64(F_APIC_ACCESS, (uint32_t)access_page);
    vmwrite64(F_MSR_BITMAP, (uint32_t)msr_bitmap);
    vmwrite64(F_DESCRIPTOR, (uint32_t)&descriptors[MYSELF]);
    vmwrite(F_NOTIFICATION, OWN);
    for (uint32_t i = 0; i < 4; i++)
        vmwrite64(F_EOI_EXIT0 + 2 * i, 0);
    vmwrite(F_INTERRUPT_STATUS, 0);
    vmwrite64(F_TABLE, (uint32_t)table);
    vmwrite(F_LAST_INDEX, LAST);
    sent = delivered = 0;
    fault = NO_TRAP;
}

/* The requests of all descriptors as one: what must be there is given. */
static bool requests_are(unsigned target, unsigned vector)
{
    for (unsigned i = 0; i <= LAST; i++)
        for (unsigned word = 0; word < 8; word++)
            if (descriptors[i].requests[word] != (i == target && vector / 32 == word ? BIT(vector % 32) : 0))
                return false;
    return true;
}

static bool register_is_written(void)
{
    uint32_t high = by_msr ? virtual_apic[APIC_ICR / 4 + 1] : virtual_apic[APIC_ICR_HIGH / 4];

    return virtual_apic[APIC_ICR / 4] == icr_low && high == (by_msr ? icr_target : icr_target << 24);
}

static void run_case(const struct icr_case *c)
{
    static const char *const words[] = {"posts and notifies", "posts and does not notify",
                                        "comes back as an interrupt", "exits behind the write", "is #GP"};
    enum outcome expected = by_msr ? c->msr : c->page;
    bool itself = expected == DELIVERED, posts = expected == POSTED || expected == QUIET;
    uint32_t before, reason, notified, on;
    bool good;

    icr_target = c->target;
    icr_low = c->low;
    prepare(by_msr ? &msr_controls : &page_controls, guest_send);
    before = second_cpu_count[NOTIFIED];
    reason = vmm_run(&vcpu);
    good = true;
    if (expected == EXITS) {
        good = reason == EXIT_APIC_WRITE && vmread(F_QUALIFICATION) == APIC_ICR && !sent;
        reason = vmm_run(&vcpu); /* goes on behind it */
    }
    settle();
    notified = second_cpu_count[NOTIFIED] - before;
    good &=
        reason == EXIT_VMCALL && sent == (expected != FAULTS) && fault == (expected == FAULTS ? GP : NO_TRAP);
    good &= expected == FAULTS ? virtual_apic[APIC_ICR / 4] == 0 : register_is_written();
    good &= notified == (expected == POSTED) && delivered == itself;
    good &= requests_are(posts ? c->target : LAST + 1, c->low & 0xff);
    on = posts ? descriptors[c->target].control & 3 : 0;
    if (posts)
        good &= on == (c->target == SUPPRESSED ? 2u : 1u);
    check(good, "%s: %s %s (reason %x, %u notified, %u delivered, ON and SN %x)", by_msr ? "MSR" : "page",
          c->what, words[expected], reason, notified, delivered, on);
}

static void entry_checks(void)
{
    struct controls c = msr_controls;
    uint32_t result;

    by_msr = true;
    icr_target = OTHER;
    icr_low = 0x51;
    prepare(&c, guest_send);
    check(vmread(F_TABLE) == (uint32_t)table && vmread(F_LAST_INDEX) == LAST, "its fields read back");
    vmwrite64(F_TABLE, (uint32_t)table + 4);
    result = vmm_run(&vcpu);
    check(result == ENTRY_FAILED + 7, "entry with a table at 4 beyond a multiple of 8 fails (%x)", result);
    vmwrite64(F_TABLE, 1ull << 40);
    result = vmm_run(&vcpu);
    check(result == ENTRY_FAILED + 7, "entry with a table beyond the physical addresses fails (%x)", result);
    vmwrite64(F_TABLE, (1ull << 40) - 8 * LAST);
    result = vmm_run(&vcpu);
    check(result == ENTRY_FAILED + 7, "entry with a last entry beyond them fails (%x)", result);
    vmwrite64(F_TABLE, (uint32_t)table + 8);
    result = vmm_run(&vcpu);
    check(result == EXIT_APIC_WRITE, "a table at a multiple of 8 is good (%x)", result);

    c.primary &= ~PRIMARY_TPR_SHADOW;
    c.secondary = 0;
    c.pin = PIN_EXTERNAL;
    prepare(&c, guest_send);
    result = vmm_run(&vcpu);
    check(result == ENTRY_FAILED + 7, "entry without TPR shadow fails (%x)", result);
}

/* What the other controls have to do with it. */
static void with_fewer_controls(void)
{
    struct controls c = page_controls;
    uint32_t result;

    by_msr = false;
    icr_target = OTHER;
    icr_low = 0x51;
    c.tertiary = 0;
    prepare(&c, guest_send);
    result = vmm_run(&vcpu);
    check(result == EXIT_APIC_WRITE && vmread(F_QUALIFICATION) == APIC_ICR && requests_are(LAST + 1, 0),
          "page: without it an IPI exits behind the write (%x)", result);

    c = page_controls;
    c.secondary = SECONDARY_APIC;
    c.pin = PIN_EXTERNAL;
    prepare(&c, guest_send);
    result = vmm_run(&vcpu);
    check(result == EXIT_VMCALL && requests_are(OTHER, 0x51),
          "page: virtualized without APIC-register virtualization too (%x)", result);
    prepare(&c, guest_other_register);
    result = vmm_run(&vcpu);
    check(result == EXIT_APIC_ACCESS, "page: another register is then an APIC access (%x)", result);
}

void guest_main(const struct boot_info *info)
{
    bool x2apic = boot_word(info, "x2apic");

    if (!vmm_start())
        vmm_end();
    if (!offers(0x482, PRIMARY_TERTIARY) || !((uint32_t)capability(0x492) & TERTIARY_IPIV)) {
        say("not offered: MSR 492h is %llx", capability(0x492));
        vmm_end();
    }
    if (x2apic)
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    apic_enable();
    on_interrupt(0x51, in_guest);
    check(second_cpu_start(), "the second CPU starts, physical APICs in %s mode",
          x2apic ? "x2APIC" : "xAPIC");
    entry_checks();
    with_fewer_controls();
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        by_msr = i >= ARRAY_SIZE(cases);
        run_case(&cases[i % ARRAY_SIZE(cases)]);
    }
    say("%u ICR writes in each of two modes", (unsigned)ARRAY_SIZE(cases));
    vmm_end();
}
