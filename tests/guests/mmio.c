/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions and widths on device memory: the registers of the local APIC and of the I/O APIC, the byte
 * behind RAM, and addresses of nobody. The same on every rung of the interrupt ladder, and no instruction
 * ends the VM: what is not emulated is #UD.
 */
#include "lib/guest.h"

#define LVT     0xfee00370u /* the error entry: mask bit and vector can be written */
#define VERSION 0xfee00030u
#define SELECT  0xfec00000u
#define WINDOW  0xfec00010u
#define NOBODY  0xfed80000u
#define MASKED  0x10000u
#define CR0_EM  BIT(2)
#define BMI1    BIT(3)
#define SSE     0x600u /* CR4.OSFXSR, OSXMMEXCPT */

const char guest_name[] = "mmio";

static uint32_t version;

#define LVT_IS(expected, what) check(mmio_read(LVT) == (expected), "%s: %x", what, (unsigned)mmio_read(LVT))

static void test_bits(void)
{
    bool set;

    mmio_write(LVT, MASKED | 0xfe);
    __asm__ volatile("btl $16, (%1)" : "=@ccc"(set) : "r"(LVT) : "memory");
    check(set, "BT with an immediate");
    __asm__ volatile("btrl $0, (%1)" : "=@ccc"(set) : "r"(LVT) : "memory");
    check(!set, "BTR finds a clear bit");
    __asm__ volatile("btsl $0, (%1)" : "=@ccc"(set) : "r"(LVT) : "memory");
    LVT_IS(MASKED | 0xff, "BTS");
    __asm__ volatile("lock btcl $1, (%1)" : "=@ccc"(set) : "r"(LVT) : "memory");
    LVT_IS(MASKED | 0xfd, "BTC");
    /* The bit is counted from another register: 370h is 10 registers of 16 bytes behind 2d0h. */
    __asm__ volatile("btl %2, (%1)" : "=@ccc"(set) : "r"(LVT - 160), "r"(160 * 8 + 16) : "memory");
    check(set, "BT with a register, far away");
}

static void test_exchanges(void)
{
    uint32_t a = MASKED | 0xfd, b;
    bool equal;

    mmio_write(LVT, a);
    __asm__ volatile("lock cmpxchgl %3, (%2)"
                     : "+a"(a), "=@ccz"(equal)
                     : "r"(LVT), "r"(MASKED | 0xfe)
                     : "memory");
    check(equal, "CMPXCHG, equal");
    LVT_IS(MASKED | 0xfe, "CMPXCHG");
    a = 5;
    __asm__ volatile("cmpxchgl %3, (%2)" : "+a"(a), "=@ccz"(equal) : "r"(LVT), "r"(0) : "memory");
    check(!equal && a == (MASKED | 0xfe), "CMPXCHG, unequal: %x", (unsigned)a);
    b = 1;
    __asm__ volatile("xaddl %0, (%1)" : "+r"(b) : "r"(LVT) : "memory", "cc");
    check(b == (MASKED | 0xfe), "XADD: %x", (unsigned)b);
    LVT_IS(MASKED | 0xff, "XADD");
}

static void test_arithmetic(void)
{
    uint32_t a = 3;
    uint8_t b;

    __asm__ volatile("imull (%1), %0" : "+r"(a) : "r"(VERSION) : "memory", "cc");
    check(a == 3 * version, "IMUL: %x", (unsigned)a);
    __asm__ volatile("imull $7, (%1), %0" : "=r"(a) : "r"(VERSION) : "memory", "cc");
    check(a == 7 * version, "IMUL with an immediate: %x", (unsigned)a);
    a = 1;
    __asm__ volatile("cmp %0, %0\n cmovel (%1), %0" : "+r"(a) : "r"(VERSION) : "memory", "cc");
    check(a == version, "CMOV: %x", (unsigned)a);
    mmio_write(LVT, MASKED | 0x7f);
    __asm__ volatile("shll $1, (%0)" : : "r"(LVT) : "memory", "cc");
    LVT_IS(0x100fe & ~MASKED, "SHL moves the mask bit away");
    __asm__ volatile("rorl %%cl, (%0)" : : "r"(LVT), "c"(1) : "memory", "cc");
    LVT_IS(0x7f, "ROR by CL");
    __asm__ volatile("cmp %1, %1\n setne (%0)" : : "r"(LVT), "r"(0) : "memory", "cc");
    LVT_IS(0, "SETcc of a byte");
    __asm__ volatile("movbe (%1), %0" : "=r"(a) : "r"(VERSION) : "memory");
    check(__builtin_bswap32(a) == version, "MOVBE: %x", (unsigned)a);
    __asm__ volatile("movnti %1, (%0)" : : "r"(LVT), "r"(MASKED | 0xf1) : "memory");
    LVT_IS(MASKED | 0xf1, "MOVNTI");
    __asm__ volatile("testb $1, 2(%1)\n setnz %0" : "=q"(b) : "r"(LVT) : "memory", "cc");
    check(b == 1, "TEST of the byte with the mask bit");
    if (cpuid(7, 0).ebx & BMI1) {
        __asm__ volatile("bextr %2, (%1), %0" : "=r"(a) : "r"(VERSION), "r"(0x0804) : "memory", "cc");
        check(a == (version >> 4 & 0xff), "BEXTR: %x", (unsigned)a);
    }
}

