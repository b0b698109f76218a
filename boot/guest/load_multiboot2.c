/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot2 kernels (Multiboot2 Specification 2.0): header tags, and boot information made of tags. */
#include "boot/guest/load_firmware.h"

#define MB2_MAGIC   0xe85250d6
#define MB2_STARTED 0x36d76289
#define MB2_SEARCH  32768

struct header2 {
    const uint8_t *address, *entry; /* tags; NULL: absent */
};

static bool is_header2(const uint8_t *header, size_t size)
{
    uint32_t length = multiboot_word(header, 8);
    uint32_t sum = MB2_MAGIC + multiboot_word(header, 4) + length + multiboot_word(header, 12);

    return sum == 0 && length >= 16 && length <= size;
}

/* Others wait while a VM is reset: most places take one comparison. */
static bool find_header2(const uint8_t *data, size_t size, size_t *at)
{
    size_t end = MIN(size, MB2_SEARCH);

    for (*at = 0; *at + 16 <= end; *at += 8) {
        if (le32(data + *at) == MB2_MAGIC && is_header2(data + *at, end - *at))
            return true;
    }
    return false;
}

bool multiboot2_recognise(const uint8_t *data, size_t size)
{
    size_t at;

    return find_header2(data, size, &at);
}

/* What a kernel may ask to find in the boot information; those below are always there. */
static const char *const requests[] = {
    [INFO_CMDLINE] = "command line",
    [INFO_LOADER] = "boot loader name",
    [INFO_MODULE] = "modules",
    [INFO_BASIC] = "basic memory",
    [5] = "BIOS boot device",
    [INFO_MAP] = "memory map",
    [7] = "VBE",
    [INFO_FRAMEBUFFER] = "framebuffer",
    [9] = "ELF symbols",
    [10] = "APM table",
    [11] = "EFI 32-bit system table",
    [INFO_EFI_TABLE] = "EFI 64-bit system table",
    [13] = "SMBIOS tables",
    [INFO_RSDP_OLD] = "ACPI 1.0 root pointer",
    [INFO_RSDP] = "ACPI root pointer",
    [16] = "network",
    [INFO_EFI_MAP] = "EFI memory map",
    [18] = "EFI boot services",
    [19] = "EFI 32-bit image handle",
    [20] = "EFI 64-bit image handle",
    [21] = "load base",
};

_Static_assert(ARRAY_SIZE(requests) <= 32, "a bit for each");

static const uint32_t always =
    BIT(INFO_CMDLINE) | BIT(INFO_LOADER) | BIT(INFO_MODULE) | BIT(INFO_BASIC) | BIT(INFO_MAP);

static bool check_requests(struct loading *l, const uint8_t *tag, uint32_t size)
{
    uint32_t given = always | multiboot2_firmware_tags(l->target);

    for (uint32_t at = 8; size - at >= 4; at += 4) {
        uint32_t type = multiboot_word(tag, at);
        bool known = type < ARRAY_SIZE(requests) && requests[type] != NULL;

        if (!known || !(given & BIT(type)))
            return load_fail(
                l, "a Multiboot2 kernel that requires %s (information %u), which Skerry does not give",
                known ? requests[type] : "something unknown", type);
    }
    return true;
}

/* Tags that demand something of the machine, and that it is not there. */
static const struct {
    uint16_t type;
    const char *name;
} refused[] = {{5, "a framebuffer"}};

/* Tags that ask for nothing more than every image gets: alignment of modules, EFI entries and services, a
 * relocatable image. */
static const uint16_t harmless[] = {6, 7, 8, 9, 10};

static bool check_tag(struct loading *l, const uint8_t *tag, uint16_t type)
{
    if (type == 4) {
        if (multiboot_word(tag, 8) & 1)
            return load_fail(l,
                             "a Multiboot2 kernel that requires a console, expected none or the serial line");
        return true;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(harmless); i++) {
        if (harmless[i] == type)
            return true;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        if (refused[i].type == type)
            return load_fail(l, "a Multiboot2 kernel that requires %s, expected none", refused[i].name);
    }
    return load_fail(l, "a Multiboot2 kernel with the unknown required tag %u", type);
}

static bool take_header_tag(struct loading *l, struct header2 *h, const uint8_t *tag, uint32_t size)
{
    static const uint8_t least[] = {[1] = 8, [2] = 24, [3] = 12, [4] = 12};
    uint16_t type = (uint16_t)load_le(tag, 2);
    bool optional = tag[2] & 1;

    if (type < ARRAY_SIZE(least) && size < least[type])
        return load_fail(l, "Multiboot2 tag %u is cut off", type);
    if (type == 2)
        h->address = tag;
    else if (type == 3)
        h->entry = tag;
    else if (!optional)
        return type == 1 ? check_requests(l, tag, size) : check_tag(l, tag, type);
    return true;
}

