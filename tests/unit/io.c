/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vcpu/io.c over dev/bus.c and a guest's RAM: IN and OUT by width, INS and OUTS element by element against
 * what the manual's pseudo-code does, with faults in the middle.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "core/vm/guest.c"
#include "vcpu/event.c"
#include "vcpu/io.c"
#include "vcpu/walk.c"

#include <string.h>

#define PORT    0x3f0u
#define NOBODY  0x80u
#define SIDE_BY 0x3e8u /* nobody's, among the same 256 ports */
#define P       1u
#define W       2u

static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static struct vcpu_statistics statistics;
static struct bus bus;
static struct guest_mode mode;

/* The device: a stream that counts, and what it was sent. */
static unsigned reads, sent_count;
static uint32_t sent[256];

static uint32_t stream_read(void *context UNUSED, unsigned offset UNUSED, unsigned size)
{
    static const uint32_t step[] = {[1] = 0x01, [2] = 0x0101, [4] = 0x01010101};

    return step[size] * ++reads;
}

static void stream_write(void *context UNUSED, unsigned offset UNUSED, unsigned size, uint32_t value)
{
    assert_true(size == 4 || !(value >> 8 * size));
    sent[sent_count++ % ARRAY_SIZE(sent)] = value;
}

static const struct device_ops ops = {.name = "stream", .port_read = stream_read, .port_write = stream_write};
static struct device device = {.ops = &ops};

static void get_mode(const struct vcpu *v UNUSED, struct guest_mode *out)
{
    *out = mode;
}

static uint64_t get_register(const struct vcpu *v UNUSED, enum guest_register which)
{
    assert_int_equal(which, GUEST_CR0);
    return CR0_PE;
}

struct backend backend = {.get_mode = get_mode, .get = get_register};

/* Of the guest's RAM these 16 bytes are closed. */
#define CLOSED 0x20000u
static bool fake_closed(const struct vm *of UNUSED, gpa_t at, size_t n)
{
    return at.value < CLOSED + 16 && at.value + n > CLOSED;
}

static uint64_t ended_at;
enum next vcpu_protected_write(struct vcpu *v UNUSED, gpa_t at)
{
    ended_at = at.value;
    return NEXT_LEAVE;
}

enum vm_end vm_triple_fault(struct vm *of UNUSED, const char **what)
{
    *what = "triple fault";
    return VM_END_RESET;
}

bool vm_request_end(struct vm *of UNUSED, enum vm_end end UNUSED, const char *fmt UNUSED, ...)
{
    fail_msg("a VM that ends");
    return true;
}

static int create(void **unused)
{
    const struct bus_range range = {PORT, 8, BUS_BYTE | BUS_WORD | BUS_DWORD, 0};

    (void)unused;
    return fake_ram_create() && !bus_add_ports(&bus, &device, &range) ? 0 : -1;
}

static int set_up(void **unused)
{
    (void)unused;
    vm = (struct vm){.memory = 8 * MIB, .ram = fake_pieces, .bus = &bus};
    memset(&state, 0, sizeof(state));
    memset(&statistics, 0, sizeof(statistics));
    vcpu = (struct vcpu){.vm = &vm, .backend = &state, .stats = &statistics};
    mode = (struct guest_mode){.bits = 32};
    reads = sent_count = 0;
    memset(fake_ram_at(&vm, 0), 0, 0x40000);
    return 0;
}

static unsigned denied(void)
{
    return (unsigned)statistics.counts[COUNT_PORT_DENIED];
}

/* --- IN and OUT --- */

/* AL and AX leave the rest of RAX as it is; EAX clears the upper half. */
static void in_by_width(void **unused)
{
    (void)unused;
    vcpu.regs.rax = UINT64_C(0x1122334455667788);
    assert_int_equal(vcpu_in(&vcpu, PORT, 1), NEXT_SKIP_AND_RESUME);
    assert_int_equal(vcpu.regs.rax, UINT64_C(0x1122334455667701));
    assert_int_equal(vcpu_in(&vcpu, PORT, 2), NEXT_SKIP_AND_RESUME);
    assert_int_equal(vcpu.regs.rax, UINT64_C(0x1122334455660202));
    assert_int_equal(vcpu_in(&vcpu, PORT, 4), NEXT_SKIP_AND_RESUME);
    assert_int_equal(vcpu.regs.rax, 0x03030303);
    assert_int_equal(denied(), 0);
}

