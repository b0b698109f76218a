/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that gets a machine, and says how it found it: what it says must be the same behind a boot loader
 * and behind a hypervisor that has left. Then it looks for what guests of that have left (secret.c).
 */
#include "lib/guest.h"
#include "lib/second_cpu.h"
#include "lib/secret.h"

#define IOAPIC      0xfec00000u
#define CR4_OSFXSR  BIT(9)
#define CR4_VMXE    BIT(13)
#define CR4_OSXSAVE BIT(18)
#define LIMIT       0xc0000000u

const char guest_name[] = "inherit";

/* What a CPU has in registers that survive INIT. */
struct registers {
    uint64_t msrs[12];
    uint32_t dr[4], dr7, cr2, cr4, xcr0, xmm[3][4];
};

static const struct {
    const char *name;
    uint32_t msr;
} msrs[12] = {
    {"EFER", 0xc0000080},           {"PAT", 0x277},          {"STAR", 0xc0000081},    {"LSTAR", 0xc0000082},
    {"CSTAR", 0xc0000083},          {"FMASK", 0xc0000084},   {"TSC_AUX", 0xc0000103}, {"SYSENTER_CS", 0x174},
    {"KERNEL_GS_BASE", 0xc0000102}, {"SYSENTER_ESP", 0x175}, {"SYSENTER_EIP", 0x176}, {"XSS", 0xda0},
};

static struct registers mine, others;
static uint32_t other_svr;
static volatile bool other_done;

static void read_registers(struct registers *r)
{
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(r->dr[0]), "=r"(r->dr[1]), "=r"(r->dr[2]), "=r"(r->dr[3]));
    __asm__ volatile("mov %%dr7, %0" : "=r"(r->dr7));
    r->cr2 = read_cr2();
    r->cr4 = read_cr4();
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        try_rdmsr(msrs[i].msr, &r->msrs[i]);
    write_cr4(r->cr4 | CR4_OSFXSR);
    __asm__ volatile("movdqu %%xmm0, %0; movdqu %%xmm1, %1; movdqu %%xmm7, %2"
                     : "=m"(r->xmm[0]), "=m"(r->xmm[1]), "=m"(r->xmm[2]));
    if (cpuid(1, 0).ecx & BIT(26)) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        __asm__ volatile("xgetbv" : "=a"(r->xcr0) : "c"(0) : "edx");
    }
    write_cr4(r->cr4);
}

static void say_registers(const char *who, const struct registers *r)
{
    say("%s: dr %x %x %x %x %x cr2 %x cr4 %x xcr0 %x", who, (unsigned)r->dr[0], (unsigned)r->dr[1],
        (unsigned)r->dr[2], (unsigned)r->dr[3], (unsigned)r->dr7, (unsigned)r->cr2, (unsigned)r->cr4,
        (unsigned)r->xcr0);
    check(!(r->cr4 & CR4_VMXE), "%s: VMX is off", who);
    for (unsigned i = 0; i < 3; i++)
        say("%s: xmm %x %x %x %x", who, (unsigned)r->xmm[i][0], (unsigned)r->xmm[i][1],
            (unsigned)r->xmm[i][2], (unsigned)r->xmm[i][3]);
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        say("%s: %s %llx", who, msrs[i].name, r->msrs[i]);
}

static void say_apic(void)
{
    uint32_t pending = 0;

    for (unsigned i = 0; i < 8; i++)
        pending |= apic_read(APIC_IRR + 0x10 * i) | apic_read(APIC_ISR + 0x10 * i);
    say("APIC: base %llx svr %x tpr %x timer %x divide %x count %x lint0 %x lint1 %x error %x",
        rdmsr(APIC_BASE_MSR), (unsigned)apic_read(APIC_SVR), (unsigned)apic_read(APIC_TPR),
        (unsigned)apic_read(APIC_LVT_TIMER), (unsigned)apic_read(APIC_TIMER_DIVIDE),
        (unsigned)apic_read(APIC_TIMER_INITIAL), (unsigned)apic_read(APIC_LVT_LINT0),
        (unsigned)apic_read(APIC_LVT_LINT0 + 0x10), (unsigned)apic_read(APIC_LVT_ERROR));
    check(!pending, "APIC: nothing requested or in service");
}

