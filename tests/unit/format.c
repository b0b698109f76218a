/* SPDX-License-Identifier: BSD-2-Clause */
/* core/base/format.c against libc's snprintf, which has the same contract. */
#include "tests/unit/unit.h"

#include "core/base/format.h"

#include <stdio.h>
#include <string.h>

#define SAME(...)                                                       \
    do {                                                                \
        char ours[128], libc[128];                                      \
        int n = format(ours, sizeof(ours), __VA_ARGS__);                \
                                                                        \
        assert_int_equal(n, snprintf(libc, sizeof(libc), __VA_ARGS__)); \
        assert_string_equal(ours, libc);                                \
    } while (0)

static void numbers(void **state)
{
    static const int widths[] = {0, 1, 5, 12, -9};

    (void)state;
    SAME("%d %i %u %x %X", -5, 0, 4000000000u, 0xbeef, 0xbeef);
    SAME("%ld %lu %lx %llx %zu", INT64_MIN, UINT64_MAX, UINT64_MAX, 1ull, (size_t)7);
    SAME("%hhd %hd %hhx %hx", -129, 70000, -1, -1);
    SAME("%p", (void *)0x1234);
    for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        SAME("%*d|%*x|%#*lx", widths[i], -42, widths[i], 0x7f, widths[i], 0xabcdefl);
        SAME("%.*d|%*.3d|%.8x", widths[i], 42, widths[i], 7, 0x55);
    }
    SAME("%08x|%#010x|%-8d|%08d|%-8d|%#x", 0xbeef, 0xbeef, 12, -12, 12, 0);
    SAME("%.0d|%5.0d|", 0, 0);
}

static void text(void **state)
{
    (void)state;
    SAME("plain 100%% %c%c", 'o', 'k');
    SAME("%s|%10s|%-10s|%.2s|%-6.3s|", "abc", "abc", "abc", "abc", "abcdef");
    SAME("%.*s", 3, "not terminated after three");
}

static void null_and_unknown(void **state)
{
    char *volatile null = NULL;
    char out[32];

    (void)state;
    format(out, sizeof(out), "%s", null);
    assert_string_equal(out, "(null)");
    /* Built at run time, so that the compiler does not object to it. */
    char odd[] = "a%5qb%";
    format(out, sizeof(out), odd);
    assert_string_equal(out, "a%5qb%");
}

static void bounds(void **state)
{
    char out[8];

    (void)state;
    memset(out, '#', sizeof(out));
    assert_int_equal(format(out, 4, "%s", "abcdefgh"), 8);
    assert_memory_equal(out, "abc\0####", 8);
    assert_int_equal(format(out, 1, "%d", 12345), 5);
    assert_int_equal(out[0], 0);
    assert_int_equal(format(NULL, 0, "%d", 12345), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(text),
        cmocka_unit_test(null_and_unknown),
        cmocka_unit_test(bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
