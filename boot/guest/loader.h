/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest images: puts a kernel with its modules into a guest's memory and says in which state its first
 * virtual CPU starts. Each format checks the whole file before it writes anything.
 */
#pragma once

#include "arch/x86/types.h"

struct vm;

enum image_format {
    IMAGE_AUTO,       /* recognise it by its contents */
    IMAGE_LINUX,      /* bzImage, 64-bit or 32-bit Linux boot protocol (Documentation/arch/x86/boot.rst) */
    IMAGE_MULTIBOOT,  /* Multiboot Specification 0.6.96 */
    IMAGE_MULTIBOOT2, /* Multiboot2 Specification 2.0 */
    IMAGE_PVH,        /* ELF with a PVH entry (Xen, "x86/HVM direct boot ABI") */
    IMAGE_FLAT,       /* raw bytes at a given address */
};

/* A file the boot loader put into host memory. */
struct blob {
    const void *data;
    size_t size;
    const char *name;    /* as the configuration calls it */
    const char *cmdline; /* given to Multiboot modules; may be "" */
};

/* A VM's extended BIOS data area of 1 KiB: shown to the guest as type 2 (reserved). */
#define IMAGE_EBDA UINT64_C(0x9fc00)

#define IMAGE_MAX_MODULES 8

struct image {
    enum image_format format;
    struct blob kernel;
    struct blob modules[IMAGE_MAX_MODULES]; /* Linux: the first one is the initrd */
    unsigned module_count;
    const char *cmdline;
    gpa_t load;      /* IMAGE_FLAT: address of the first byte and of the first instruction */
    unsigned mode;   /* IMAGE_FLAT: 16 or 32 */
    gpa_t acpi_rsdp; /* the guest's ACPI root pointer, already in guest memory */
    gpa_t acpi_base; /* pages that hold the ACPI tables: shown to the guest as type 3 (ACPI) */
    uint64_t acpi_size;
    gpa_t reserved_base; /* addresses of devices, beside the RAM: shown as type 2 (reserved) */
    uint64_t reserved_size;
};

/* What the first instruction finds; registers not named here are zero, interrupts are off. */
struct start_state {
    unsigned
        mode; /* 16: real mode, cs base 0; 32: flat protected mode without paging; 64: long mode, paging on */
    uint64_t rip, rsp;
    uint64_t rax, rbx, rsi;
    uint64_t cr3;      /* mode 64: page tables in guest memory */
    uint64_t gdt_base; /* modes 32 and 64: GDT in guest memory, CS selector 10h, data 18h */
    uint32_t gdt_limit;
};

/*
 * Loads img into vm. On failure returns false and *why points at one line without newline in a static buffer:
 * what is wrong and what was expected. Memory below 1 MiB is used for boot structures only, which are never
 * placed above it.
 */
bool image_load(struct vm *vm, const struct image *img, struct start_state *start, const char **why);

/* The format of a kernel file by its contents, IMAGE_AUTO when it is none of them: raw bytes do not say that
 * they are. What such a file is, in words. */
enum image_format image_recognise(const void *data, size_t size);
const char *image_describe(const void *data, size_t size);

/*
 * Loading takes long, and whoever does it may have others wait: behind so many bytes this is called, by the
 * code that zeroes memory, too.
 */
#define LOAD_PIECE (64 * 1024)
void load_set_between(void (*look_around)(void));
void load_pause(uint64_t done);
