/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads any bytes as a kernel into a fake guest, and checks what must hold when that succeeds. */
#include "tests/fuzz/loader.h"

#include "tests/unit/fake_guest.h"

#define ACPI 0xe0000

void load_any(const uint8_t *data, size_t size, enum image_format format)
{
    static struct vm *vm;
    const struct image img = {.format = format,
                              .kernel = {data, size, "kernel", ""},
                              .modules = {{"initrd", 6, "initrd", "a b"}},
                              .module_count = 1,
                              .cmdline = "console=ttyS0",
                              .load = {MIB},
                              .mode = 32,
                              .acpi_rsdp = {ACPI},
                              .acpi_base = {ACPI},
                              .acpi_size = PAGE_SIZE};
    struct start_state start;
    const char *why = NULL;

    if (vm == NULL)
        vm = fake_guest(32 * MIB);
    MUST(image_load(vm, &img, &start, &why) == (why == NULL));
    if (why != NULL)
        return;
    MUST(guest_map(vm, gpa(start.rip), 1) != NULL);
    MUST(guest_map(vm, gpa(start.gdt_base), start.gdt_limit + 1) != NULL);
    MUST(start.mode == 32 || (format == IMAGE_LINUX && start.mode == 64));
}
