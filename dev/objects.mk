# SPDX-License-Identifier: BSD-2-Clause
objects += dev/acpi_tables.o
hot += dev/bus.o
hot += dev/decode.o
hot += dev/pc.o
objects += dev/power.o
objects += dev/rtc.o
hot += dev/uart.o
