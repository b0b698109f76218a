# SPDX-License-Identifier: BSD-2-Clause
objects += boot/multiboot2.o boot/entry.o boot/trampoline.o boot/release.o
