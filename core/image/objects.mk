# SPDX-License-Identifier: BSD-2-Clause
objects += core/image/elf.o
objects += core/image/load_firmware.o
objects += core/image/load_flat.o
objects += core/image/load_linux.o
objects += core/image/load_multiboot.o
objects += core/image/load_multiboot2.o
objects += core/image/loader.o
