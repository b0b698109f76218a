/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot2 boot information: a walk over the tags with one row per tag that is understood. */
#include "arch/x86/multiboot2.h"

#include "arch/x86/string.h"

#define INFO_HEADER 8
#define TAG_HEADER  8
#define TAG_END     0

_Static_assert(BOOT_MAX_MODULES == 64 && BOOT_MAX_MEMORY == 256 && BOOT_STRING_SIZE == 1024 &&
                   BOOT_MODULE_STRING == 136,
               "what is refused says so");

/* Each takes a whole tag, header included, of at least the size in its row. NULL, or what is wrong. */
typedef const char *tag_handler(const uint8_t *tag, uint32_t size, struct boot_info *out);

/* The string that ends a tag; NULL when it has no end or needs more room. */
static const char *take_string(const uint8_t *from, size_t size, size_t room)
{
    const char *s = (const char *)from;
    size_t length = strnlen(s, size);

    return length < size && length < room ? s : NULL;
}

static const char *take_cmdline(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    out->cmdline = take_string(tag + 8, size - 8, BOOT_STRING_SIZE);
    if (!out->cmdline)
        return "the command line has more than 1023 characters or no end";
    return NULL;
}

static const char *take_loader(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    size_t length = MIN(strnlen((const char *)tag + 8, size - 8), sizeof(out->loader) - 1);

    memcpy(out->loader, tag + 8, length);
    out->loader[length] = '\0';
    return NULL;
}

static const char *take_module(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    struct boot_module *m = &out->modules[out->module_count];
    uint32_t start = le32(tag + 8), end = le32(tag + 12);

    if (out->module_count == BOOT_MAX_MODULES)
        return "more than 64 modules";
    if (end < start)
        return "a module ends before it starts";
    m->string = take_string(tag + 16, size - 16, BOOT_MODULE_STRING);
    if (!m->string)
        return "the string of a module has more than 135 characters or no end";
    m->start = hpa(start);
    m->size = end - start;
    out->module_count++;
    return NULL;
}

/* Whether one of the memory map's entries, size bytes of them at "at", is usable memory inside p. */
static bool touches_usable(const uint8_t *at, uint32_t size, uint32_t entry, const struct boot_memory *p)
{
    for (; size >= entry; at += entry, size -= entry) {
        uint64_t base = le64(at), length = le64(at + 8);

        if (le32(at + 16) == MEMORY_USABLE &&
            (base < p->base ? length > p->base - base : p->size > base - p->base))
            return true;
    }
    return false;
}

/* Memory is taken from usable pieces only: p is not needed where it keeps none from being taken. */
static bool can_go(const uint8_t *tag, uint32_t size, const struct boot_memory *p)
{
    return p->type != MEMORY_USABLE && p->type != MEMORY_ACPI &&
           !touches_usable(tag + 16, size - 16, le32(tag + 8), p);
}

/* The last piece that can go, of those that are there. */
static bool make_room(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    for (unsigned i = out->memory_count; i-- > 0;) {
        if (!can_go(tag, size, &out->memory[i]))
            continue;
        out->memory_count--;
        memmove(&out->memory[i], &out->memory[i + 1], (out->memory_count - i) * sizeof(out->memory[0]));
        return true;
    }
    return false;
}

static const char *append_memory(const uint8_t *tag, uint32_t size, struct boot_memory piece,
                                 struct boot_info *out)
{
    if (out->memory_count == BOOT_MAX_MEMORY) {
        out->memory_dropped++;
        if (can_go(tag, size, &piece))
            return NULL;
        if (!make_room(tag, size, out))
            return "more than 256 separate pieces of memory that is usable or that ACPI uses";
    }
    out->memory[out->memory_count++] = piece;
    return NULL;
}

static const char *add_memory(const uint8_t *tag, uint32_t tag_size, struct boot_info *out, uint64_t base,
                              uint64_t size, uint32_t type)
{
    struct boot_memory *last = out->memory_count > 0 ? &out->memory[out->memory_count - 1] : NULL;

    if (size == 0)
        return NULL;
    if (size - 1 > UINT64_MAX - base)
        return "a memory map entry wraps around";
    /* Compared without adding up: an end may be 2^64. */
    if (last != NULL && last->type == type && base > last->base && base - last->base == last->size &&
        size <= UINT64_MAX - last->size) {
        last->size += size;
        return NULL;
    }
    return append_memory(tag, tag_size, (struct boot_memory){base, size, type}, out);
}

