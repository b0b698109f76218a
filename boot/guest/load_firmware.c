/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/guest/load_firmware.h"

#include "arch/x86/string.h"

/* --- Multiboot2 --- */

uint32_t multiboot2_firmware_tags(const struct load_target *t)
{
    const struct boot_info *m = t->machine;
    uint32_t tags = t->rsdp_size == 0 ? 0 : t->rsdp_size < 36 ? BIT(INFO_RSDP_OLD) : BIT(INFO_RSDP);

    if (m == NULL)
        return tags;
    if (m->framebuffer.present && m->framebuffer.type != FRAMEBUFFER_INDEXED)
        tags |= BIT(INFO_FRAMEBUFFER);
    if (m->efi_system_table.value != 0)
        tags |= BIT(INFO_EFI_TABLE);
    if (m->efi_map != NULL)
        tags |= BIT(INFO_EFI_MAP);
    return tags;
}

static void put_color(struct block *b, const struct color_field *c)
{
    block_put(b, c->position, 1);
    block_put(b, c->size, 1);
}

static void put_framebuffer(struct block *b, const struct boot_framebuffer *f)
{
    block_put(b, f->address.value, 8);
    block_put(b, f->pitch, 4);
    block_put(b, f->width, 4);
    block_put(b, f->height, 4);
    block_put(b, f->bpp, 1);
    block_put(b, f->type, 1);
    block_put(b, 0, 2);
    if (f->type != FRAMEBUFFER_RGB)
        return;
    put_color(b, &f->red);
    put_color(b, &f->green);
    put_color(b, &f->blue);
}

static void put_tag(const struct load_target *t, struct block *b, uint32_t type)
{
    const struct boot_info *m = t->machine;
    uint64_t tag = block_begin_tag(b, type);

    if (type == INFO_FRAMEBUFFER) {
        put_framebuffer(b, &m->framebuffer);
    } else if (type == INFO_EFI_TABLE) {
        block_put(b, m->efi_system_table.value, 8);
    } else if (type == INFO_EFI_MAP) {
        block_put(b, m->efi_descriptor_size, 4);
        block_put(b, m->efi_descriptor_version, 4);
        block_bytes(b, m->efi_map, m->efi_map_size);
    } else {
        block_bytes(b, t->rsdp, t->rsdp_size);
    }
    block_end_tag(b, tag);
}

void multiboot2_put_firmware(const struct loading *l, struct block *b)
{
    uint32_t tags = multiboot2_firmware_tags(l->target);

    for (uint32_t type = 0; type < 32; type++) {
        if (tags & BIT(type))
            put_tag(l->target, b, type);
    }
}

/* --- Linux: Documentation/arch/x86/zero-page.rst, struct screen_info and struct efi_info --- */

enum {
    SCREEN_MODE = 0x06,
    SCREEN_COLUMNS = 0x07,
    SCREEN_LINES = 0x0e,
    SCREEN_IS_VGA = 0x0f,
    SCREEN_POINTS = 0x10,
    LFB_WIDTH = 0x12,
    LFB_HEIGHT = 0x14,
    LFB_DEPTH = 0x16,
    LFB_BASE = 0x18,
    LFB_SIZE = 0x1c,
    LFB_PITCH = 0x24,
    LFB_COLORS = 0x26, /* size and position of red, green, blue, reserved */
    LFB_CAPABILITIES = 0x36,
    LFB_BASE_HIGH = 0x3a,
    EFI_SIGNATURE = 0x1c0,
    EFI_TABLE = 0x1c4,
    EFI_DESCRIPTOR_SIZE = 0x1c8,
    EFI_DESCRIPTOR_VERSION = 0x1cc,
    EFI_MAP = 0x1d0,
    EFI_MAP_SIZE = 0x1d4,
    EFI_TABLE_HIGH = 0x1d8,
};

enum { VIDEO_VGA_TEXT = 0x01, VIDEO_VESA = 0x23, VIDEO_EFI = 0x70, BASE_IS_64_BIT = 2 };

bool linux_place_efi_map(struct loading *l, uint64_t *at)
{
    const struct boot_info *m = l->target->machine;

    *at = 0;
    return m == NULL || m->efi_map == NULL || load_low(l, m->efi_map_size, PAGE_SIZE, at);
}

static void write_text_screen(uint8_t *z, const struct boot_framebuffer *f)
{
    z[SCREEN_MODE] = 3;
    z[SCREEN_COLUMNS] = (uint8_t)f->width;
    z[SCREEN_LINES] = (uint8_t)f->height;
    z[SCREEN_IS_VGA] = VIDEO_VGA_TEXT;
    z[SCREEN_POINTS] = 16;
}

static void write_framebuffer(uint8_t *z, const struct boot_framebuffer *f, bool efi)
{
    const struct color_field *colors[] = {&f->red, &f->green, &f->blue};
    uint64_t size = (uint64_t)f->pitch * f->height;

    z[SCREEN_IS_VGA] = efi ? VIDEO_EFI : VIDEO_VESA;
    store_le(z + LFB_WIDTH, f->width, 2);
    store_le(z + LFB_HEIGHT, f->height, 2);
    store_le(z + LFB_DEPTH, f->bpp, 2);
    store_le(z + LFB_BASE, f->address.value, 4);
    store_le(z + LFB_BASE_HIGH, f->address.value >> 32, 4);
    store_le(z + LFB_SIZE, efi ? size : (size + 0xffff) >> 16, 4); /* VESA counts in 64 KiB */
    store_le(z + LFB_PITCH, f->pitch, 2);
    store_le(z + LFB_CAPABILITIES, BASE_IS_64_BIT, 4);
    for (unsigned i = 0; i < ARRAY_SIZE(colors); i++) {
        z[LFB_COLORS + 2 * i] = colors[i]->size;
        z[LFB_COLORS + 2 * i + 1] = colors[i]->position;
    }
}

void linux_write_firmware(const struct loading *l, uint8_t *z, uint64_t efi_map)
{
    const struct boot_info *m = l->target->machine;

    if (m == NULL)
        return;
    if (m->framebuffer.present && m->framebuffer.type == FRAMEBUFFER_TEXT)
        write_text_screen(z, &m->framebuffer);
    if (m->framebuffer.present && m->framebuffer.type == FRAMEBUFFER_RGB)
        write_framebuffer(z, &m->framebuffer, m->efi_system_table.value != 0);
    if (m->efi_system_table.value == 0 || efi_map == 0)
        return;
    memcpy(z + EFI_SIGNATURE, "EL64", 4);
    store_le(z + EFI_TABLE, m->efi_system_table.value, 4);
    store_le(z + EFI_TABLE_HIGH, m->efi_system_table.value >> 32, 4);
    store_le(z + EFI_DESCRIPTOR_SIZE, m->efi_descriptor_size, 4);
    store_le(z + EFI_DESCRIPTOR_VERSION, m->efi_descriptor_version, 4);
    store_le(z + EFI_MAP, efi_map, 4);
    store_le(z + EFI_MAP_SIZE, m->efi_map_size, 4);
}
