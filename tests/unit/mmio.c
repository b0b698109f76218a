/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions on device memory from their bytes to what they change: operands in each mode, across pages, in
 * RAM with one part; string instructions, PUSH and POP; accesses to registers of 32 bits in other widths.
 */
#include "tests/unit/unit.h"

#undef skip /* of cmocka: the backend has one, too */

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "apic/registers.c"
#include "core/vm/guest.c"
#include "vcpu/event.c"
#include "vcpu/walk.c"
#include "vcpu/mmio_access.c"
#include "vcpu/mmio_other.c"
#include "vcpu/mmio.c"

#include <string.h>

#define RAM    (8 * MIB)
#define DEVICE RAM /* begins where RAM ends: two pages of bytes */
#define OTHER  (RAM + MIB)
#define CODE   0x1000u
#define STACK  0x3000u
#define DATA   0x4000u

static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static struct guest_mode mode;
static uint64_t registers[GUEST_REGISTERS];
static uint8_t device[2 * PAGE_SIZE];
static unsigned widths[9]; /* accesses to it, by their size */
static unsigned looks;     /* for the mode: of what is not known */

static uint64_t get_register(const struct vcpu *v UNUSED, enum guest_register which)
{
    return registers[which];
}

static void set_register_of(struct vcpu *v UNUSED, enum guest_register which, uint64_t value)
{
    registers[which] = value;
}

static void get_mode(const struct vcpu *v UNUSED, struct guest_mode *out)
{
    looks++;
    *out = mode;
    out->rflags = registers[GUEST_RFLAGS];
}

static void skip(struct vcpu *v UNUSED, unsigned length)
{
    mode.rip += length;
}

static void note_mode(const struct vcpu *v UNUSED, struct mode_note *out)
{
    *out = (struct mode_note){{mode.cr0, mode.cr3, mode.cr4, mode.efer, mode.cs_base, mode.bits, mode.cpl}};
}

static bool is_mode(const struct vcpu *v, const struct mode_note *note)
{
    struct mode_note now;

    note_mode(v, &now);
    return memcmp(&now, note, sizeof(now)) == 0;
}

struct backend backend = {.get = get_register,
                          .set = set_register_of,
                          .get_mode = get_mode,
                          .note_mode = note_mode,
                          .is_mode = is_mode,
                          .skip = skip};

/* Its bytes, and those of another one, which reads as their complement. */
static uint64_t device_read(void *context, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    widths[size]++;
    memcpy(&value, device + offset, size);
    return context ? ~value : value;
}

static void device_write(void *context, unsigned offset, unsigned size, uint64_t value)
{
    assert_null(context);
    widths[size]++;
    memcpy(device + offset, &value, size);
}

static const struct device_ops device_ops = {.mmio_read = device_read, .mmio_write = device_write};
static struct device first = {.ops = &device_ops}, second = {.ops = &device_ops, .context = device};
static struct bus bus;

static void attach(struct device *d, uint64_t at)
{
    const struct bus_range range = {at, sizeof(device), BUS_BYTE | BUS_WORD | BUS_DWORD | BUS_QWORD, 0};

    assert_null(bus_add_memory(&bus, d, &range));
}

gpa_t vlapic_base(const struct vcpu *v UNUSED)
{
    return gpa(0);
}

bool vlapic_mmio_enabled(const struct vcpu *v UNUSED)
{
    return false;
}

uint64_t vlapic_mmio_read_any(struct vcpu *v UNUSED, unsigned offset UNUSED, unsigned size UNUSED)
{
    fail_msg("the local APIC");
    return 0;
}

void vlapic_mmio_write_any(struct vcpu *v UNUSED, unsigned offset UNUSED, unsigned size UNUSED,
                           uint64_t value UNUSED)
{
    fail_msg("the local APIC");
}

bool vm_request_end(struct vm *of UNUSED, enum vm_end end UNUSED, const char *fmt UNUSED, ...)
{
    fail_msg("a VM that ends");
    return true;
}

enum vm_end vm_triple_fault(struct vm *of UNUSED, const char **what)
{
    *what = "triple fault";
    return VM_END_CRASH;
}

static int create(void **unused)
{
    (void)unused;
    attach(&first, DEVICE);
    attach(&second, OTHER);
    return fake_ram_create() ? 0 : -1;
}