static bool walk_tags(struct loading *l, struct header2 *h, const uint8_t *header)
{
    uint32_t length = multiboot_word(header, 8);

    for (uint32_t at = 16; length - at >= 8;) {
        uint32_t size = multiboot_word(header, at + 4);

        if (load_le(header + at, 2) == 0)
            return true;
        if (size < 8 || size > length - at)
            return load_fail(l, "a Multiboot2 header tag does not fit the header");
        if (!take_header_tag(l, h, header + at, size))
            return false;
        at += (uint32_t)MIN(ALIGN_UP(size, 8), length - at);
    }
    return load_fail(l, "a Multiboot2 header without end tag");
}

uint64_t block_begin_tag(struct block *b, uint32_t type)
{
    uint64_t start = b->used;

    block_put(b, type, 4);
    block_put(b, 8, 4);
    return start;
}

void block_end_tag(struct block *b, uint64_t start)
{
    block_patch(b, start + 4, b->used - start, 4);
    block_align(b, 8);
}

static void put_string_tag(struct block *b, uint32_t type, const char *text)
{
    uint64_t tag = block_begin_tag(b, type);

    block_string(b, text);
    block_end_tag(b, tag);
}

static void put_module_tags(const struct loading *l, const struct multiboot_plan *plan, struct block *b)
{
    for (unsigned i = 0; i < l->img->module_count; i++) {
        uint64_t tag = block_begin_tag(b, INFO_MODULE);

        block_put(b, plan->modules[i], 4);
        block_put(b, plan->modules[i] + l->img->modules[i].size, 4);
        block_string(b, l->img->modules[i].cmdline);
        block_end_tag(b, tag);
    }
}

static void put_memory_tags(const struct loading *l, struct block *b)
{
    const struct map_entry *map = l->target->map;
    uint64_t tag = block_begin_tag(b, INFO_BASIC);
    uint32_t lower, upper;

    multiboot_basic_memory(l, &lower, &upper);
    block_put(b, lower, 4);
    block_put(b, upper, 4);
    block_end_tag(b, tag);
    tag = block_begin_tag(b, INFO_MAP);
    block_put(b, 24, 4); /* bytes per entry */
    block_put(b, 0, 4);  /* version */
    for (unsigned i = 0; i < l->target->map_count; i++) {
        block_put(b, map[i].base, 8);
        block_put(b, map[i].size, 8);
        block_put(b, map[i].type, 8);
    }
    block_end_tag(b, tag);
}

static void build_info2(const struct loading *l, const struct multiboot_plan *plan, struct block *b)
{
    block_put(b, 0, 8); /* total size, reserved */
    put_string_tag(b, INFO_CMDLINE, l->img->cmdline);
    put_string_tag(b, INFO_LOADER, MULTIBOOT_LOADER_NAME);
    put_module_tags(l, plan, b);
    put_memory_tags(l, b);
    multiboot2_put_firmware(l, b);
    block_end_tag(b, block_begin_tag(b, 0));
    block_patch(b, 0, b->used, 4);
}

bool load_multiboot2(struct loading *l)
{
    const uint8_t *d = l->img->kernel.data;
    struct header2 h = {NULL, NULL};
    struct multiboot_plan plan = {0};
    size_t at;

    if (!find_header2(d, l->img->kernel.size, &at))
        return load_fail(l, "no Multiboot2 header, expected one in the first 32 KiB");
    if (multiboot_word(d, at + 4) != 0)
        return load_fail(l, "a Multiboot2 kernel for architecture %u, expected 0 (i386)",
                         multiboot_word(d, at + 4));
    if (!walk_tags(l, &h, d + at))
        return false;
    if (h.address != NULL) {
        struct address_fields f = {multiboot_word(h.address, 8), multiboot_word(h.address, 12),
                                   multiboot_word(h.address, 16), multiboot_word(h.address, 20)};

        if (h.entry == NULL)
            return load_fail(l, "a Multiboot2 address tag without entry tag, expected both");
        if (!multiboot_use_fields(l, &plan, at, &f))
            return false;
    } else if (!multiboot_use_elf(l, &plan)) {
        return false;
    }
    if (h.entry != NULL && !multiboot_set_entry(l, &plan, multiboot_word(h.entry, 8)))
        return false;
    return multiboot_finish(l, &plan, build_info2, MB2_STARTED);
}
