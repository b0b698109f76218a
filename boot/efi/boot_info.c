/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/boot_info.h"

#include "arch/x86/string.h"

enum {
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_LOADER = 2,
    TAG_MODULE = 3,
    TAG_MEMORY = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_EFI_TABLE = 12,
    TAG_RSDP_1 = 14,
    TAG_RSDP_2 = 15,
    TAG_EFI_MAP = 17,
    TAG_LOAD_BASE = 21
};
enum { USABLE = 1, RESERVED, RECLAIMABLE, NVS, DEFECTIVE };

#define ALIGNMENT   8
#define RGB         1
#define RSDP_1_SIZE 20
#define RSDP_LENGTH 20 /* where a newer one has its own */
#define RSDP_2_SIZE 36 /* of what the hypervisor reads */

static void put_bytes(struct boot_info_writer *w, const void *from, uint64_t size)
{
    if (size > w->room - w->used) {
        w->full = true;
        return;
    }
    memcpy(w->start + w->used, from, size);
    w->used += size;
}

static void put_number(struct boot_info_writer *w, uint64_t value, unsigned size)
{
    put_bytes(w, &value, size);
}

/* Where a tag begins: its size is written when it ends. */
static uint64_t begin_tag(struct boot_info_writer *w, uint32_t type)
{
    uint64_t at = w->used;

    put_number(w, type, 4);
    put_number(w, 0, 4);
    return at;
}

static void end_tag(struct boot_info_writer *w, uint64_t at)
{
    uint32_t size = (uint32_t)(w->used - at);

    if (w->full)
        return;
    memcpy(w->start + at + 4, &size, sizeof(size));
    put_number(w, 0, (unsigned)(ALIGN_UP(w->used, ALIGNMENT) - w->used));
}

static void put_tag(struct boot_info_writer *w, uint32_t type, const void *data, uint64_t size)
{
    uint64_t at = begin_tag(w, type);

    put_bytes(w, data, size);
    end_tag(w, at);
}

void boot_info_begin(struct boot_info_writer *w, void *at, uint64_t room)
{
    *w = (struct boot_info_writer){.start = at, .room = room};
    put_number(w, 0, 8); /* its size, and a reserved dword */
}

void boot_info_cmdline(struct boot_info_writer *w, const char *text)
{
    put_tag(w, TAG_CMDLINE, text, strlen(text) + 1);
}

void boot_info_loader(struct boot_info_writer *w, const char *name)
{
    put_tag(w, TAG_LOADER, name, strlen(name) + 1);
}

void boot_info_module(struct boot_info_writer *w, const void *data, uint64_t size, const char *name)
{
    uint64_t at = begin_tag(w, TAG_MODULE);

    put_number(w, (uint64_t)data, 4);
    put_number(w, (uint64_t)data + size, 4);
    put_bytes(w, name, strlen(name) + 1);
    end_tag(w, at);
}

void boot_info_load_base(struct boot_info_writer *w, uint32_t base)
{
    put_tag(w, TAG_LOAD_BASE, &base, sizeof(base));
}

/* --- what the firmware has --- */

static bool same_guid(const EFI_GUID *a, EFI_GUID b)
{
    return memcmp(a, &b, sizeof(b)) == 0;
}

void boot_info_system_table(struct boot_info_writer *w, const EFI_SYSTEM_TABLE *table)
{
    put_tag(w, TAG_EFI_TABLE, &table, sizeof(table));
    for (UINTN i = 0; i < table->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &table->ConfigurationTable[i];

        if (same_guid(&entry->VendorGuid, (EFI_GUID)ACPI_TABLE_GUID))
            put_tag(w, TAG_RSDP_1, entry->VendorTable, RSDP_1_SIZE);
        if (same_guid(&entry->VendorGuid, (EFI_GUID)ACPI_20_TABLE_GUID))
            put_tag(w, TAG_RSDP_2, entry->VendorTable, RSDP_2_SIZE);
    }
}

