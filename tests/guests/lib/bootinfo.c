/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define MB1_STARTED 0x2badb002u
#define MB2_STARTED 0x36d76289u

enum {
    MB1_MEMORY = BIT(0),
    MB1_CMDLINE = BIT(2),
    MB1_MODULES = BIT(3),
    MB1_MAP = BIT(6),
    MB1_LOADER = BIT(9)
};
enum { MB2_END, MB2_CMDLINE, MB2_LOADER, MB2_MODULE, MB2_MAP = 6 };

static uint32_t word(uint32_t address)
{
    return *(const volatile uint32_t *)address;
}

static uint64_t quad(uint32_t address)
{
    return word(address) | (uint64_t)word(address + 4) << 32;
}

static void add_range(struct boot_info *info, uint64_t base, uint64_t size, uint32_t type)
{
    if (info->range_count < MAX_RANGES)
        info->ranges[info->range_count++] = (struct boot_range){base, size, type};
}

static void add_module(struct boot_info *info, uint32_t start, uint32_t end, uint32_t cmdline)
{
    if (info->module_count < MAX_MODULES)
        info->modules[info->module_count++] = (struct boot_module){start, end, (const char *)cmdline};
}

static void read_version1(uint32_t at, struct boot_info *info)
{
    uint32_t flags = word(at);

    if (flags & MB1_CMDLINE)
        info->cmdline = (const char *)word(at + 16);
    if (flags & MB1_LOADER)
        info->loader = (const char *)word(at + 64);
    for (uint32_t i = 0; (flags & MB1_MODULES) && i < word(at + 20); i++) {
        uint32_t m = word(at + 24) + i * 16;

        add_module(info, word(m), word(m + 4), word(m + 8));
    }
    if (flags & MB1_MAP) {
        uint32_t end = word(at + 48) + word(at + 44);

        for (uint32_t e = word(at + 48); e < end; e += word(e) + 4)
            add_range(info, quad(e + 4), quad(e + 12), word(e + 20));
    }
}

static void read_version2(uint32_t at, struct boot_info *info)
{
    uint32_t end = at + word(at);

    for (uint32_t tag = at + 8; tag < end && word(tag) != MB2_END; tag += (word(tag + 4) + 7) & ~7u) {
        switch (word(tag)) {
        case MB2_CMDLINE: info->cmdline = (const char *)(tag + 8); break;
        case MB2_LOADER: info->loader = (const char *)(tag + 8); break;
        case MB2_MODULE: add_module(info, word(tag + 8), word(tag + 12), tag + 16); break;
        case MB2_MAP:
            for (uint32_t e = tag + 16; e < tag + word(tag + 4); e += word(tag + 8))
                add_range(info, quad(e), quad(e + 8), word(e + 16));
            break;
        default: break;
        }
    }
}

void read_boot_info(uint32_t magic, uint32_t address, struct boot_info *info)
{
    info->cmdline = info->loader = "";
    if (magic == MB1_STARTED) {
        info->version = 1;
        read_version1(address, info);
    } else if (magic == MB2_STARTED) {
        info->version = 2;
        read_version2(address, info);
    }
}

/* The text behind key where a word of the command line begins with it, or NULL. */
static const char *find_word(const struct boot_info *info, const char *key)
{
    const char *at = info->cmdline;
    size_t n = strlen(key);

    while (*at) {
        size_t i = 0;

        while (i < n && at[i] == key[i])
            i++;
        if (i == n)
            return at + n;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return NULL;
}

bool boot_word(const struct boot_info *info, const char *text)
{
    const char *rest = find_word(info, text);

    return rest && (*rest == ' ' || !*rest);
}

static unsigned digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

uint32_t boot_number(const struct boot_info *info, const char *key, uint32_t otherwise)
{
    const char *at = find_word(info, key);
    uint32_t n = 0, base = 10;

    if (!at || *at++ != '=')
        return otherwise;
    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    for (; digit(*at) < base; at++)
        n = n * base + digit(*at);
    return n;
}

uint32_t memory_end(const struct boot_info *info)
{
    uint64_t end = 0;

    /* What the ACPI tables take from its end is memory too. */
    for (unsigned i = 0; i < info->range_count; i++) {
        const struct boot_range *r = &info->ranges[i];

        if (r->type != 2 && r->base < 0xc0000000u && r->base + r->size > end)
            end = r->base + r->size;
    }
    return (uint32_t)end;
}
