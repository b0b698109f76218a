/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that exit, where the processor tells neither their length nor their operands: in all modes,
 * with prefixes, and cut off at each byte. */
#include "tests/unit/unit.h"

#include "svm/instruction.c"

#include <string.h>

static uint8_t code[FETCH_SIZE];
static unsigned there, bits;
static struct vcpu vcpu;

void svm_get_mode(const struct vcpu *v UNUSED, struct guest_mode *out)
{
    *out = (struct guest_mode){.bits = bits};
}

unsigned guest_fetch(const struct vm *vm UNUSED, const struct guest_mode *m UNUSED, uint8_t bytes[FETCH_SIZE])
{
    memset(bytes, 0xee, FETCH_SIZE);
    memcpy(bytes, code, there);
    return there;
}

static struct svm_instruction decode(const char *bytes, unsigned count, unsigned mode)
{
    memcpy(code, bytes, count);
    there = count;
    bits = mode;
    return svm_decode(&vcpu);
}

#define CASE(name, bytes)              \
    {                                  \
        name, bytes, sizeof(bytes) - 1 \
    }
static const struct {
    const char *name, *bytes;
    unsigned length;
} plain[] = {
    CASE("cpuid", "\x0f\xa2"),
    CASE("rdmsr", "\x0f\x32"),
    CASE("wrmsr", "\x0f\x30"),
    CASE("rdpmc", "\x0f\x33"),
    CASE("invd", "\x0f\x08"),
    CASE("wbinvd", "\x0f\x09"),
    CASE("clts", "\x0f\x06"),
    CASE("hlt", "\xf4"),
    CASE("pause", "\xf3\x90"),
    CASE("vmmcall", "\x0f\x01\xd9"),
    CASE("vmcall", "\x0f\x01\xc1"),
    CASE("xsetbv", "\x0f\x01\xd1"),
    CASE("int3", "\xcc"),
    CASE("int n", "\xcd\x80"),
    CASE("iret", "\xcf"),
    CASE("in imm", "\xe4\x60"),
    CASE("out imm", "\xe7\x80"),
    CASE("in dx", "\xec"),
    CASE("outsb", "\x6e"),
    CASE("rep insd", "\xf3\x6d"),
    CASE("mov cr0, eax", "\x0f\x22\xc0"),
    CASE("mov ecx, cr4", "\x0f\x20\xe1"),
    CASE("mov dr7, ebx", "\x0f\x23\xfb"),
    CASE("lmsw ax", "\x0f\x01\xf0"),
    CASE("cs cpuid", "\x2e\x0f\xa2"),
    CASE("a32 o32 outsb", "\x67\x66\x6e"),
};

static void lengths(void **state UNUSED)
{
    for (unsigned i = 0; i < ARRAY_SIZE(plain); i++) {
        for (unsigned mode = 16; mode <= 64; mode *= 2) {
            if (decode(plain[i].bytes, plain[i].length, mode).length != plain[i].length)
                fail_msg("%s in %u bits", plain[i].name, mode);
            memset(code, 0xee, sizeof(code)); /* what is behind does not matter */
            memcpy(code, plain[i].bytes, plain[i].length);
            there = MAX_INSTRUCTION;
            assert_int_equal(svm_instruction_length(&vcpu), plain[i].length);
        }
        for (unsigned n = 0; n < plain[i].length; n++) {
            unsigned length = decode(plain[i].bytes, n, 32).length;

            if (length && n + 1 == plain[i].length) /* a whole instruction may begin as another */
                assert_true(length <= n);
        }
    }
    assert_int_equal(decode("", 0, 64).length, 0);
    assert_int_equal(decode("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66", 15, 64).length,
                     0);
}

/* REX counts in 64-bit code alone, right before the opcode. */
static void registers(void **state UNUSED)
{
    struct svm_instruction i = decode("\x44\x0f\x22\xc3", 4, 64); /* mov cr8, rbx */

    assert_int_equal(i.length, 4);
    assert_int_equal(svm_modrm_rm(&i), 3);
    assert_int_equal(svm_modrm_reg(&i), 8);
    i = decode("\x41\x0f\x20\xe7", 4, 64); /* mov r15, cr4 */
    assert_int_equal(svm_modrm_rm(&i), 15);
    assert_int_equal(svm_modrm_reg(&i), 4);
    assert_true(svm_in_registers(&i));
    i = decode("\x0f\x01\x30", 3, 32); /* lmsw [eax] */
    assert_false(svm_in_registers(&i));
    i = decode("\xcd\x42", 2, 32);
    assert_int_equal(i.vector, 0x42);
}

static void strings(void **state UNUSED)
{
    static const struct {
        const char *bytes;
        unsigned count, mode, address_size, segment;
    } cases[] = {
        {"\x6e", 1, 16, 2, SEGMENT_DS},
        {"\x6e", 1, 32, 4, SEGMENT_DS},
        {"\x6e", 1, 64, 8, SEGMENT_DS},
        {"\x67\x6e", 2, 16, 4, SEGMENT_DS},
        {"\x67\x6e", 2, 32, 2, SEGMENT_DS},
        {"\x67\x6e", 2, 64, 4, SEGMENT_DS},
        {"\x64\xf3\x6e", 3, 64, 8, SEGMENT_FS},
        {"\x26\x36\x6f", 3, 16, 2, SEGMENT_SS},
        {"\x65\x67\x66\x6f", 4, 32, 2, SEGMENT_GS},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct svm_instruction d = decode(cases[i].bytes, cases[i].count, cases[i].mode);

        assert_int_equal(d.length, cases[i].count);
        assert_int_equal(d.address_size, cases[i].address_size);
        assert_int_equal(d.segment, cases[i].segment);
    }
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(lengths), TEST(registers), TEST(strings)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
