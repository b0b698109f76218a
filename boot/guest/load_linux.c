/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux bzImage through the 64-bit boot protocol, or the 32-bit one where it has no other entry
 * (Documentation/arch/x86/boot.rst and zero-page.rst in the Linux sources). Offsets below are those of the
 * setup header, which are the same in the file and the zero page.
 */
#include "boot/guest/load_firmware.h"

#include "arch/x86/string.h"

#define OLDEST_VERSION 0x20a /* the first that says where it runs and how much memory it takes there */
#define XLOAD_VERSION  0x20c /* the first with flags of 64-bit entries */
#define ENTRY_OFFSET \
    0x200 /* of the 64-bit entry point in the protected-mode part; the 32-bit one begins it */
#define HEADER_START 0x1f1
#define HEADER_LIMIT 0x290 /* the zero page has other contents from here on */
#define E820_MAX     128
#define PAGE_TABLES  6 /* PML4, PDPT and one directory per GiB below 4 GiB */

enum {
    ACPI_RSDP = 0x070,
    E820_COUNT = 0x1e8,
    SETUP_SECTS = 0x1f1,
    BOOT_FLAG = 0x1fe,
    JUMP_LENGTH = 0x201,
    MAGIC = 0x202,
    VERSION = 0x206,
    LOADER_TYPE = 0x210,
    LOAD_FLAGS = 0x211,
    CODE32_START = 0x214,
    INITRD_ADDRESS = 0x218,
    INITRD_SIZE = 0x21c,
    HEAP_END = 0x224,
    CMDLINE_POINTER = 0x228,
    INITRD_MAX = 0x22c,
    ALIGNMENT = 0x230,
    RELOCATABLE = 0x234,
    XLOAD_FLAGS = 0x236,
    CMDLINE_SIZE = 0x238,
    SETUP_DATA = 0x250,
    PREF_ADDRESS = 0x258,
    INIT_SIZE = 0x260,
    HEADER_END = 0x264,
    E820_TABLE = 0x2d0,
};

_Static_assert(E820_TABLE + E820_MAX * 20 == 0xcd0 && E820_MAX <= UINT8_MAX, "fixed by zero-page.rst");
_Static_assert(HEADER_START < MAGIC && HEADER_END <= HEADER_LIMIT && HEADER_LIMIT <= E820_TABLE,
               "the copied header ends before the map");
_Static_assert(PAGE_TABLES == 2 + REACHABLE / PAGE_1G, "all that is reachable is mapped");

enum { LOADED_HIGH = 0x01, CAN_USE_HEAP = 0x80, XLF_KERNEL_64 = 1 };

struct linux_plan {
    const uint8_t *payload; /* the protected-mode part of the file */
    size_t payload_size;
    bool long_mode;                                                    /* enters it there */
    uint64_t kernel, initrd, cmdline, zero_page, tables, gdt, efi_map; /* where they go */
    const struct blob *initrd_file;                                    /* NULL: none */
};

static uint64_t header_field(const struct loading *l, unsigned at, unsigned n)
{
    return load_le((const uint8_t *)l->img->kernel.data + at, n);
}

bool linux_recognise(const uint8_t *data, size_t size)
{
    return size >= HEADER_END && load_le(data + BOOT_FLAG, 2) == 0xaa55 &&
           memcmp(data + MAGIC, "HdrS", 4) == 0;
}

static bool check_setup_header(struct loading *l, struct linux_plan *plan)
{
    size_t size = l->img->kernel.size, setup;

    if (!linux_recognise(l->img->kernel.data, size))
        return load_fail(l, "no Linux kernel, expected a bzImage");
    if (header_field(l, VERSION, 2) < OLDEST_VERSION)
        return load_fail(l, "boot protocol %lu.%02lu, expected 2.10 or newer",
                         (unsigned long)header_field(l, VERSION + 1, 1),
                         (unsigned long)header_field(l, VERSION, 1));
    if (!(header_field(l, LOAD_FLAGS, 1) & LOADED_HIGH))
        return load_fail(l, "a kernel that is loaded below 1 MiB (zImage), expected a bzImage");
    setup = (header_field(l, SETUP_SECTS, 1) == 0 ? 4 : header_field(l, SETUP_SECTS, 1)) * 512 + 512;
    if (size <= setup || size - setup <= ENTRY_OFFSET)
        return load_fail(l, "a bzImage of %lu bytes is cut off, expected more than %lu", (unsigned long)size,
                         (unsigned long)(setup + ENTRY_OFFSET));
    if (l->target->map_count > E820_MAX)
        return load_fail(l, "a memory map of %u entries, expected at most %u", l->target->map_count,
                         E820_MAX);
    plan->payload = (const uint8_t *)l->img->kernel.data + setup;
    plan->payload_size = size - setup;
    plan->long_mode =
        header_field(l, VERSION, 2) >= XLOAD_VERSION && (header_field(l, XLOAD_FLAGS, 2) & XLF_KERNEL_64);
    return true;
}

static bool place_kernel(struct loading *l, struct linux_plan *plan)
{
    uint64_t size = MAX(header_field(l, INIT_SIZE, 4), plan->payload_size);
    uint64_t align = header_field(l, ALIGNMENT, 4);

    plan->kernel = header_field(l, PREF_ADDRESS, 8);
    if (plan->kernel >= MIB && load_take(l, plan->kernel, size))
        return true;
    /* Only upwards: a relocatable kernel that is loaded lower still unpacks itself at its preferred address.
     */
    if (header_field(l, RELOCATABLE, 1) != 0 && align != 0 && (align & (align - 1)) == 0 &&
        plan->kernel < REACHABLE &&
        load_lowest(l, MAX(MIB, plan->kernel), REACHABLE, size, MAX(align, PAGE_SIZE), &plan->kernel))
        return true;
    return load_fail(
        l, "no place for the kernel, expected %lu KiB of free memory at %lxh or a multiple of %lxh",
        (unsigned long)(size / KIB), (unsigned long)header_field(l, PREF_ADDRESS, 8), (unsigned long)align);
}

