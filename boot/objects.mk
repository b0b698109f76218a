# SPDX-License-Identifier: BSD-2-Clause
objects += boot/entry.o
objects += boot/multiboot2.o
objects += boot/release.o
objects += boot/trampoline.o