static uint32_t ioapic(uint32_t reg)
{
    mmio_write(IOAPIC, reg);
    return mmio_read(IOAPIC + 0x10);
}

static void say_chipset(void)
{
    unsigned pins = (ioapic(1) >> 16 & 0xff) + 1;

    say("PIC: masks %x %x, port 61h %x", inb(0x21), inb(0xa1), inb(0x61) & 15);
    for (unsigned pin = 0; pin < pins; pin++)
        say("I/O APIC: pin %u: %08x %08x", pin, (unsigned)ioapic(0x11 + 2 * pin),
            (unsigned)ioapic(0x10 + 2 * pin));
}

static void other_cpu(void)
{
    read_registers(&others);
    other_svr = apic_read(APIC_SVR);
    other_done = true;
    stop();
}

/* Three words that lie in the secret from each of its first letters on: one of these stands at a multiple of
 * 4, wherever the secret begins. Inverted, as it must not stand in our own memory. */
static uint32_t parts[4][3];

static void cut_secret(void)
{
    for (unsigned k = 0; k < 4; k++) {
        for (unsigned i = 0; i < 3; i++)
            parts[k][i] = ~(uint32_t)((secret_word(i) | (uint64_t)secret_word(i + 1) << 32) >> (8 * k));
    }
}

static bool is_secret(const volatile uint32_t *at)
{
    uint32_t first = ~at[0];

    for (unsigned k = 0; k < 4; k++) {
        if (first == parts[k][0] && at[1] == ~parts[k][1] && at[2] == ~parts[k][2])
            return true;
    }
    return false;
}

/* The secret in any place of usable memory. */
static unsigned search(const struct boot_info *info)
{
    unsigned found = 0;

    for (unsigned i = 0; i < info->range_count; i++) {
        const struct boot_range *r = &info->ranges[i];

        if (r->type != 1 || r->base >= LIMIT)
            continue;
        for (uint32_t at = (uint32_t)r->base; at + 16 <= (uint32_t)(r->base + r->size); at += 4) {
            if (is_secret((const volatile uint32_t *)at) && found++ < 4)
                say("secret at %x", (unsigned)at);
        }
    }
    return found;
}

static void search_for_secrets(const struct boot_info *info)
{
    volatile uint8_t *place = (volatile uint8_t *)(memory_end(info) - 0x200000);
    unsigned found;

    cut_secret();
    found = search(info);
    check(found == 0, "no secret in memory (%u)", found);
    for (unsigned i = 0; i < SECRET_WORDS * 4; i++)
        place[i + 3] = (uint8_t)(secret_word(i / 4) >> (8 * (i % 4)));
    check(search(info) == found + 1, "one that is there is found");
}

void guest_main(const struct boot_info *info)
{
    read_registers(&mine);
    check(info->version == 2, "started by '%s': '%s'", info->loader, info->cmdline);
    for (unsigned i = 0; i < info->module_count; i++)
        say("module '%s' %u bytes", info->modules[i].cmdline,
            (unsigned)(info->modules[i].end - info->modules[i].start));
    for (unsigned i = 0; i < info->range_count; i++)
        say("memory %09llx-%09llx type %u", info->ranges[i].base,
            info->ranges[i].base + info->ranges[i].size - 1, (unsigned)info->ranges[i].type);
    say_registers("boot CPU", &mine);
    say_apic();
    say_chipset();
    search_for_secrets(info);
    if (boot_word(info, "waiting")) /* not behind a BIOS, which lets it halt */
        check(cpu_run_waiting(1, other_cpu), "the second CPU starts");
    else
        check(second_cpu_run(other_cpu), "the second CPU starts");
    while (!other_done)
        __asm__ volatile("pause");
    say("second CPU: svr %x", (unsigned)other_svr);
    say_registers("second CPU", &others);
}