static const char *take_memory(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    uint32_t entry = le32(tag + 8);
    const char *wrong = NULL;

    if (entry < 24)
        return "memory map entries of less than 24 bytes";
    for (uint32_t at = 16; size - at >= entry && wrong == NULL; at += entry)
        wrong = add_memory(tag, size, out, le64(tag + at), le64(tag + at + 8), le32(tag + at + 16));
    return wrong;
}

static const char *take_rsdp(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    unsigned length = le32(tag) == 14 ? 20 : 36;

    _Static_assert(sizeof(out->rsdp) == 36, "either of them fits");
    if (size - 8 < length)
        return "the ACPI root pointer is cut off";
    if (out->rsdp_size < length) {
        memcpy(out->rsdp, tag + 8, length);
        out->rsdp_size = length;
    }
    return NULL;
}

static struct color_field color(const uint8_t *at)
{
    return (struct color_field){at[0], at[1]};
}

static const char *take_framebuffer(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    struct boot_framebuffer *f = &out->framebuffer;

    *f = (struct boot_framebuffer){
        .address = hpa(le64(tag + 8)),
        .pitch = le32(tag + 16),
        .width = le32(tag + 20),
        .height = le32(tag + 24),
        .bpp = tag[28],
        .type = tag[29],
    };
    /* One that contradicts itself is no reason not to boot, but it is not drawn to. */
    if ((uint64_t)f->width * f->bpp / 8 > f->pitch || (uint64_t)f->pitch * f->height > GIB ||
        f->address.value > UINT64_MAX - GIB)
        return NULL;
    if (f->type == FRAMEBUFFER_RGB) {
        if (size < 38)
            return NULL;
        f->red = color(tag + 32);
        f->green = color(tag + 34);
        f->blue = color(tag + 36);
    }
    f->present = f->width > 0 && f->height > 0;
    return NULL;
}

static const char *take_load_base(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    (void)size;
    out->load_base = hpa(le32(tag + 8));
    out->relocated = true;
    return NULL;
}

static const char *take_efi_table(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    (void)size;
    out->efi_system_table = hpa(le64(tag + 8));
    return NULL;
}

static const char *take_efi_map(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    out->efi_map = tag + 16;
    out->efi_map_size = size - 16;
    out->efi_descriptor_size = le32(tag + 8);
    out->efi_descriptor_version = le32(tag + 12);
    return NULL;
}

static const char *take_efi_services(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    (void)tag;
    (void)size;
    out->efi_boot_services = true;
    return NULL;
}

static const struct {
    uint32_t type, least; /* least size with the tag's header */
    tag_handler *take;
} tags[] = {
    {1, 9, take_cmdline},      {2, 9, take_loader},        {3, 17, take_module},     {6, 16, take_memory},
    {8, 32, take_framebuffer}, {12, 16, take_efi_table},   {14, 28, take_rsdp},      {15, 44, take_rsdp},
    {17, 16, take_efi_map},    {18, 8, take_efi_services}, {21, 12, take_load_base},
};

static const char *take_tag(const uint8_t *tag, uint32_t size, struct boot_info *out)
{
    uint32_t type = le32(tag);

    for (unsigned i = 0; i < ARRAY_SIZE(tags); i++) {
        if (tags[i].type == type)
            return size < tags[i].least ? "a tag is shorter than its contents" : tags[i].take(tag, size, out);
    }
    return NULL;
}

static const char *walk(const uint8_t *mbi, uint32_t total, struct boot_info *out)
{
    const char *wrong = NULL;

    for (uint32_t at = INFO_HEADER; wrong == NULL;) {
        uint32_t size;

        if (total - at < TAG_HEADER)
            return "no end tag";
        size = le32(mbi + at + 4);
        if (size < TAG_HEADER || size > total - at)
            return "a tag is larger than what is left";
        if (le32(mbi + at) == TAG_END)
            return NULL;
        wrong = take_tag(mbi + at, size, out);
        at += (uint32_t)MIN(ALIGN_UP(size, 8), total - at);
    }
    return wrong;
}

bool multiboot2_parse(const void *mbi, size_t max, struct boot_info *out, const char **why)
{
    const char *wrong = "the boot information is larger than what can be read";

    memset(out, 0, sizeof(*out));
    out->cmdline = "";
    if (max >= INFO_HEADER && le32(mbi) >= INFO_HEADER && le32(mbi) <= max)
        wrong = walk(mbi, le32(mbi), out);
    *why = wrong;
    return wrong == NULL;
}
