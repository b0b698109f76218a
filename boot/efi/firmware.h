/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * skerry.efi below UEFI's boot services (UEFI 2.10, sections 4 and 7): what is said on the firmware's
 * console, and memory that is either handed to the hypervisor or given back.
 */
#pragma once

#include <efi.h>

#include "arch/x86/types.h"

struct firmware {
    EFI_HANDLE image; /* this program */
    EFI_SYSTEM_TABLE *table;
    EFI_BOOT_SERVICES *boot;
};
extern struct firmware firmware;

void firmware_begin(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* As the firmware writes text: at most room - 1 characters, and a 0. ASCII only: others have another code
 * there. */
void widen(const char *text, CHAR16 *out, size_t room);

/* A line on the console, behind "skerry.efi: ". */
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The same, for what ends the start: false. */
bool fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The protocol of this GUID on a handle, or, without one, on any; NULL: it is not there. */
void *protocol_on(EFI_HANDLE handle, EFI_GUID guid);
void *protocol_anywhere(EFI_GUID guid);

/* Of this program; the root of the volume that it was started from, to be closed; what the screen shows. Each
 * may be NULL. */
const EFI_LOADED_IMAGE *loaded_image(void);
EFI_FILE_HANDLE open_own_volume(void);
const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *screen_mode(void);

/*
 * Memory of whole pages that ends below `limit`. NULL, with a line that names `what` it was for, when there
 * is none. All that is not kept by ExitBootServices() is given back by memory_give_back(). Data, or code
 * where `code` says so.
 */
void *memory_take(uint64_t size, uint64_t limit, bool code, const char *what);
void memory_give_back(void);