static bool place_initrd(struct loading *l, struct linux_plan *plan)
{
    uint64_t below = MIN(header_field(l, INITRD_MAX, 4) + 1, REACHABLE);

    if (l->img->module_count > 1)
        return load_fail(l, "%u modules for a Linux kernel, expected one initrd", l->img->module_count);
    if (l->img->module_count == 0 || l->img->modules[0].size == 0)
        return true;
    plan->initrd_file = &l->img->modules[0];
    if (below <= MIB || !load_highest(l, MIB, below, plan->initrd_file->size, PAGE_SIZE, &plan->initrd))
        return load_fail(l, "no place for an initrd of %lu KiB, expected more memory",
                         (unsigned long)(plan->initrd_file->size / KIB));
    return true;
}

static bool place_low(struct loading *l, struct linux_plan *plan)
{
    size_t length = strlen(l->img->cmdline);

    if (length > header_field(l, CMDLINE_SIZE, 4))
        return load_fail(l, "a command line of %lu characters, expected at most %lu for this kernel",
                         (unsigned long)length, (unsigned long)header_field(l, CMDLINE_SIZE, 4));
    return load_low(l, PAGE_SIZE, PAGE_SIZE, &plan->zero_page) &&
           load_low(l, length + 1, 16, &plan->cmdline) &&
           (!plan->long_mode || load_low(l, PAGE_TABLES * PAGE_SIZE, PAGE_SIZE, &plan->tables)) &&
           load_low(l, LOAD_GDT_SIZE, 16, &plan->gdt) && linux_place_efi_map(l, &plan->efi_map);
}

static void write_e820(const struct loading *l, uint8_t *zero_page)
{
    const struct map_entry *map = l->target->map;
    uint8_t *entry = zero_page + E820_TABLE;

    for (unsigned i = 0; i < l->target->map_count; i++, entry += 20) {
        store_le(entry, map[i].base, 8);
        store_le(entry + 8, map[i].size, 8);
        store_le(entry + 16, map[i].type, 4);
    }
    zero_page[E820_COUNT] = (uint8_t)l->target->map_count;
}

static void write_zero_page(struct loading *l, const struct linux_plan *plan)
{
    const uint8_t *file = l->img->kernel.data;
    size_t end = MIN(MIN((size_t)MAGIC + file[JUMP_LENGTH], HEADER_LIMIT), l->img->kernel.size);
    uint8_t *z = load_map(l, plan->zero_page, PAGE_SIZE);

    if (z == NULL)
        return;
    memset(z, 0, PAGE_SIZE);
    memcpy(z + HEADER_START, file + HEADER_START, end - HEADER_START);
    z[LOADER_TYPE] = 0xff;
    z[LOAD_FLAGS] |= CAN_USE_HEAP;
    store_le(z + HEAP_END, 0xfe00, 2);
    store_le(z + CODE32_START, plan->kernel, 4);
    store_le(z + CMDLINE_POINTER, plan->cmdline, 4);
    store_le(z + SETUP_DATA, 0, 8);
    store_le(z + INITRD_ADDRESS, plan->initrd, 4);
    store_le(z + INITRD_SIZE, plan->initrd_file != NULL ? plan->initrd_file->size : 0, 4);
    store_le(z + ACPI_RSDP, l->img->acpi_rsdp.value, 8);
    write_e820(l, z);
    linux_write_firmware(l, z, plan->efi_map);
}

/* Identity mapping of the first 4 GiB with 2 MiB pages: all present, writable, and already accessed and
 * dirty. */
static void write_page_tables(struct loading *l, uint64_t at)
{
    uint64_t *table = load_map(l, at, PAGE_TABLES * PAGE_SIZE);

    if (table == NULL)
        return;
    memset(table, 0, 2 * PAGE_SIZE);
    table[0] = (at + PAGE_SIZE) | 0x23;
    for (unsigned i = 0; i < 4; i++)
        table[512 + i] = (at + (2 + i) * PAGE_SIZE) | 0x23;
    for (unsigned i = 0; i < 4 * 512; i++)
        table[2 * 512 + i] = i * PAGE_2M | 0xe3;
}

bool load_linux(struct loading *l)
{
    struct linux_plan plan = {0};

    if (!check_setup_header(l, &plan) || !place_low(l, &plan) || !place_kernel(l, &plan) ||
        !place_initrd(l, &plan))
        return false;

    load_copy(l, plan.kernel, plan.payload, plan.payload_size);
    if (plan.initrd_file != NULL)
        load_copy(l, plan.initrd, plan.initrd_file->data, plan.initrd_file->size);
    if (plan.efi_map != 0)
        load_copy(l, plan.efi_map, l->target->machine->efi_map, l->target->machine->efi_map_size);
    load_copy(l, plan.cmdline, l->img->cmdline, strlen(l->img->cmdline) + 1);
    write_zero_page(l, &plan);
    if (plan.long_mode)
        write_page_tables(l, plan.tables);

    l->start->mode = plan.long_mode ? 64 : 32;
    l->start->rip = plan.kernel + (plan.long_mode ? ENTRY_OFFSET : 0);
    l->start->rsi = plan.zero_page;
    l->start->cr3 = plan.tables;
    load_gdt(l, plan.gdt);
    return true;
}