static void nobodys_ports_read_as_ones(void **unused)
{
    static const uint16_t ports[] = {NOBODY, SIDE_BY};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        vcpu.regs.rax = UINT64_C(0x1122334455667788);
        vcpu_in(&vcpu, ports[i], 1);
        assert_int_equal(vcpu.regs.rax, UINT64_C(0x11223344556677ff));
        vcpu_in(&vcpu, ports[i], 2);
        assert_int_equal(vcpu.regs.rax, UINT64_C(0x112233445566ffff));
        vcpu_in(&vcpu, ports[i], 4);
        assert_int_equal(vcpu.regs.rax, 0xffffffff);
        assert_int_equal(vcpu_out(&vcpu, ports[i], 4), NEXT_SKIP_AND_RESUME);
        assert_int_equal(denied(), 4 * (i + 1));
    }
    assert_int_equal(reads + sent_count, 0);
    /* The last bytes of the device and one of nobody: half an answer is one. */
    vcpu_in(&vcpu, PORT + 7, 2);
    assert_int_equal(vcpu.regs.rax & 0xffff, 0xff01);
    assert_int_equal(denied(), 8);
}

static void out_by_width(void **unused)
{
    (void)unused;
    vcpu.regs.rax = UINT64_C(0x1122334455667788);
    vcpu_out(&vcpu, PORT, 1);
    vcpu_out(&vcpu, PORT, 2);
    assert_int_equal(vcpu_out(&vcpu, PORT, 4), NEXT_SKIP_AND_RESUME);
    assert_int_equal(sent[0], 0x88);
    assert_int_equal(sent[1], 0x7788);
    assert_int_equal(sent[2], 0x55667788);
    assert_int_equal(vcpu.regs.rax, UINT64_C(0x1122334455667788));
}

/* --- INS and OUTS --- */

/* An instruction from its first exit on; base is the segment's. Exits until RIP moves, or -1: a fault. */
static int string_io(bool in, bool rep, unsigned size, uint64_t mask, uint64_t base)
{
    for (int exits = 1;; exits++) {
        uint64_t pointer = in ? vcpu.regs.rdi : vcpu.regs.rsi, linear = base + (pointer & mask);
        struct string_io io = {.linear = mode.bits == 64 ? linear : (uint32_t)linear,
                               .address_mask = mask,
                               .port = PORT,
                               .size = (uint8_t)size,
                               .in = in,
                               .rep = rep};

        if (vcpu_string_io(&vcpu, &io) == NEXT_SKIP_AND_RESUME)
            return exits;
        if (state.event)
            return -1;
        assert_true(exits < 100);
    }
}

static uint64_t stepped(uint64_t value, uint64_t by, uint64_t mask)
{
    uint64_t low = (value + by) & mask;

    return mask == 0xffff ? (value & ~UINT64_C(0xffff)) | low : low;
}

/* Every width, direction, address size and REP, with counts around a batch. */
static void every_form(void **unused)
{
    static const uint64_t masks[] = {0xffff, UINT32_MAX, UINT64_MAX};
    static const unsigned counts[] = {0, 1, 2, 63, 64, 65, 128, 200};
    const uint64_t high = UINT64_C(0xabcd) << 48;

    for (unsigned k = 0; k < 3 * 3 * 2 * 2 * 2 * ARRAY_SIZE(counts); k++) {
        uint64_t mask = masks[k % 3], start = 0x8800, by;
        unsigned size = 1u << k / 3 % 3, count = counts[k / 72];
        bool in = k / 9 % 2, down = k / 18 % 2, rep = k / 36 % 2;
        uint64_t registers = mask == UINT64_MAX ? 0 : high;
        unsigned n = rep ? count : 1;

        set_up(unused);
        mode.rflags = down ? BIT(10) : 0;
        mode.bits = mask == UINT64_MAX ? 64 : 32;
        by = down ? -(uint64_t)size : size;
        for (unsigned i = 0; i < 0x1000 && !in; i++)
            *fake_ram_at(&vm, 0x18400 + i) = (uint8_t)(i * 7);
        vcpu.regs.rdi = vcpu.regs.rsi = registers | start;
        vcpu.regs.rcx = registers | count;
        assert_int_equal(string_io(in, rep, size, mask, 0x10000), rep ? MAX(1u, (count + 63) / 64) : 1);
        assert_int_equal(in ? reads : sent_count, n);
        assert_int_equal(in ? sent_count : reads, 0);
        for (unsigned i = 0; i < n; i++) {
            const uint8_t *at = fake_ram_at(&vm, 0x10000 + start + i * by);

            assert_int_equal(load_le(at, size),
                             in ? (i + 1) * UINT64_C(0x01010101) % BIT(8 * size) : sent[i]);
        }
        assert_int_equal(in ? vcpu.regs.rdi : vcpu.regs.rsi,
                         n ? stepped(registers | start, n * by, mask) : registers | start);
        assert_int_equal(in ? vcpu.regs.rsi : vcpu.regs.rdi, registers | start);
        if (rep && n)
            assert_int_equal(vcpu.regs.rcx, stepped(registers | count, -(uint64_t)count, mask));
        else
            assert_int_equal(vcpu.regs.rcx, registers | count);
    }
}

