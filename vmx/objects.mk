# SPDX-License-Identifier: BSD-2-Clause
objects += $(addprefix vmx/,apicv.o backend.o caps.o caps_print.o check.o cpuid.o cr.o debug.o cr3.o dump.o entry.o ept.o event.o examine.o hv_timer.o exits.o io.o life.o ladder.o mmio.o msr.o observe.o run.o selftest.o setup.o shadow.o step.o switch.o tlb.o vmcs.o walk.o words.o)
