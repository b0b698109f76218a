/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UEFI firmware for a test: a volume with files, memory that may run out, a screen, and boot services that
 * count what is taken and given back, and know who calls them when nobody may.
 */
#pragma once

#include "tests/unit/unit.h"

#include "arch/x86/types.h"

#include <efi.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FAKE_FILES 16
#define FAKE_PAGES 128
#define FAKE_STEP  48 /* of OVMF's map */
#define FAKE_MAP   6

struct fake_file {
    const char *path; /* as the firmware is asked for it */
    const void *data;
    uint64_t size, promised; /* promised: by GetInfo, 0: the size */
    bool broken;             /* reads fail */
    bool folder;
};

static struct {
    struct fake_file files[FAKE_FILES];
    unsigned count;
    void *pages[FAKE_PAGES];
    UINTN page_counts[FAKE_PAGES];
    unsigned taken, allocations, fail_at; /* the allocation that fails, counted from 1; 0: none */
    unsigned stale, exits;                /* how often a key is stale; calls of ExitBootServices */
    bool gone, exiting, called_late;
    char said[8192];
    UINT8 secure;
    EFI_LOADED_IMAGE self;
    EFI_FILE_IO_INTERFACE volume;
    bool has_volume, has_screen;
    EFI_GRAPHICS_OUTPUT_MODE_INFORMATION mode_info;
    EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode;
    EFI_GRAPHICS_OUTPUT_PROTOCOL screen;
    uint8_t map[FAKE_MAP * FAKE_STEP];
    uint8_t rsdp[36];
    EFI_CONFIGURATION_TABLE tables[2];
    SIMPLE_TEXT_OUTPUT_INTERFACE out;
    SIMPLE_INPUT_INTERFACE in;
    EFI_BOOT_SERVICES boot;
    EFI_RUNTIME_SERVICES runtime;
    EFI_SYSTEM_TABLE table;
    bool has_tpm;
    uint8_t tpm_present;
    EFI_STATUS tpm_status; /* of a measurement */
    char measured[1024];   /* "PCR name size;" each */
    jmp_buf jumped;
    uint32_t entry, info;
} fake;

/* None but two, from the first try to leave on. */
static void fake_called(void)
{
    if (fake.exiting)
        fake.called_late = true;
}

/* --- files --- */

struct fake_handle {
    EFI_FILE file;
    const struct fake_file *of;
    uint64_t at;
};

static unsigned fake_open_handles;