/* SI and DI go round in their segment, EDI in 4 GiB; the element behind is at its start. */
static void pointers_wrap(void **unused)
{
    (void)unused;
    mode.bits = 16;
    vcpu.regs.rdi = 0xfffc;
    vcpu.regs.rcx = 4;
    assert_int_equal(string_io(true, true, 2, 0xffff, 0x10000), 1);
    assert_int_equal(vcpu.regs.rdi, 4);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x1fffc), 4), 0x02020101);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x10000), 4), 0x04040303);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x20000), 4), 0);
    mode.bits = 32;
    mode.rflags = BIT(10);
    store_le(fake_ram_at(&vm, 0x12ffe), 0xa1a2a3a4, 4);
    vcpu.regs.rsi = 2;
    vcpu.regs.rcx = 3;
    assert_int_equal(string_io(false, true, 2, UINT32_MAX, 0x13000), 1);
    assert_int_equal(vcpu.regs.rsi, 0xfffffffc);
    assert_int_equal(sent[2], 0xa3a4);
}

/* In compatibility mode the tables have more bits of address than the code. */
static void addresses_wrap(void **unused)
{
    (void)unused;
    store_le(fake_ram_at(&vm, 0x1000), 0x2000 | P, 8);
    store_le(fake_ram_at(&vm, 0x2000), 0x3000 | P, 8);
    store_le(fake_ram_at(&vm, 0x2018), 0x4000 | P, 8);
    store_le(fake_ram_at(&vm, 0x3000), 0x000000 | BIT(7) | P, 8);
    store_le(fake_ram_at(&vm, 0x4ff8), 0x200000 | BIT(7) | P, 8);
    mode = (struct guest_mode){.cr0 = CR0_PG, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LMA, .bits = 32};
    store_le(fake_ram_at(&vm, 0x3ffffe), 0x1234, 2);
    store_le(fake_ram_at(&vm, 0), 0x5678, 2);
    vcpu.regs.rsi = 0xffe;
    vcpu.regs.rcx = 2;
    assert_int_equal(string_io(false, true, 2, UINT32_MAX, 0xfffff000), 1);
    assert_int_equal(sent[0], 0x1234);
    assert_int_equal(sent[1], 0x5678);
}

/* Pages 10h and 11h are there, as entries says; 12h is not. Code of ring 0 with CR0.WP. */
static void with_paging(uint32_t second)
{
    store_le(fake_ram_at(&vm, 0x1000), 0x2000 | P | W, 4);
    store_le(fake_ram_at(&vm, 0x2040), 0x10000 | P | W, 4);
    store_le(fake_ram_at(&vm, 0x2044), second, 4);
    mode.cr0 = CR0_PG | CR0_WP;
    mode.cr3 = 0x1000;
}

static void is_page_fault(uint64_t linear, uint32_t error)
{
    assert_int_equal(state.event & 0xff, VECTOR_PF);
    assert_int_equal(state.event_error, error);
    assert_int_equal(fake_cr2, linear);
    state.event = 0;
}

/* In the middle of a batch: what was moved is counted, what was not comes after the handler. */
static void faults_in_the_middle(void **unused)
{
    (void)unused;
    with_paging(0);
    vcpu.regs.rdi = 0x10fc0;
    vcpu.regs.rcx = 40;
    assert_int_equal(string_io(true, true, 4, UINT32_MAX, 0), -1);
    is_page_fault(0x11000, 2);
    assert_int_equal(vcpu.regs.rcx, 24);
    assert_int_equal(vcpu.regs.rdi, 0x11000);
    assert_int_equal(reads, 16);
    with_paging(0x20000 | P | W);
    assert_int_equal(string_io(true, true, 4, UINT32_MAX, 0), 1);
    assert_int_equal(vcpu.regs.rcx, 0);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(load_le(fake_ram_at(&vm, i < 16 ? 0x10fc0 + 4 * i : 0x20000 + 4 * (i - 16)), 4),
                         0x01010101 * (i + 1));

    with_paging(0);
    vcpu.regs.rsi = 0x10ffe;
    vcpu.regs.rcx = 3;
    assert_int_equal(string_io(false, true, 2, UINT32_MAX, 0), -1);
    is_page_fault(0x11000, 0);
    assert_int_equal(vcpu.regs.rcx, 2);
    assert_int_equal(sent_count, 1);
}

