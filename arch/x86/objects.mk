# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix arch/x86/,trap.o trap_stubs.o paging.o lapic.o ioapic.o mtrr.o uart16550.o string.o \
           multiboot2.o acpi.o display.o clock.o features.o put_back.o)
