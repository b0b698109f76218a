# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix apic/,vlapic.o vioapic.o)
