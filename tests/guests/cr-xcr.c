/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers, XCR0, EFER, and the way to long mode and back. */
#include "lib/guest.h"

#define CR0_PE      BIT(0)
#define CR0_TS      BIT(3)
#define CR0_NE      BIT(5)
#define CR0_WP      BIT(16)
#define CR0_NW      BIT(29)
#define CR0_CD      BIT(30)
#define CR0_PG      BIT(31)
#define CR4_PAE     BIT(5)
#define CR4_PGE     BIT(7)
#define CR4_LA57    BIT(12)
#define CR4_VMXE    BIT(13)
#define CR4_SMXE    BIT(14)
#define CR4_OSXSAVE BIT(18)
#define EFER        0xc0000080u
#define EFER_LME    BIT(8)
#define EFER_LMA    BIT(10)

const char guest_name[] = "cr-xcr";

struct long_result { /* as long_mode.asm fills it */
    uint64_t cr8_read, efer, big, cr8_fault, cr4_fault, cr0_fault;
};
extern const uint8_t long_mode_code[];

static uint64_t pml4[512] ALIGNED(4096), pdpt[512] ALIGNED(4096), directory[512] ALIGNED(4096);

static void do_cr0(void *argument)
{
    write_cr0(*(uint32_t *)argument);
}

static void do_cr4(void *argument)
{
    write_cr4(*(uint32_t *)argument);
}

static int try_cr0(uint32_t value)
{
    return trap_call(do_cr0, &value);
}

static int try_cr4(uint32_t value)
{
    return trap_call(do_cr4, &value);
}

static void test_cr0(void)
{
    uint32_t start = read_cr0();

    check((start & (CR0_PE | CR0_PG)) == CR0_PE, "CR0 at the start: %x", (unsigned)start);
    check(try_cr0(start | CR0_WP) == NO_TRAP && read_cr0() == (start | CR0_WP), "CR0.WP");
    check(try_cr0(start ^ CR0_NE) == NO_TRAP && read_cr0() == (start ^ CR0_NE),
          "CR0.NE is the guest's to change");
    check(try_cr0(start | CR0_CD) == NO_TRAP && (read_cr0() & CR0_CD), "CR0.CD shows");
    check(try_cr0((start & ~CR0_CD) | CR0_NW) == GP, "CR0.NW without CD gives #GP");
    check(try_cr0((start & ~CR0_PE) | CR0_PG) == GP, "CR0.PG without PE gives #GP");
    check(try_cr0(start | CR0_TS) == NO_TRAP, "CR0.TS on");
    __asm__ volatile("clts");
    check(!(read_cr0() & CR0_TS), "CLTS takes it away");
    __asm__ volatile("lmsw %0" : : "r"((uint16_t)(start | CR0_TS)));
    check(read_cr0() == (start | CR0_TS), "LMSW sets TS");
    __asm__ volatile("lmsw %0" : : "r"((uint16_t)0));
    check(read_cr0() & CR0_PE, "LMSW cannot clear PE");
    write_cr0(start);
}

static void test_cr4(void)
{
    uint32_t start = read_cr4();

    check(try_cr4(start | CR4_VMXE) == GP, "CR4.VMXE gives #GP");
    check(try_cr4(start | CR4_SMXE) == GP, "CR4.SMXE gives #GP");
    check(try_cr4(start | CR4_LA57) == GP, "CR4.LA57 gives #GP");
    check(try_cr4(start | BIT(31)) == GP && try_cr4(start | BIT(15)) == GP, "reserved bits of CR4 give #GP");
    check(read_cr4() == start, "and change nothing: %x", (unsigned)read_cr4());
    check(try_cr4(start | CR4_PGE) == NO_TRAP && read_cr4() == (start | CR4_PGE), "CR4.PGE");
    write_cr4(start);
}

static void test_efer(void)
{
    uint64_t efer = rdmsr(EFER);

    check(!(efer & (EFER_LME | EFER_LMA)), "EFER at the start: %llx", efer);
    check(try_wrmsr(EFER, efer | BIT(1)) == GP, "a reserved bit of EFER gives #GP");
    check(try_wrmsr(EFER, efer | EFER_LME) == NO_TRAP && rdmsr(EFER) == (efer | EFER_LME), "EFER.LME");
    check(try_cr0(read_cr0() | CR0_PG) == GP, "CR0.PG with LME but without PAE gives #GP");
    check(try_wrmsr(EFER, efer) == NO_TRAP, "EFER back");
}

