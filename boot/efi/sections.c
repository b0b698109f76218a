/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/sections.h"

#include "arch/x86/string.h"

#define DOS_HEADER   64 /* whose last dword is the place of the other */
#define PE_HEADER    24
#define SECTION_SIZE 40
#define NAME_SIZE    8

enum { PE_SECTIONS = 6, PE_OPTIONAL_SIZE = 20, SECTION_LENGTH = 8, SECTION_ADDRESS = 12 };

static bool has_name(const uint8_t *section, const char *name)
{
    size_t length = strlen(name);

    return length <= NAME_SIZE && memcmp(section, name, length) == 0 &&
           (length == NAME_SIZE || !section[length]);
}

const void *pe_section(const void *image, uint64_t size, const char *name, uint64_t *length)
{
    const uint8_t *bytes = image;
    uint64_t header, table;
    unsigned count;

    if (size < DOS_HEADER || memcmp(bytes, "MZ", 2) != 0)
        return NULL;
    header = le32(bytes + DOS_HEADER - 4);
    if (header > size || size - header < PE_HEADER || memcmp(bytes + header, "PE\0\0", 4) != 0)
        return NULL;
    count = le16(bytes + header + PE_SECTIONS);
    table = header + PE_HEADER + le16(bytes + header + PE_OPTIONAL_SIZE);
    for (unsigned i = 0; i < count && table + SECTION_SIZE <= size; i++, table += SECTION_SIZE) {
        const uint8_t *section = bytes + table;
        uint64_t at = le32(section + SECTION_ADDRESS), long_is = le32(section + SECTION_LENGTH);

        if (!has_name(section, name))
            continue;
        if (at > size || long_is > size - at)
            return NULL;
        *length = long_is;
        return bytes + at;
    }
    return NULL;
}
