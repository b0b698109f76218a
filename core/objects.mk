# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix core/,main.o bit_names.o blackbox.o blobs.o breakpoint.o channel.o config.o config_keys.o console.o elf.o explain.o format.o guest.o load_flat.o load_firmware.o load_linux.o \
           load_multiboot.o load_multiboot2.o loader.o life.o line_edit.o log.o machine.o memory.o monitor.o monitor_commands.o monitor_debug.o monitor_trace.o panic.o power.o release.o release_map.o report.o shared_pages.o smp.o span.o statistics.o symbols.o ticks.o trace.o trace_show.o vm.o vm_build.o words.o)
