# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix apic/,ipi.o mailbox.o pid_table.o pv_eoi.o vioapic.o vlapic.o vlapic_dump.o vlapic_timer.o)