static void be(unsigned bits)
{
    vm = (struct vm){.memory = RAM, .ram = fake_pieces, .bus = &bus};
    memset(&state, 0, sizeof(state));
    vcpu = (struct vcpu){.vm = &vm, .backend = &state};
    mode = (struct guest_mode){.bits = bits, .rip = CODE};
    memset(registers, 0, sizeof(registers));
    memset(widths, 0, sizeof(widths));
    registers[GUEST_RFLAGS] = 2;
    registers[GUEST_RSP] = STACK;
    registers[GUEST_SS_RIGHTS] = bits == 16 ? 0x93 : 0x4093;
    for (unsigned i = 0; i < sizeof(device); i++)
        device[i] = (uint8_t)(i * 7 + 3);
}

static uint64_t bytes_at(const uint8_t *from, unsigned n)
{
    uint64_t value = 0;

    memcpy(&value, from, n);
    return value;
}

/* One instruction, which reaches for this byte of the device. True: it is done. */
static bool run(const char *code, unsigned n, unsigned offset)
{
    uint64_t rip = mode.rip;

    memset(fake_ram_at(&vm, CODE), 0x90, 32);
    memcpy(fake_ram_at(&vm, CODE), code, n);
    assert_int_equal(vcpu_device_memory(&vcpu, gpa(DEVICE + offset), mode.rip), NEXT_RESUME);
    if (mode.rip == rip)
        return false;
    assert_int_equal(mode.rip - rip, n);
    return true;
}

#define RUN(code, offset) run(code, sizeof(code) - 1, offset)

/* --- where an operand is --- */

/* All of them begin two bytes before the second page of the device, or before its first: in RAM. */
static void operands_across_pages(void **unused)
{
    static const struct {
        unsigned bits, n;
        const char *code; /* of a MOV to EAX */
        uint64_t bx, si, ds, fs;
    } cases[] = {
        {32, 2, "\x8b\x03", 0, 0, 0, 0},                             /* [ebx] */
        {32, 3, "\x8b\x43\x10", -UINT64_C(0x10), 0, 0, 0},           /* [ebx + 10h] */
        {32, 3, "\x8b\x04\xb3", -UINT64_C(0x40), 0x10, 0, 0},        /* [ebx + 4 * esi] */
        {32, 2, "\x8b\x03", 0x5000, 0, -UINT64_C(0x5000), 0},        /* a segment that begins further on */
        {32, 3, "\x64\x8b\x03", 0x5000, 0, 0x77, -UINT64_C(0x5000)}, /* FS */
        {64, 2, "\x8b\x03", 0, 0, 0x77, 0},                          /* DS has no base there */
        {64, 3, "\x65\x8b\x03", 0, 0, 0x77, 0},                      /* GS has, 0 here */
        {64, 7, "\x8b\x84\x33\x00\x01\x00\x00", -UINT64_C(0x300), 0x200, 0, 0},
    };

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned ram = 0; ram < 2; ram++) {
            uint64_t at = DEVICE - 2 + (ram ? 0 : PAGE_SIZE);

            be(cases[i].bits);
            registers[GUEST_DS_BASE] = cases[i].ds;
            registers[GUEST_FS_BASE] = cases[i].fs;
            memcpy(fake_ram_at(&vm, DEVICE - 2), "\x34\x12", 2);
            vcpu.regs.rbx = at + cases[i].bx;
            vcpu.regs.rsi = cases[i].si;
            assert_true(run(cases[i].code, cases[i].n, ram ? 0 : PAGE_SIZE));
            assert_int_equal(vcpu.regs.rax,
                             ram ? bytes_at(device, 2) << 16 | 0x1234 : bytes_at(device + PAGE_SIZE - 2, 4));
            assert_int_equal(widths[1], ram ? 2 : 4);
        }
    }
}