/* Position and length of a mask's run of ones. */
static uint16_t field_of_mask(uint32_t mask)
{
    unsigned first = mask ? (unsigned)__builtin_ctz(mask) : 0;
    unsigned end = mask ? 32 - (unsigned)__builtin_clz(mask) : 0;

    return (uint16_t)(first | (end - first) << 8);
}

static bool colours_of(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info, uint16_t rgb[3])
{
    static const uint32_t orders[][3] = {
        [PixelRedGreenBlueReserved8BitPerColor] = {0xff, 0xff00, 0xff0000},
        [PixelBlueGreenRedReserved8BitPerColor] = {0xff0000, 0xff00, 0xff},
    };
    const EFI_PIXEL_BITMASK *m = &info->PixelInformation;
    const uint32_t own[] = {m->RedMask, m->GreenMask, m->BlueMask};

    if (info->PixelFormat > PixelBitMask)
        return false; /* there are no pixels in memory */
    for (unsigned i = 0; i < 3; i++)
        rgb[i] = field_of_mask(info->PixelFormat == PixelBitMask ? own[i] : orders[info->PixelFormat][i]);
    return true;
}

void boot_info_framebuffer(struct boot_info_writer *w, const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode)
{
    uint16_t rgb[3];
    uint64_t at;

    if (!colours_of(mode->Info, rgb))
        return;
    at = begin_tag(w, TAG_FRAMEBUFFER);
    put_number(w, mode->FrameBufferBase, 8);
    put_number(w, mode->Info->PixelsPerScanLine * 4, 4);
    put_number(w, mode->Info->HorizontalResolution, 4);
    put_number(w, mode->Info->VerticalResolution, 4);
    put_number(w, 32, 1);
    put_number(w, RGB, 1);
    put_number(w, 0, 2);
    put_bytes(w, rgb, sizeof(rgb));
    end_tag(w, at);
}

/* --- memory --- */

/* UEFI 2.10, table 7.10 "Memory Type Usage after ExitBootServices()". */
static uint32_t kind_of_memory(uint32_t type)
{
    switch (type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiConventionalMemory: return USABLE;
    case EfiACPIReclaimMemory: return RECLAIMABLE;
    case EfiACPIMemoryNVS: return NVS;
    case EfiUnusableMemory: return DEFECTIVE;
    default: return RESERVED;
    }
}

struct piece {
    uint64_t base, size;
    uint32_t kind;
};

static void put_piece(struct boot_info_writer *w, const struct piece *p)
{
    if (!p->size)
        return;
    put_number(w, p->base, 8);
    put_number(w, p->size, 8);
    put_number(w, p->kind, 8);
}

/* Neighbours of a kind are one piece. */
static void put_pieces(struct boot_info_writer *w, const struct efi_map *map)
{
    struct piece last = {0, 0, 0};

    for (uint64_t at = 0; at + map->step <= map->size; at += map->step) {
        const EFI_MEMORY_DESCRIPTOR *d = (const void *)((const uint8_t *)map->descriptors + at);
        struct piece p = {d->PhysicalStart, d->NumberOfPages * PAGE_SIZE, kind_of_memory(d->Type)};

        if (p.kind == last.kind && p.base == last.base + last.size) {
            last.size += p.size;
            continue;
        }
        put_piece(w, &last);
        last = p;
    }
    put_piece(w, &last);
}

void boot_info_memory(struct boot_info_writer *w, const struct efi_map *map)
{
    uint64_t at = begin_tag(w, TAG_MEMORY);

    put_number(w, sizeof(struct piece), 4); /* of an entry */
    put_number(w, 0, 4);                    /* its version */
    put_pieces(w, map);
    end_tag(w, at);

    at = begin_tag(w, TAG_EFI_MAP);
    put_number(w, map->step, 4);
    put_number(w, map->version, 4);
    put_bytes(w, map->descriptors, map->size);
    end_tag(w, at);
}

bool boot_info_end(struct boot_info_writer *w)
{
    uint32_t size;

    put_tag(w, TAG_END, w->start, 0);
    size = (uint32_t)w->used;
    if (!w->full)
        memcpy(w->start, &size, sizeof(size));
    return !w->full;
}