static EFI_STATUS EFIAPI fake_close(EFI_FILE_HANDLE handle)
{
    fake_called();
    fake_open_handles--;
    free(handle);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_read(EFI_FILE_HANDLE handle, UINTN *size, VOID *to)
{
    struct fake_handle *h = (struct fake_handle *)handle;
    uint64_t left = h->of->size - h->at;

    fake_called();
    if (h->of->broken)
        return EFI_DEVICE_ERROR;
    *size = *size < left ? *size : left;
    memcpy(to, (const uint8_t *)h->of->data + h->at, *size);
    h->at += *size;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_info(EFI_FILE_HANDLE handle, EFI_GUID *guid, UINTN *size, VOID *to)
{
    const struct fake_handle *h = (struct fake_handle *)handle;
    EFI_FILE_INFO info = {.FileSize = h->of->promised ? h->of->promised : h->of->size,
                          .Attribute = h->of->folder ? EFI_FILE_DIRECTORY : 0};

    (void)guid;
    fake_called();
    if (*size < sizeof(info))
        return EFI_BUFFER_TOO_SMALL;
    memcpy(to, &info, sizeof(info));
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *path, UINT64 mode,
                                   UINT64 attributes);

static EFI_FILE_HANDLE fake_handle(const struct fake_file *of)
{
    struct fake_handle *h = calloc(1, sizeof(*h));

    h->file = (EFI_FILE){.Open = fake_open, .Close = fake_close, .Read = fake_read, .GetInfo = fake_info};
    h->of = of;
    fake_open_handles++;
    return &h->file;
}

static EFI_STATUS EFIAPI fake_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *path, UINT64 mode,
                                   UINT64 attributes)
{
    char narrow[256];
    unsigned i;

    (void)root, (void)attributes;
    fake_called();
    assert_int_equal(mode, EFI_FILE_MODE_READ);
    for (i = 0; path[i] && i < sizeof(narrow) - 1; i++)
        narrow[i] = (char)path[i];
    narrow[i] = 0;
    for (i = 0; i < fake.count; i++) {
        if (strcmp(fake.files[i].path, narrow) == 0) {
            *out = fake_handle(&fake.files[i]);
            return EFI_SUCCESS;
        }
    }
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI fake_open_volume(EFI_FILE_IO_INTERFACE *volume, EFI_FILE_HANDLE *root)
{
    (void)volume;
    fake_called();
    *root = fake_handle(NULL);
    return EFI_SUCCESS;
}

static void fake_add_file(const char *path, const void *data, uint64_t size)
{
    assert_true(fake.count < FAKE_FILES);
    fake.files[fake.count++] = (struct fake_file){.path = path, .data = data, .size = size};
}

/* --- memory --- */

static EFI_STATUS EFIAPI fake_allocate(EFI_ALLOCATE_TYPE how, EFI_MEMORY_TYPE type, UINTN pages,
                                       EFI_PHYSICAL_ADDRESS *at)
{
    void *room;

    fake_called();
    assert_int_equal(how, AllocateMaxAddress);
    assert_true(type == EfiLoaderData || type == EfiLoaderCode);
    assert_true(*at<4 * GIB && * at> GIB);
    if (++fake.allocations == fake.fail_at)
        return EFI_OUT_OF_RESOURCES;
    room = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_true(room != MAP_FAILED && fake.taken < FAKE_PAGES);
    memset(room, 0xa5, pages * 4096);
    fake.pages[fake.taken] = room;
    fake.page_counts[fake.taken++] = pages;
    *at = (EFI_PHYSICAL_ADDRESS)room;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_free(EFI_PHYSICAL_ADDRESS at, UINTN pages)
{
    fake_called();
    for (unsigned i = 0; i < fake.taken; i++) {
        if (fake.pages[i] == (void *)at && fake.page_counts[i] == pages) {
            munmap(fake.pages[i], pages * 4096);
            fake.pages[i] = fake.pages[--fake.taken];
            fake.page_counts[i] = fake.page_counts[fake.taken];
            return EFI_SUCCESS;
        }
    }
    fail_msg("%s", "memory that nobody took");
    return EFI_NOT_FOUND;
}

static EFI_STATUS EFIAPI fake_get_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *to, UINTN *key, UINTN *step,
                                      UINT32 *version)
{
    bool fits = *size >= sizeof(fake.map);

    assert_false(fake.gone);
    *size = sizeof(fake.map);
    *step = FAKE_STEP;
    *version = 1;
    *key = fake.exits + 100;
    if (!fits)
        return EFI_BUFFER_TOO_SMALL;
    memcpy(to, fake.map, sizeof(fake.map));
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_exit_services(EFI_HANDLE image, UINTN key)
{
    assert_ptr_equal(image, &fake.self);
    assert_int_equal(key, fake.exits + 100);
    fake.exiting = true;
    if (fake.exits++ < fake.stale)
        return EFI_INVALID_PARAMETER;
    fake.gone = true;
    return EFI_SUCCESS;
}

/* --- the rest --- */

static EFI_STATUS EFIAPI fake_protocol(EFI_HANDLE handle, EFI_GUID *guid, VOID **out)
{
    const EFI_GUID image = EFI_LOADED_IMAGE_PROTOCOL_GUID, volume = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

    fake_called();
    if (handle == &fake.self && memcmp(guid, &image, sizeof(image)) == 0)
        *out = &fake.self;
    else if (handle == &fake.volume && fake.has_volume && memcmp(guid, &volume, sizeof(volume)) == 0)
        *out = &fake.volume;
    else
        return EFI_UNSUPPORTED;
    return EFI_SUCCESS;
}

/* TCG EFI protocol, sections 6.4 to 6.7, by the bytes. */
static EFI_STATUS EFIAPI fake_tpm_capability(void *self, uint8_t *out)
{
    (void)self;
    assert_true(out[0] >= 28);
    out[16] = fake.tpm_present;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_tpm_extend(void *self, uint64_t flags, uint64_t data, uint64_t size,
                                         const uint8_t *event)
{
    size_t used = strlen(fake.measured);
    const char *name = (const char *)event + 18;

    (void)self;
    fake_called();
    assert_int_equal(flags, 0);
    assert_true(data != 0);
    assert_int_equal(le32(event), 18 + strlen(name) + 1);
    assert_int_equal(le32(event + 4), 14);
    assert_int_equal(le16(event + 8), 1);
    assert_int_equal(le32(event + 14), 13);
    snprintf(fake.measured + used, sizeof(fake.measured) - used, "%u %s %llu;", le32(event + 10), name,
             (unsigned long long)size);
    return fake.tpm_status;
}

/* TPM2_PCR_Read of two: bytes that count. */
static EFI_STATUS EFIAPI fake_tpm_command(void *self, uint32_t in_size, const uint8_t *in, uint32_t out_size,
                                          uint8_t *out)
{
    (void)self;
    fake_called();
    assert_int_equal(in_size, in[5]);
    assert_int_equal(in[9], 0x7e);
    assert_true(out_size >= 96);
    memset(out, 0, out_size);
    out[27] = 2;
    out[29] = out[63] = 32;
    for (unsigned i = 0; i < 32; i++) {
        out[30 + i] = (uint8_t)i;
        out[64 + i] = (uint8_t)(i + 0x80);
    }
    return EFI_SUCCESS;
}

static void *const fake_tpm[] = {fake_tpm_capability, NULL, fake_tpm_extend, fake_tpm_command};

static EFI_STATUS EFIAPI fake_locate(EFI_GUID *guid, VOID *registration, VOID **out)
{
    const EFI_GUID screen = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

    (void)registration;
    fake_called();
    if (guid->Data1 == 0x607f766c && fake.has_tpm) {
        *out = (void *)fake_tpm;
        return EFI_SUCCESS;
    }
    if (!fake.has_screen || memcmp(guid, &screen, sizeof(screen)) != 0)
        return EFI_NOT_FOUND;
    *out = &fake.screen;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_output(SIMPLE_TEXT_OUTPUT_INTERFACE *out, CHAR16 *text)
{
    size_t used = strlen(fake.said);

    (void)out;
    fake_called();
    for (; *text && used < sizeof(fake.said) - 1; text++) {
        if (*text != '\r')
            fake.said[used++] = (char)*text;
    }
    fake.said[used] = 0;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_key(SIMPLE_INPUT_INTERFACE *in, EFI_INPUT_KEY *key)
{
    (void)in, (void)key;
    return EFI_NOT_READY;
}

static EFI_STATUS EFIAPI fake_stall(UINTN microseconds)
{
    assert_true(microseconds <= 1000000);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_watchdog(UINTN seconds, UINT64 code, UINTN size, CHAR16 *data)
{
    (void)code, (void)size, (void)data;
    assert_int_equal(seconds, 0);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI fake_variable(CHAR16 *name, EFI_GUID *guid, UINT32 *attributes, UINTN *size,
                                       VOID *to)
{
    (void)guid, (void)attributes;
    assert_int_equal(name[0], 'S');
    assert_int_equal(*size, 1);
    memcpy(to, &fake.secure, 1);
    return EFI_SUCCESS;
}

/* Instead of the code behind ExitBootServices(). */
void jump(void *copy, uint32_t entry, uint32_t info)
{
    assert_non_null(copy);
    fake.entry = entry;
    fake.info = info;
    longjmp(fake.jumped, 1);
}
__asm__(".data\n.globl jump_start, jump_end\njump_start:\n\t.byte 0x90\njump_end:\n.text\n");

static void fake_describe(unsigned i, uint32_t type, uint64_t start, uint64_t pages)
{
    const EFI_MEMORY_DESCRIPTOR d = {.Type = type, .PhysicalStart = start, .NumberOfPages = pages};

    memcpy(fake.map + i * FAKE_STEP, &d, sizeof(d));
}

static void fake_set_up(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.self.DeviceHandle = &fake.volume;
    fake.volume.OpenVolume = fake_open_volume;
    fake.has_volume = fake.has_screen = true;
    fake.mode_info =
        (EFI_GRAPHICS_OUTPUT_MODE_INFORMATION){.HorizontalResolution = 1280,
                                               .VerticalResolution = 800,
                                               .PixelFormat = PixelBlueGreenRedReserved8BitPerColor,
                                               .PixelsPerScanLine = 1344};
    fake.mode = (EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE){.Info = &fake.mode_info,
                                                    .FrameBufferBase = UINT64_C(0x480000000)};
    fake.screen.Mode = &fake.mode;
    memcpy(fake.rsdp, "RSD PTR ", 8);
    fake.tables[0] = (EFI_CONFIGURATION_TABLE){ACPI_20_TABLE_GUID, fake.rsdp};
    fake.tables[1] = (EFI_CONFIGURATION_TABLE){ACPI_TABLE_GUID, fake.rsdp};
    fake_describe(0, EfiBootServicesCode, 0, 1);
    fake_describe(1, EfiConventionalMemory, 0x1000, 0x9f);
    fake_describe(2, EfiLoaderData, 0x100000, 0x700);
    fake_describe(3, EfiACPIReclaimMemory, 0x800000, 2);
    fake_describe(4, EfiRuntimeServicesData, 0x802000, 2);
    fake_describe(5, EfiConventionalMemory, UINT64_C(0x100000000), 0x1000);
    fake.out.OutputString = fake_output;
    fake.in.ReadKeyStroke = fake_key;
    fake.boot = (EFI_BOOT_SERVICES){.AllocatePages = fake_allocate,
                                    .FreePages = fake_free,
                                    .GetMemoryMap = fake_get_map,
                                    .ExitBootServices = fake_exit_services,
                                    .HandleProtocol = fake_protocol,
                                    .LocateProtocol = fake_locate,
                                    .Stall = fake_stall,
                                    .SetWatchdogTimer = fake_watchdog};
    fake.runtime.GetVariable = fake_variable;
    fake.table = (EFI_SYSTEM_TABLE){.ConOut = &fake.out,
                                    .ConIn = &fake.in,
                                    .BootServices = &fake.boot,
                                    .RuntimeServices = &fake.runtime,
                                    .NumberOfTableEntries = 2,
                                    .ConfigurationTable = fake.tables};
}

static void fake_tear_down(void)
{
    while (fake.taken > 0)
        fake_free((EFI_PHYSICAL_ADDRESS)fake.pages[0], fake.page_counts[0]);
}