/* Whichever part the exit names: the first is in the device, or the second. */
static void stores_across_pages(void **unused)
{
    (void)unused;
    be(64);
    vcpu.regs.rbx = DEVICE + PAGE_SIZE - 3;
    vcpu.regs.rax = 0x1122334455667788;
    assert_true(RUN("\x48\x89\x03", PAGE_SIZE - 3));
    assert_int_equal(bytes_at(device + PAGE_SIZE - 3, 8), 0x1122334455667788);
    be(64);
    vcpu.regs.rbx = DEVICE - 5;
    vcpu.regs.rax = 0x1122334455667788;
    assert_true(RUN("\x48\x89\x03", 0));
    assert_int_equal(bytes_at(fake_ram_at(&vm, DEVICE - 5), 5), 0x4455667788);
    assert_int_equal(bytes_at(device, 3), 0x112233);
    /* An exchange, and nothing beside it. */
    be(64);
    vcpu.regs.rbx = DEVICE + PAGE_SIZE - 1;
    vcpu.regs.rax = 0xaabb;
    device[PAGE_SIZE - 1] = 0x11;
    device[PAGE_SIZE] = 0x22;
    assert_true(RUN("\x66\x87\x03", PAGE_SIZE));
    assert_int_equal(vcpu.regs.rax, 0x2211);
    assert_int_equal(bytes_at(device + PAGE_SIZE - 1, 2), 0xaabb);
}

/* On the edge of a page, but within it: one access. */
static void operands_at_the_edge(void **unused)
{
    (void)unused;
    be(64);
    vcpu.regs.rbx = DEVICE + PAGE_SIZE;
    assert_true(RUN("\x8b\x03", PAGE_SIZE));
    assert_int_equal(vcpu.regs.rax, bytes_at(device + PAGE_SIZE, 4));
    assert_int_equal(widths[4], 1);
    be(64);
    mode.rip = CODE; /* relative to the end of the instruction */
    assert_true(RUN("\x8b\x05\xfa\xef\x7f\x00", 0));
    assert_int_equal(vcpu.regs.rax, bytes_at(device, 4));
    assert_int_equal(widths[4], 1);
    be(32); /* a bit a page further on */
    vcpu.regs.rbx = DEVICE;
    vcpu.regs.rax = 8 * PAGE_SIZE + 9;
    assert_true(RUN("\x0f\xa3\x03", PAGE_SIZE));
    assert_int_equal(registers[GUEST_RFLAGS] & 1, device[PAGE_SIZE + 1] >> 1 & 1);
    assert_int_equal(widths[4], 1);
}

/* --- the stack --- */

static void pushes(void **unused)
{
    static const struct {
        unsigned bits, n, size;
        const char *code;
    } cases[] = {
        {64, 2, 8, "\xff\x33"}, {64, 3, 2, "\x66\xff\x33"}, {32, 2, 4, "\xff\x33"}, {16, 2, 2, "\xff\x37"}};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned size = cases[i].size;

        be(cases[i].bits);
        registers[GUEST_SS_BASE] = cases[i].bits == 64 ? 0x77 : 0x100;
        registers[GUEST_DS_BASE] = cases[i].bits == 16 ? DEVICE : 0;
        vcpu.regs.rbx = cases[i].bits == 16 ? 8 : DEVICE + 8;
        assert_true(run(cases[i].code, cases[i].n, 8));
        assert_int_equal(registers[GUEST_RSP], STACK - size);
        assert_int_equal(bytes_at(fake_ram_at(&vm, STACK - size + (cases[i].bits == 64 ? 0 : 0x100)), size),
                         bytes_at(device + 8, size));
    }
}

static void pops(void **unused)
{
    (void)unused;
    be(64);
    memcpy(fake_ram_at(&vm, STACK), "\1\2\3\4\5\6\7\10", 8);
    vcpu.regs.rbx = DEVICE + 8;
    assert_true(RUN("\x8f\x03", 8));
    assert_int_equal(registers[GUEST_RSP], STACK + 8);
    assert_int_equal(bytes_at(device + 8, 8), 0x0807060504030201);
    be(16); /* the stack pointer goes round in 16 bits */
    registers[GUEST_RSP] = 0x1fffe;
    registers[GUEST_DS_BASE] = DEVICE;
    memcpy(fake_ram_at(&vm, 0xfffe), "\x5a\xa5", 2);
    assert_true(RUN("\x8f\x06\x10\x00", 16));
    assert_int_equal(registers[GUEST_RSP], 0x10000);
    assert_int_equal(bytes_at(device + 16, 2), 0xa55a);
}

/* --- string instructions --- */