/* --- XCR0 --- */

static void do_xsetbv(void *argument)
{
    const uint32_t *a = argument;

    __asm__ volatile("xsetbv" : : "c"(a[2]), "a"(a[0]), "d"(a[1]) : "memory");
}

static int try_xsetbv(uint32_t index, uint64_t value)
{
    uint32_t arguments[] = {(uint32_t)value, (uint32_t)(value >> 32), index};

    return trap_call(do_xsetbv, arguments);
}

static uint32_t read_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void test_xcr0(void)
{
    uint32_t cr4 = read_cr4(), all;

    if (!(cpuid(1, 0).ecx & BIT(26))) {
        check(try_cr4(cr4 | CR4_OSXSAVE) == GP, "no XSAVE: CR4.OSXSAVE gives #GP");
        return;
    }
    check(try_xsetbv(0, 1) == UD, "XSETBV without OSXSAVE gives #UD");
    check(try_cr4(cr4 | CR4_OSXSAVE) == NO_TRAP && (cpuid(1, 0).ecx & BIT(27)), "CR4.OSXSAVE shows in CPUID");
    all = cpuid(13, 0).eax;
    check(read_xcr0() == 1, "XCR0 starts as 1");
    check(try_xsetbv(0, all) == NO_TRAP && read_xcr0() == all, "XCR0 takes all that CPUID offers: %x",
          (unsigned)all);
    check(try_xsetbv(0, 0) == GP, "x87 cannot be switched off");
    check(try_xsetbv(0, 5) == GP, "AVX without SSE gives #GP");
    check(try_xsetbv(0, 7 | 1 << 5) == GP, "a part of AVX-512 gives #GP");
    check(try_xsetbv(0, all | (uint64_t)1 << 62) == GP && try_xsetbv(0, all | 1 << 8) == GP,
          "unoffered bits give #GP");
    check(try_xsetbv(1, 1) == GP, "XCR1 gives #GP");
    check(read_xcr0() == all, "XCR0 is as it was");
    try_xsetbv(0, 1);
    write_cr4(cr4);
    check(!(cpuid(1, 0).ecx & BIT(27)), "CPUID shows CR4.OSXSAVE gone");
}

/* --- paging --- */

/* A large page leads elsewhere when paging comes back, which went by a MOV to CR0 that changes CD, too. */
static bool forgets(unsigned page)
{
    volatile uint32_t *at = (volatile uint32_t *)(page << 21);
    uint32_t on = read_cr0(), before;

    directory[page] = page << 21 | 0x183;
    before = *at = page;
    write_cr0((on & ~CR0_PG) | CR0_CD);
    directory[page] = (page - 4) << 21 | 0x183;
    ((volatile uint32_t *)((page - 4) << 21))[0] = ~page;
    write_cr0(on);
    before ^= *at;
    directory[page] = page << 21 | 0x183;
    write_cr3(read_cr3());
    write_cr4(read_cr4() ^ CR4_PGE);
    write_cr4(read_cr4() ^ CR4_PGE);
    return before == ~0u;
}

/* 32-bit PAE paging: the four directories are registers, loaded by MOV to CR0, CR3 and CR4. */
static void test_pae(void)
{
    static uint64_t four[4] ALIGNED(32);
    uint32_t cr0 = read_cr0(), cr4 = read_cr4();

    for (uint64_t i = 0; i < 512; i++)
        directory[i] = i << 21 | 0x83;
    four[0] = (uint32_t)directory | 1u;
    write_cr4(cr4 | CR4_PAE);
    write_cr3((uint32_t)four);
    check(try_cr0(cr0 | CR0_PG) == NO_TRAP && (read_cr0() & CR0_PG), "PAE paging");
    four[1] = 1 << 1 | 1;
    check(try_cr4(read_cr4() ^ CR4_PGE) == GP, "a reserved bit in a PDPTE gives #GP");
    check(try_cr0(read_cr0() ^ CR0_CD) == GP, "so it does with CR0.CD");
    four[1] = 0;
    check(forgets(7), "paging off and on with CD: nothing is kept of it");
    write_cr4(cr4 | CR4_PAE | CR4_PGE);
    check(forgets(6), "nor global pages");
    write_cr0(cr0);
    write_cr4(cr4);
}

