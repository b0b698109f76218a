/* SPDX-License-Identifier: BSD-2-Clause */
/* arch/x86/string.c under other names, against libc's functions. */
#include "tests/unit/unit.h"

#include <string.h>

#define memcpy  skerry_memcpy
#define memmove skerry_memmove
#define memset  skerry_memset
#define memcmp  skerry_memcmp
#define memchr  skerry_memchr
#define strlen  skerry_strlen
#define strnlen skerry_strnlen
#define strcmp  skerry_strcmp
#define strncmp skerry_strncmp
#include "arch/x86/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp

static void fill(char *a, char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] = (char)(i * 37 + 11);
}

static void copies(void **state)
{
    char a[96], b[96];

    (void)state;
    for (size_t to = 0; to < 32; to++) {
        for (size_t n = 0; n < 64; n++) {
            fill(a, b, sizeof(a));
            assert_ptr_equal(skerry_memmove(a + to, a + 16, n), a + to);
            memmove(b + to, b + 16, n);
            assert_memory_equal(a, b, sizeof(a));
            assert_ptr_equal(skerry_memset(a + to, 0x1ff, n), a + to);
            memset(b + to, 0xff, n);
            assert_memory_equal(a, b, sizeof(a));
        }
    }
    fill(a, b, sizeof(a));
    assert_ptr_equal(skerry_memcpy(a, b + 40, 40), a);
    assert_memory_equal(a, b + 40, 40);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void comparisons(void **state)
{
    static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "\x7f"};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 8; j++) {
            size_t n = strlen(words[i]) < strlen(words[j]) ? strlen(words[i]) : strlen(words[j]);

            assert_int_equal(sign(skerry_strcmp(words[i], words[j])), sign(strcmp(words[i], words[j])));
            assert_int_equal(sign(skerry_memcmp(words[i], words[j], n)), sign(memcmp(words[i], words[j], n)));
            assert_int_equal(sign(skerry_strncmp(words[i], words[j], 2)),
                             sign(strncmp(words[i], words[j], 2)));
        }
        assert_int_equal(skerry_strlen(words[i]), strlen(words[i]));
        assert_int_equal(skerry_strnlen(words[i], 2), strnlen(words[i], 2));
        assert_ptr_equal(skerry_memchr(words[i], 'b', strlen(words[i])),
                         memchr(words[i], 'b', strlen(words[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies), cmocka_unit_test(comparisons)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