static void test_stack(void)
{
    uint32_t a;

    __asm__ volatile("pushl (%1)\n popl %0" : "=r"(a) : "r"(VERSION) : "memory");
    check(a == version, "PUSH: %x", (unsigned)a);
    __asm__ volatile("pushl %1\n popl (%0)" : : "r"(LVT), "r"(MASKED | 0xf0) : "memory");
    LVT_IS(MASKED | 0xf0, "POP");
}

static void test_strings(void)
{
    uint32_t a, count = 8, from = VERSION, to;
    static uint32_t ones[8];
    bool equal;

    __asm__ volatile("cld\n lodsl" : "=a"(a), "+S"(from) : : "memory");
    check(a == version && from == VERSION + 4, "LODS: %x", (unsigned)a);
    from = VERSION;
    to = (uint32_t)&version;
    __asm__ volatile("cld\n cmpsl" : "=@ccz"(equal), "+S"(from), "+D"(to) : : "memory");
    check(equal, "CMPS");
    memset(ones, 0xff, sizeof(ones));
    from = NOBODY;
    to = (uint32_t)ones;
    __asm__ volatile("cld\n repe cmpsl" : "=@ccz"(equal), "+S"(from), "+D"(to), "+c"(count) : : "memory");
    check(equal && count == 0 && from == NOBODY + 32, "REPE CMPS where nobody is: %u left", (unsigned)count);
    to = NOBODY;
    count = 100;
    __asm__ volatile("cld\n repne scasb" : "=@ccz"(equal), "+D"(to), "+c"(count) : "a"(0xff) : "memory");
    check(equal && count == 99 && to == NOBODY + 1, "REPNE SCAS ends: %u left", (unsigned)count);
}

static void test_vectors(void)
{
    static uint32_t a[4] ALIGNED(16) = {1, 2, 3, 4};

    write_cr4(read_cr4() | SSE);
    write_cr0(read_cr0() & ~CR0_EM);
    __asm__ volatile("movdqa (%0), %%xmm2\n movd (%1), %%xmm2\n movdqa %%xmm2, (%0)"
                     :
                     : "r"(a), "r"(VERSION)
                     : "memory");
    check(a[0] == version && !a[1] && !a[3], "MOVD: %x %x", (unsigned)a[0], (unsigned)a[1]);
    __asm__ volatile("movq (%1), %%xmm3\n movdqu %%xmm3, (%0)" : : "r"(a), "r"(VERSION) : "memory");
    check(a[0] == version && !a[1], "MOVQ, eight bytes: %x %x", (unsigned)a[0], (unsigned)a[1]);
    __asm__ volatile("movdqa (%1), %%xmm5\n movups %%xmm5, (%0)" : : "r"(a), "r"(NOBODY) : "memory");
    check(a[0] == UINT32_MAX && a[3] == UINT32_MAX, "MOVDQA of nobody's memory");
}

static void test_widths(void)
{
    volatile uint8_t *select = (volatile uint8_t *)SELECT;
    uint32_t a;

    check(*(volatile uint8_t *)VERSION == (version & 0xff), "a byte of the version");
    check(*(volatile uint8_t *)(VERSION + 2) == (version >> 16 & 0xff), "its third byte");
    check(*(volatile uint16_t *)VERSION == (version & 0xffff), "a word of it");
    mmio_write(LVT, MASKED | 0x40);
    *(volatile uint8_t *)LVT = 0x41;
    LVT_IS(MASKED | 0x41, "a byte is written, the rest stays");
    *select = 1;
    a = mmio_read(WINDOW);
    check((a & 0xff) == 0x20 && *select == 1, "the I/O APIC by bytes: %x", (unsigned)a);
    check(*(volatile uint16_t *)(WINDOW + 2) == a >> 16, "the upper word of its window");
}

/* RAM ends there: one half is memory, the other is nobody's. */
static void test_edge(const struct boot_info *info)
{
    uint32_t end = memory_end(info);
    uint8_t bytes[2];

    *(volatile uint16_t *)(end - 2) = 0x1234;
    check(mmio_read(end - 2) == 0xffff1234, "read across the end of RAM: %x", (unsigned)mmio_read(end - 2));
    mmio_write(end - 1, 0xaabbccdd);
    bytes[0] = *(volatile uint8_t *)(end - 2);
    bytes[1] = *(volatile uint8_t *)(end - 1);
    check(bytes[0] == 0x34 && bytes[1] == 0xdd, "write across the end of RAM: %x %x", bytes[0], bytes[1]);
}

static void do_fld(void *argument)
{
    __asm__ volatile("flds (%0)" : : "r"(argument) : "memory");
}

void guest_main(const struct boot_info *info)
{
    apic_enable();
    version = mmio_read(VERSION);
    test_bits();
    test_exchanges();
    test_arithmetic();
    test_stack();
    test_strings();
    test_vectors();
    test_widths();
    test_edge(info);
    check(trap_call(do_fld, (void *)NOBODY) == UD, "what is not emulated is #UD");
    finish();
}