static void strings(void **unused)
{
    (void)unused;
    be(32);
    registers[GUEST_ES_BASE] = 0x100;
    registers[GUEST_FS_BASE] = 0x200;
    vcpu.regs.rsi = DEVICE - 0x200 + 4;
    vcpu.regs.rdi = DATA;
    vcpu.regs.rcx = 2;
    assert_false(RUN("\x64\xf3\xa5", 4)); /* REP MOVSD from FS */
    assert_true(RUN("\x64\xf3\xa5", 8));
    assert_int_equal(bytes_at(fake_ram_at(&vm, DATA + 0x100), 8), bytes_at(device + 4, 8));
    assert_true(!vcpu.regs.rcx && vcpu.regs.rdi == DATA + 8);
    be(64); /* downwards, and AL alone changes */
    registers[GUEST_RFLAGS] |= RFLAGS_DF;
    vcpu.regs.rsi = DEVICE + 5;
    vcpu.regs.rax = 0x1111111111111111;
    assert_true(RUN("\xac", 5));
    assert_int_equal(vcpu.regs.rax, 0x1111111111111100 | device[5]);
    assert_int_equal(vcpu.regs.rsi, DEVICE + 4);
    be(64); /* an element with one byte in RAM */
    vcpu.regs.rdi = DEVICE - 1;
    vcpu.regs.rax = 0x1234;
    assert_true(RUN("\x66\xab", 0));
    assert_int_equal(*fake_ram_at(&vm, DEVICE - 1) | device[0] << 8, 0x1234);
}

static void repeated_comparisons(void **unused)
{
    (void)unused;
    be(64);
    memcpy(fake_ram_at(&vm, DATA), device + 8, 8);
    fake_ram_at(&vm, DATA)[2] ^= 1;
    vcpu.regs.rsi = DEVICE + 8;
    vcpu.regs.rdi = DATA;
    vcpu.regs.rcx = 8;
    assert_false(RUN("\xf3\xa6", 8));
    assert_false(RUN("\xf3\xa6", 9));
    assert_true(RUN("\xf3\xa6", 10)); /* they differ */
    assert_true(vcpu.regs.rcx == 5 && !(registers[GUEST_RFLAGS] & RFLAGS_ZF));
    be(64);
    vcpu.regs.rdi = DEVICE;
    vcpu.regs.rax = device[1];
    vcpu.regs.rcx = 2;
    assert_false(RUN("\xf2\xae", 0));
    assert_true(RUN("\xf2\xae", 1)); /* found, and the last one as well */
    assert_true(!vcpu.regs.rcx && (registers[GUEST_RFLAGS] & RFLAGS_ZF));
}

/* --- what there is not --- */

static void not_emulated(void **unused)
{
    (void)unused;
    be(64);
    vcpu.regs.rbx = DEVICE;
    assert_false(RUN("\xd9\x03", 0)); /* FLD */
    assert_int_equal(state.event, EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_UD);
    be(64);
    mode.rip = DEVICE + 0x100; /* no code to be had */
    assert_int_equal(vcpu_device_memory(&vcpu, gpa(DEVICE), mode.rip), NEXT_RESUME);
    assert_int_equal(state.event, EVENT_VALID | EVENT_EXCEPTION << 8 | VECTOR_UD);
}

/* --- what is known from the last time --- */

#define TABLE(level) (0x10000u + PAGE_SIZE * (level)) /* of CR3 = TABLE(4) */
#define CODE_2       0x2000u                          /* with another instruction */

static void put_entry(unsigned level, unsigned index, uint64_t value)
{
    store_le(fake_ram_at(&vm, TABLE(level) + index * 8), value, 8);
}

/* 64-bit code of the first page of CODE at CODE, with tables of four levels; [rbx] is in the device. */
static void be_paged(void)
{
    be(64);
    for (unsigned level = 1; level <= 6; level++)
        memset(fake_ram_at(&vm, TABLE(level)), 0, PAGE_SIZE);
    for (unsigned level = 4; level > 1; level--)
        put_entry(level, 0, TABLE(level - 1) | 7);
    put_entry(1, CODE / PAGE_SIZE, CODE | 7);
    mode.cr0 = CR0_PG | CR0_PE;
    mode.cr3 = TABLE(4);
    mode.cr4 = CR4_PAE;
    mode.efer = EFER_LMA;
    memcpy(fake_ram_at(&vm, CODE), "\x8b\x03\x90\x90", 4);   /* mov eax, [rbx] */
    memcpy(fake_ram_at(&vm, CODE_2), "\x8b\x0b\x90\x90", 4); /* mov ecx, [rbx] */
    vcpu.regs.rbx = DEVICE + 8;
}