/* An element across the end of a page: the port is not read, and nothing stored, for a store that faults. */
static void faults_within_an_element(void **unused)
{
    static const uint32_t seconds[] = {0, 0x20000 | P};

    (void)unused;
    for (unsigned i = 0; i < ARRAY_SIZE(seconds); i++) {
        with_paging(seconds[i]);
        vcpu.regs.rdi = 0x10ffd;
        store_le(fake_ram_at(&vm, 0x10ffd), 0x333333, 3);
        assert_int_equal(string_io(true, false, 4, UINT32_MAX, 0), -1);
        is_page_fault(0x11000, seconds[i] & P ? 3 : 2);
        assert_int_equal(reads, 0);
        assert_int_equal(vcpu.regs.rdi, 0x10ffd);
        assert_int_equal(load_le(fake_ram_at(&vm, 0x10ffd), 3), 0x333333);
    }
    vcpu.regs.rsi = 0x10ffd;
    with_paging(0);
    assert_int_equal(string_io(false, false, 4, UINT32_MAX, 0), -1);
    is_page_fault(0x11000, 0);
    assert_int_equal(sent_count, 0);
    with_paging(0x20000 | P | W);
    assert_int_equal(string_io(true, false, 4, UINT32_MAX, 0), 1);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x10ffd), 3), 0x010101);
    assert_int_equal(*fake_ram_at(&vm, 0x20000), 1);
}

/* What the guest has closed ends it, before the port is read; what is behind or before it is written. */
static void closed_to_strings(void **unused)
{
    struct string_io io = {CLOSED - 4, UINT32_MAX, PORT, 4, true, true};

    (void)unused;
    vm.is_closed = fake_closed;
    vcpu.regs.rdi = CLOSED - 4;
    vcpu.regs.rcx = 4;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_LEAVE);
    assert_int_equal(ended_at, CLOSED);
    assert_int_equal(reads, 1);
    assert_int_equal(vcpu.regs.rcx, 3); /* at the element that it could not write */
    assert_int_equal(vcpu.regs.rdi, CLOSED);
    assert_int_equal(load_le(fake_ram_at(&vm, CLOSED - 4), 8), 0x01010101);
    mode.rflags = BIT(10);
    vcpu.regs.rdi = io.linear = CLOSED + 16;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_LEAVE);
    assert_int_equal(reads, 2);
    assert_int_equal(ended_at, CLOSED + 12);
    /* By paging, with an element across the ends of two pages, of which the second is closed. */
    set_up(unused);
    with_paging(CLOSED | P | W);
    vm.is_closed = fake_closed;
    store_le(fake_ram_at(&vm, 0x10ffe), 0x3333, 2);
    vcpu.regs.rdi = io.linear = 0x10ffe;
    io.rep = false;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_LEAVE);
    assert_int_equal(ended_at, CLOSED);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x10ffe), 2), 0x3333);
    vcpu.regs.rdi = io.linear = 0x1100e; /* only its first half */
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_LEAVE);
    assert_int_equal(ended_at, CLOSED + 14);
    assert_int_equal(reads, 0);
    assert_int_equal(state.event, 0);
    /* Reading is allowed, and a fault comes first. */
    io = (struct string_io){CLOSED, UINT32_MAX, PORT, 4, false, false};
    mode.cr0 = 0;
    vcpu.regs.rsi = CLOSED;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_SKIP_AND_RESUME);
    assert_int_equal(sent_count, 1);
    with_paging(0);
    io.in = true;
    vcpu.regs.rdi = io.linear = 0x11010;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_RESUME);
    is_page_fault(0x11010, 2);
}

/* Of nobody's port, element by element. */
static void denied_strings(void **unused)
{
    struct string_io io = {0x8000, UINT32_MAX, NOBODY, 2, true, true};

    (void)unused;
    vcpu.regs.rdi = 0x8000;
    vcpu.regs.rcx = 3;
    assert_int_equal(vcpu_string_io(&vcpu, &io), NEXT_SKIP_AND_RESUME);
    assert_int_equal(denied(), 3);
    assert_int_equal(load_le(fake_ram_at(&vm, 0x8000), 8), UINT64_C(0x0000ffffffffffff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(in_by_width, set_up),
        cmocka_unit_test_setup(nobodys_ports_read_as_ones, set_up),
        cmocka_unit_test_setup(out_by_width, set_up),
        cmocka_unit_test_setup(every_form, set_up),
        cmocka_unit_test_setup(pointers_wrap, set_up),
        cmocka_unit_test_setup(addresses_wrap, set_up),
        cmocka_unit_test_setup(faults_in_the_middle, set_up),
        cmocka_unit_test_setup(faults_within_an_element, set_up),
        cmocka_unit_test_setup(closed_to_strings, set_up),
        cmocka_unit_test_setup(denied_strings, set_up),
    };

    return cmocka_run_group_tests(tests, create, NULL);
}
