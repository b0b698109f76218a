/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where skerry.efi has its files from: sections of itself (a one-file image, tools/skerry image --efi), or
 * the folder \skerry of the volume that it was started from. Never from both: a signature covers the first
 * alone.
 *
 *   section            file
 *   .skelf             skerry.elf
 *   .skcfg             skerry.cfg
 *   .skcmd             skerry.cmd, the hypervisor's boot options; may be missing
 *   .sknames           names of the others, each with its 0 at the end,
 *   .skm00, .skm01...  which are in these, in that order
 */
#pragma once

#include "arch/x86/types.h"

#define FOUR_GIB (4 * GIB)

struct boot_file {
    const char *name;
    void *data;
    uint64_t size;
};

/* False, with a line that says why, where there is nothing that may be started. */
bool files_find(void);

/* A file by its name in the configuration, in memory of its own below 4 GiB. False, with a line. */
bool file_load(const char *name, struct boot_file *out);

/* One that may be missing: its size is 0 then. */
bool file_load_if_there(const char *name, struct boot_file *out);

void files_close(void);
bool files_are_inside(void); /* in sections */
