# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix dev/,acpi_tables.o decode.o pc.o power.o rtc.o uart.o)