/* --- task register --- */

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint32_t base;
};

static void load_task(const struct table_pointer *gdtr, uint16_t selector, uint8_t type)
{
    ((uint8_t *)gdtr->base)[selector + 5] = 0x80 | type; /* not busy */
    __asm__ volatile("lgdt %0; ltr %1" : : "m"(*gdtr), "r"(selector) : "memory");
}

/* Long mode has no 16-bit TSS: paging with LME does not begin with one. */
static void test_tss(void)
{
    static uint64_t ours[8];
    static uint8_t tss[104];
    struct table_pointer theirs, gdtr = {sizeof(ours) - 1, (uint32_t)ours};
    uint64_t base = (uint32_t)tss, efer = rdmsr(EFER);
    uint32_t cr0 = read_cr0(), cr4 = read_cr4();
    uint16_t task;

    if (!(cpuid(0x80000001, 0).edx & BIT(29)))
        return;
    __asm__ volatile("sgdt %0; str %1" : "=m"(theirs), "=r"(task));
    memcpy(ours, (const void *)theirs.base, theirs.limit + 1u < 56 ? theirs.limit + 1u : 56);
    ours[7] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | base >> 24 << 56;
    load_task(&gdtr, 7 * 8, 1);
    write_cr4(cr4 | CR4_PAE);
    wrmsr(EFER, efer | EFER_LME);
    check(try_cr0(cr0 | CR0_PG) == GP, "CR0.PG with LME and a 16-bit TSS gives #GP");
    check(try_cr0(cr0 | CR0_PG | CR0_CD) == GP, "so it does with CR0.CD");
    check(read_cr0() == cr0 && rdmsr(EFER) == (efer | EFER_LME), "and changes nothing");
    wrmsr(EFER, efer);
    write_cr4(cr4);
    load_task(&theirs, task, 9);
}

static void test_long_mode(void)
{
    struct long_result r = {0, 0, 0, 0, 0, 0};

    if (!(cpuid(0x80000001, 0).edx & BIT(29)))
        return;
    for (uint64_t i = 0; i < 512; i++)
        directory[i] = i << 21 | 0x83;
    pdpt[0] = (uint32_t)directory | 3u;
    pml4[0] = (uint32_t)pdpt | 3u;
    long_call((uint32_t)pml4, long_mode_code, &r);
    check(r.big == UINT64_C(0x123456789abcdef1), "64-bit code ran");
    check((r.efer & (EFER_LME | EFER_LMA)) == (EFER_LME | EFER_LMA), "EFER there: %llx", r.efer);
    check(r.cr8_read == 5, "CR8 reads back %llu", r.cr8_read);
    check(r.cr8_fault == GP, "CR8 = 16 gives #GP");
    check(r.cr4_fault == GP, "clearing PAE in long mode gives #GP");
    check(r.cr0_fault == GP, "bit 32 of CR0 gives #GP");
    check(!(read_cr0() & CR0_PG) && !(rdmsr(EFER) & EFER_LMA), "and back in 32-bit mode");
    check(apic_read(APIC_TPR) == 0x50, "CR8 is the TPR's upper half: %x", (unsigned)apic_read(APIC_TPR));
}

static void do_step(void *argument)
{
    (void)argument;
    __asm__ volatile("pushfl; orl $0x100, (%%esp); popfl; nop" : : : "memory", "cc");
}

/* Before anything else here reads or writes a debug register. */
static void test_single_step(void)
{
    int vector = trap_call(do_step, NULL);
    uint32_t dr6;

    __asm__ volatile("movl %%db6, %0" : "=r"(dr6));
    check(vector == DB && dr6 == 0xffff4ff0, "a single step ends with #DB and DR6.BS: %x", (unsigned)dr6);
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    test_single_step();
    test_cr0();
    test_cr4();
    test_efer();
    test_xcr0();
    test_pae();
    test_tss();
    test_long_mode();
}
