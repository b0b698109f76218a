/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/options.h"

#include "arch/x86/string.h"
#include "boot/efi/firmware.h"

static bool put(char out[OPTIONS_SIZE], size_t *used, unsigned c)
{
    if (c < ' ' || c > '~')
        return fail("boot options: character %x, expected printable ASCII", c);
    if (*used == OPTIONS_SIZE - 1)
        return fail("boot options: expected at most %u characters", OPTIONS_SIZE - 1);
    out[(*used)++] = (char)c;
    return true;
}

static bool take_line(const struct boot_file *file, char out[OPTIONS_SIZE], size_t *used)
{
    const uint8_t *text = file->data;

    for (uint64_t i = 0; i < file->size && text[i] != '\n' && text[i] != '\r'; i++) {
        if (!put(out, used, text[i]))
            return false;
    }
    return true;
}

/* Whether the word that ends before `end` is this program's name, which a shell gives first. */
static bool is_program(const CHAR16 *text, uint64_t end)
{
    static const char ending[] = ".efi";

    if (end < 4)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if ((text[end - 4 + i] | (i ? 0x20 : 0)) != (CHAR16)ending[i])
            return false;
    }
    return true;
}

static bool take_given_words(char out[OPTIONS_SIZE], size_t *used)
{
    const EFI_LOADED_IMAGE *self = loaded_image();
    const CHAR16 *text = self ? self->LoadOptions : NULL;
    uint64_t length = 0, most = text ? self->LoadOptionsSize / sizeof(CHAR16) : 0, first = 0;

    while (length < most && text[length])
        length++;
    while (first < length && text[first] != ' ')
        first++;
    if (!is_program(text, first))
        first = 0;
    if (*used && first < length && !put(out, used, ' '))
        return false;
    for (; first < length; first++) {
        if (!put(out, used, text[first]))
            return false;
    }
    return true;
}

bool options_of(const struct boot_file *file, bool take_given, char out[OPTIONS_SIZE])
{
    size_t used = 0;

    if (!take_line(file, out, &used) || (take_given && !take_given_words(out, &used)))
        return false;
    out[used] = '\0';
    return true;
}