enum outcome { TO_RAX, TO_RCX, REFUSED };

static enum outcome again(void)
{
    vcpu.regs.rax = vcpu.regs.rcx = 0;
    state.event = 0;
    looks = 0;
    mode.rip = CODE;
    assert_int_equal(vcpu_device_memory(&vcpu, gpa(DEVICE + 8), CODE), NEXT_RESUME);
    if (state.event) {
        assert_int_equal(mode.rip, CODE);
        return REFUSED;
    }
    assert_int_equal(mode.rip, CODE + 2);
    assert_int_equal(vcpu.regs.rax + vcpu.regs.rcx, bytes_at(device + 8, 4));
    return vcpu.regs.rax ? TO_RAX : TO_RCX;
}

/* The first time it is looked for, and each further time known. */
static void known(void)
{
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(looks, 0);
}

/* What a guest does to its tables is seen by the very next access, by no call of anybody. */
static void tables_change(void **unused)
{
    (void)unused;
    for (unsigned level = 1; level <= 4; level++) {
        unsigned index = level == 1 ? CODE / PAGE_SIZE : 0;
        uint64_t was = level == 1 ? CODE | 7 : TABLE(level - 1) | 7;

        be_paged();
        known();
        put_entry(level, index, was & ~UINT64_C(1)); /* not present */
        assert_int_equal(again(), REFUSED);
        put_entry(level, index, was);
        known();
        put_entry(level, index, was & ~UINT64_C(4)); /* the user's no more */
        assert_int_equal(again(), TO_RAX);
        assert_int_equal(looks, 1);
        mode.cpl = 3;
        assert_int_equal(again(), REFUSED);
        put_entry(level, index, was);
        known();
        put_entry(level, index, was | 0x60); /* A and D are a change, too, after which it is known again */
        assert_int_equal(again(), TO_RAX);
        assert_int_equal(looks, 1);
        known();
        put_entry(1, CODE / PAGE_SIZE, CODE_2 | 7);
        assert_int_equal(again(), TO_RCX);
        if (level > 1) { /* another table, which leads to the first page */
            put_entry(5, level == 2 ? CODE / PAGE_SIZE : 0, (level == 2 ? CODE : TABLE(level - 2)) | 7);
            put_entry(1, CODE / PAGE_SIZE, CODE | 7);
            put_entry(level, index, TABLE(5) | 7);
            known();
        }
    }
}

static void registers_change(void **unused)
{
    (void)unused;
    be_paged();
    known();
    put_entry(6, 0, TABLE(3) | 7); /* another address space, with the same pages */
    mode.cr3 = TABLE(6);
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(looks, 1);
    known();
    mode.cr0 &= ~CR0_PG; /* the same address, without tables */
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(looks, 1);
    known();
    mode.cr0 |= CR0_PG;
    mode.cr4 |= CR4_LA57; /* the table is that of another level: nothing is there */
    assert_int_equal(again(), REFUSED);
    mode.cr4 = CR4_PAE;
    known();
    mode.bits = 32;
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(looks, 1);
    mode.cs_base = PAGE_SIZE;
    put_entry(1, CODE_2 / PAGE_SIZE, CODE_2 | 7);
    assert_int_equal(again(), TO_RCX);
    mode.cs_base = 0;
    known();
    mode.cpl = 3;
    assert_int_equal(again(), TO_RAX);
    assert_int_equal(looks, 1);
}

static void code_changes(void **unused)
{
    (void)unused;
    be_paged();
    known();
    memcpy(fake_ram_at(&vm, CODE + 1), "\x0b", 1);
    assert_int_equal(again(), TO_RCX);
    memcpy(fake_ram_at(&vm, CODE), "\xd9\x03", 2); /* FLD */
    assert_int_equal(again(), REFUSED);
    assert_int_equal(again(), REFUSED);
    memcpy(fake_ram_at(&vm, CODE), "\x8b\x03", 2);
    known();
    memcpy(fake_ram_at(&vm, CODE + 15), "\xcc", 1); /* behind it */
    assert_int_equal(again(), TO_RAX);
}

