/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader tells: the Multiboot2 boot information (Multiboot2 Specification 2.0, "Boot
 * information format"), checked. Strings stay where they are: the original must be kept.
 */
#pragma once

#include "arch/x86/types.h"

#define BOOT_MAX_MODULES   64
#define BOOT_MAX_MEMORY    256
#define BOOT_STRING_SIZE   1024 /* with the zero at its end */
#define BOOT_MODULE_STRING 136

struct boot_module {
    hpa_t start;
    uint64_t size;      /* bytes */
    const char *string; /* what stands behind the file name in grub.cfg */
};

enum memory_type { MEMORY_USABLE = 1, MEMORY_RESERVED, MEMORY_ACPI, MEMORY_NVS, MEMORY_BAD };

/* Entries in the order of the loader, neighbours of one type joined, empty ones left out; may overlap. */
struct boot_memory {
    uint64_t base, size; /* bytes; base + size does not wrap around, but may be 2^64 */
    uint32_t type;       /* enum memory_type, or another number: reserved */
};

enum framebuffer_type { FRAMEBUFFER_INDEXED, FRAMEBUFFER_RGB, FRAMEBUFFER_TEXT };

struct color_field {
    uint8_t position, size; /* in bits */
};

struct boot_framebuffer {
    bool present;
    hpa_t address;
    uint32_t pitch;                      /* bytes per line, at least width * bpp / 8 */
    uint32_t width, height;              /* pixels, or characters when FRAMEBUFFER_TEXT */
    uint8_t bpp;                         /* bits per pixel; 16 when FRAMEBUFFER_TEXT */
    uint8_t type;                        /* enum framebuffer_type */
    struct color_field red, green, blue; /* FRAMEBUFFER_RGB only */
};

struct boot_info {
    const char *cmdline;
    char loader[64]; /* name of the boot loader, cut to fit */
    struct boot_module modules[BOOT_MAX_MODULES];
    unsigned module_count;
    struct boot_memory memory[BOOT_MAX_MEMORY];
    unsigned memory_count;
    unsigned memory_dropped; /* pieces that had no room: neither usable, nor ACPI's, nor over usable memory */
    uint8_t rsdp[36];        /* copy of the ACPI root pointer, the newer one if there are two */
    unsigned rsdp_size;      /* 36, 20 (ACPI 1.0), or 0: none */
    struct boot_framebuffer framebuffer;
    bool relocated; /* load_base is valid: the loader chose it */
    hpa_t load_base;
    bool efi_boot_services; /* were not left by the loader */
    hpa_t efi_system_table; /* 64-bit; 0: none */
    const void *efi_map;    /* UEFI memory descriptors inside mbi (not copied); NULL: none */
    uint32_t efi_map_size, efi_descriptor_size; /* bytes */
    uint32_t efi_descriptor_version;
};

/*
 * Reads the boot information at mbi, of which at most max bytes may be touched (8-byte aligned by the
 * specification, but that is not relied upon). False when it is malformed or more than fits: *why says what.
 */
bool multiboot2_parse(const void *mbi, size_t max, struct boot_info *out, const char **why);