/* One instruction, as a function of a driver's is, for two devices, and for what is none. */
static void devices_change(void **unused)
{
    (void)unused;
    be_paged();
    for (unsigned i = 0; i < 3; i++) {
        known();
        mode.rip = CODE;
        vcpu.regs.rbx = OTHER + 8;
        assert_int_equal(vcpu_device_memory(&vcpu, gpa(OTHER + 8), CODE), NEXT_RESUME);
        assert_int_equal(vcpu.regs.rax, (uint32_t)~bytes_at(device + 8, 4));
        mode.rip = CODE;
        assert_int_equal(vcpu_device_memory(&vcpu, gpa(OTHER + 2 * PAGE_SIZE - 2), CODE), NEXT_RESUME);
        assert_int_equal(vcpu.regs.rax, UINT32_MAX);
        vcpu.regs.rbx = DEVICE + 8;
    }
}

/* A known instruction whose operand comes to lie across a page. */
static void pages_change(void **unused)
{
    (void)unused;
    be_paged();
    known();
    put_entry(2, DEVICE >> 21, DEVICE | 0x87);
    mode.rip = CODE;
    vcpu.regs.rbx = DEVICE + PAGE_SIZE - 2;
    memset(widths, 0, sizeof(widths));
    assert_int_equal(vcpu_device_memory(&vcpu, gpa(DEVICE + PAGE_SIZE), CODE), NEXT_RESUME);
    assert_int_equal(vcpu.regs.rax, bytes_at(device + PAGE_SIZE - 2, 4));
    assert_int_equal(widths[1], 4);
    vcpu.regs.rbx = DEVICE + PAGE_SIZE; /* and begins with one */
    mode.rip = CODE;
    looks = 0;
    assert_int_equal(vcpu_device_memory(&vcpu, gpa(DEVICE + PAGE_SIZE), CODE), NEXT_RESUME);
    assert_int_equal(vcpu.regs.rax, bytes_at(device + PAGE_SIZE, 4));
    assert_true(widths[4] == 1 && looks == 0);
}

/* --- registers of 32 bits --- */

static uint32_t words[16];
static unsigned word_reads, word_writes;

static uint32_t read_word(void *context UNUSED, unsigned offset)
{
    assert_int_equal(offset % 4, 0);
    word_reads++;
    return words[offset / 4];
}

static uint32_t peek_word(void *context UNUSED, unsigned offset)
{
    return words[offset / 4];
}

static void write_word(void *context UNUSED, unsigned offset, uint32_t value)
{
    assert_int_equal(offset % 4, 0);
    word_writes++;
    words[offset / 4] = value;
}

static void other_widths(void **unused)
{
    static const struct registers all = {read_word, peek_word, write_word};
    uint8_t copy[sizeof(words)];

    (void)unused;
    for (unsigned i = 0; i < sizeof(copy); i++)
        copy[i] = ((uint8_t *)words)[i] = (uint8_t)(i * 11 + 1);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned at = 0; at + size <= sizeof(words); at++) {
            unsigned touched = (at + size - 1) / 4 - at / 4 + 1;
            uint64_t value = 0x8899aabbccddeeff + at;

            word_reads = word_writes = 0;
            assert_int_equal(registers_read(&all, NULL, at, size), bytes_at(copy + at, size));
            assert_int_equal(word_reads, touched); /* each once */
            memcpy(copy + at, &value, size);
            registers_write(&all, NULL, at, size, value);
            assert_int_equal(word_writes, touched);
            assert_int_equal(word_reads, touched);
            assert_memory_equal(words, copy, sizeof(copy));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_across_pages),
        cmocka_unit_test(stores_across_pages),
        cmocka_unit_test(operands_at_the_edge),
        cmocka_unit_test(pushes),
        cmocka_unit_test(pops),
        cmocka_unit_test(strings),
        cmocka_unit_test(repeated_comparisons),
        cmocka_unit_test(not_emulated),
        cmocka_unit_test(tables_change),
        cmocka_unit_test(registers_change),
        cmocka_unit_test(code_changes),
        cmocka_unit_test(devices_change),
        cmocka_unit_test(pages_change),
        cmocka_unit_test(other_widths),
    };

    return cmocka_run_group_tests(tests, create, NULL);
}
