# SPDX-License-Identifier: BSD-2-Clause
# Unit tests on the host: `make unit`. One executable per subject, all under the address and undefined-
# behaviour sanitizers. The tests are listed, not discovered: an empty discovery would pass.

BUILD ?= build
UNIT := $(BUILD)/unit

UNIT_balance := sched/balance.c sched/fair.c
UNIT_words := core/base/words.c core/base/bit_names.c core/base/format.c
UNIT_acpi_tables := dev/acpi_tables.c arch/x86/acpi.c
UNIT_bus := dev/bus.c dev/windows.c
UNIT_blackbox := core/base/format.c
UNIT_caps := core/base/format.c
UNIT_config := core/config/config.c core/config/config_keys.c core/config/config_net.c core/config/config_shared.c core/base/span.c core/base/format.c
UNIT_config_net := $(UNIT_config)
UNIT_config_shared := $(UNIT_config)
UNIT_net_filter := dev/net/filter.c
UNIT_decode := dev/decode.c
UNIT_execute := dev/decode.c dev/execute.c
UNIT_LIBS_decode := -lZydis
UNIT_mmio := dev/decode.c dev/execute.c dev/bus.c dev/windows.c
UNIT_console_choice := core/base/words.c
UNIT_console := core/base/format.c
UNIT_terminal := core/base/format.c
UNIT_efi_loader := $(filter-out arch/x86/string.c,$(EFI_SOURCES)) arch/x86/multiboot2.c
UNIT_direct_map := boot/host/direct_map.c arch/x86/mtrr.c
UNIT_uncached_memory := boot/host/uncached_memory.c arch/x86/mtrr.c
UNIT_display := arch/x86/display.c
UNIT_devices := dev/uart.c dev/rtc.c dev/power.c
UNIT_firmware := dev/firmware.c dev/keyboard.c dev/rtc.c tests/unit/fake_guest.c
UNIT_pit := dev/pit.c
UNIT_format := core/base/format.c
# It reaches its tables by addresses of 32 bits, as in the image.
UNIT_fastpath := apic/vioapic.c apic/registers.c apic/pid_table.c
FASTPATH_ASM := $(patsubst %,$(UNIT)/obj/tests/unit/%.asm.o,fastpath fastpath_exit)
UNIT_LIBS_fastpath := -no-pie
UNIT_guest_tsc := apic/vioapic.c apic/registers.c apic/pid_table.c
UNIT_mailbox := apic/vioapic.c apic/registers.c apic/pid_table.c
UNIT_guards := core/base/format.c
UNIT_explain_found := core/base/format.c
UNIT_lapic := arch/x86/nmi_line.c
UNIT_place := core/base/format.c
UNIT_machine_check := core/base/format.c
UNIT_latency := core/base/format.c
UNIT_io := dev/bus.c dev/windows.c
UNIT_windows := dev/bus.c dev/windows.c
UNIT_LIBS_windows := -lpthread
UNIT_PCI := dev/bus.c dev/windows.c $(patsubst %,dev/pci/%.c,bars function intx msix pci)
UNIT_pci := $(UNIT_PCI)
UNIT_msix := $(UNIT_PCI)
UNIT_ivshmem := $(UNIT_PCI)
UNIT_virtio_pci := $(UNIT_PCI)
UNIT_isa_line := arch/x86/isa_line.c
UNIT_ipi := apic/vioapic.c apic/registers.c apic/pid_table.c
UNIT_ipiv := apic/vioapic.c apic/registers.c
UNIT_acpi := arch/x86/acpi.c
UNIT_multiboot2 := arch/x86/multiboot2.c
UNIT_LOADERS := boot/guest/loader.c boot/guest/recognise.c boot/guest/load_firmware.c boot/guest/load_linux.c boot/guest/load_multiboot.c boot/guest/load_multiboot2.c boot/guest/load_pvh.c boot/guest/load_flat.c boot/guest/elf.c core/base/format.c \
    tests/unit/fake_guest.c
UNIT_load_linux := $(UNIT_LOADERS)
UNIT_load_multiboot := $(UNIT_LOADERS)
UNIT_load_pvh := $(UNIT_LOADERS)
UNIT_release := boot/host/release_map.c $(UNIT_LOADERS)
UNIT_NET_FRAME := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c dev/virtio/ring_copy.c dev/net/frame.c dev/net/parse.c
UNIT_net_frame := $(UNIT_NET_FRAME)
UNIT_net_offload := $(UNIT_NET_FRAME) dev/net/offload.c
UNIT_net_fdb := dev/net/fdb.c
UNIT_LIBS_net_fdb := -lpthread
UNIT_net_switch := $(UNIT_net_offload) $(patsubst %,dev/net/%.c,batch fdb net path rate)
UNIT_net_card := $(UNIT_net_switch) dev/net/filter.c dev/virtio/split.c dev/virtio/packed.c dev/virtio/virtio.c dev/virtio/common.c
UNIT_LIBS_net_switch := -lpthread
UNIT_ring := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c
UNIT_ring_random := $(UNIT_ring)
UNIT_ring_pieces := $(UNIT_ring)
UNIT_VIRTIO := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c dev/virtio/virtio.c dev/virtio/common.c
UNIT_virtio := $(UNIT_VIRTIO)
UNIT_virtio_models := $(UNIT_VIRTIO) dev/virtio/serial.c dev/virtio/vports.c
UNIT_serial := dev/virtio/serial.c
UNIT_vports := $(UNIT_VIRTIO) dev/virtio/serial.c dev/virtio/vports.c
UNIT_block := $(UNIT_VIRTIO) dev/virtio/block.c
UNIT_pv_eoi := apic/vioapic.c apic/registers.c apic/pid_table.c
UNIT_rights := core/base/ticks.c core/base/format.c
UNIT_explain := core/base/format.c
UNIT_low_page := boot/host/low_page.c
UNIT_ticks := core/base/ticks.c
UNIT_tsc_sync := core/base/format.c
UNIT_LIBS_tsc_sync := -lpthread
UNIT_vioapic := apic/vioapic.c apic/registers.c
UNIT_vlapic := apic/vioapic.c apic/registers.c apic/pid_table.c
UNIT_vlapic_timer := apic/vioapic.c apic/registers.c apic/pid_table.c
# The scheduler in a simulation, with the comparisons of fair.c counted; and the same with a mistake each, that
# the simulation must find. What the mistakes are: tests/unit/sched_variant.
UNIT_sched_sim := tests/unit/sched_machine.c tests/unit/sched_rules.c core/base/format.c sched/balance.c $(UNIT)/variant/counted.c
FAIR_MUTANTS := weightless hoarder no-credit jerky restless patient silent endless no-sift no-wrap jump fresh-start foreign-clock \
    thief no-yield patron
SCHED_MUTANTS := deaf no-alarm no-end sleepy no-post lonely no-watch crossed burglar no-balance
FAIR_VARIANTS := $(patsubst %,$(UNIT)/variant/%.c,counted $(FAIR_MUTANTS))
# These include the file they test, below a fake CPU (fake_cpu.h) or fake memory (fake_memory.h, fake_ram.h) or a fake wire (fake_wire.h): blackbox,
# bitmaps, caps, console, console_choice, console_lines, cpuid, cr, ept, explain_found, fair (the scheduling policy, with nothing below it), guards, guest_tsc, inject, io, ipiv, ladder, lapic, latency, mailbox, memory, misc_enable, mmio, msr, mtrr,
# paging, place, prepare, pv_eoi, rights, sched_sim (its machine), speculation, string, svm_event, svm_instruction, svm_maps, terminal, tlb, topology, trace, tsc_sync, uart16550, virtio_pci, vlapic, vlapic_timer, vm_life, walk.
UNIT_TESTS := acpi acpi_tables balance bitmaps blackbox block budget bus bus_masters caps clock config config_net config_shared console console_choice console_lines cpuid cr decode devices direct_map display efi_loader ept execute explain explain_found fair fastpath firmware format guards guest_cr4 guest_tsc hv_timer inject io ipi ipiv isa_line ivshmem \
    ladder lapic latency line_edit load_linux load_multiboot load_pvh low_page machine_check mailbox memory misc_enable mmio msix msr mtrr multiboot2 net_card net_fdb net_filter net_frame net_offload net_switch paging pci pit place prepare ps2_keyboard pv_eoi release rights ring ring_pieces ring_random sched_mutants sched_sim serial shadow soft_off speculation string \
    svm_event svm_instruction svm_maps \
    terminal ticks tlb topology trace tsc_sync uart16550 uncached_memory vioapic virtio virtio_models virtio_pci vlapic vlapic_timer vm_life vports walk windows words

UNIT_CC ?= gcc
UNIT_CFLAGS := -std=gnu11 -I. -DBUILD='"$(BUILD)"' -g -O1 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_Q := $(if $(filter 1,$(V)),,@)

# $(call unit_objects,TEST): its own source, the sources it tests, and what their ASSERTs call.
unit_objects = $(patsubst %.c,$(UNIT)/obj/%.o,tests/unit/$(1).c $(UNIT_$(1)) tests/unit/assert.c)
UNIT_OBJECTS := $(sort $(foreach t,$(UNIT_TESTS),$(call unit_objects,$(t))))
UNIT_BINARIES := $(UNIT_TESTS:%=$(UNIT)/%)

$(UNIT)/obj/boot/efi/%.o $(UNIT)/obj/tests/unit/efi_loader.o: UNIT_CFLAGS += -DGNU_EFI_USE_MS_ABI -DSKERRY_VERSION='"$(VERSION)"' $(EFI_INCLUDES)

$(UNIT)/obj/%.o: %.c
	$(UNIT_Q)mkdir -p $(@D)
	$(UNIT_Q)$(UNIT_CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT)/obj/%.asm.o: %.asm $(BUILD)/offsets.inc vmx/fastpath.asm
	$(UNIT_Q)mkdir -p $(@D)
	$(UNIT_Q)$(NASM) $(NASMFLAGS) -o $@ $<

$(UNIT)/fastpath: $(FASTPATH_ASM)

define unit_rule
$(UNIT)/$(1): $(call unit_objects,$(1))
	$(UNIT_Q)$(UNIT_CC) $(UNIT_CFLAGS) -o $$@ $$^ -lcmocka $(UNIT_LIBS_$(1))
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))

SCHED_VARIANTS := $(SCHED_MUTANTS:%=$(UNIT)/variant/%.c)

$(FAIR_VARIANTS): sched/fair.c
$(SCHED_VARIANTS): sched/sched.c
$(FAIR_VARIANTS) $(SCHED_VARIANTS): $(UNIT)/variant/%.c: tests/unit/sched_variant
	$(UNIT_Q)mkdir -p $(@D)
	$(UNIT_Q)tests/unit/sched_variant $* > $@

# Mistakes are found by the simulation's rules, which the sanitizers only slow down.
PLAIN_CFLAGS = $(filter-out -O1 -fsanitize=% -fno-sanitize-recover=%,$(UNIT_CFLAGS)) -O2
plain_objects = $(patsubst $(UNIT)/obj/%,$(UNIT)/plain/%,$(1))

$(UNIT)/plain/%.o: %.c
	$(UNIT_Q)mkdir -p $(@D)
	$(UNIT_Q)$(UNIT_CC) $(PLAIN_CFLAGS) -MMD -MP -c -o $@ $<

# The machine above such a sched.c.
$(UNIT)/plain/sched_machine/%.o: tests/unit/sched_machine.c $(UNIT)/variant/%.c
	$(UNIT_Q)mkdir -p $(@D)
	$(UNIT_Q)$(UNIT_CC) $(PLAIN_CFLAGS) -DSCHED_C='"$(UNIT)/variant/$*.c"' -Wno-unused-function -MMD -MP -c -o $@ $<

# $(call mutant_rule,MUTANT,ITS OBJECT,WHAT THAT REPLACES)
define mutant_rule
$(UNIT)/sched_mutant/$(1): $(2) $(call plain_objects,$(filter-out $(3),$(call unit_objects,sched_sim)))
	$(UNIT_Q)mkdir -p $$(@D)
	$(UNIT_Q)$(UNIT_CC) $(PLAIN_CFLAGS) -o $$@ $$^ -lcmocka
endef
$(foreach m,$(FAIR_MUTANTS),$(eval $(call mutant_rule,$(m),$(UNIT)/plain/$(UNIT)/variant/$(m).o,%/counted.o)))
$(foreach m,$(SCHED_MUTANTS),$(eval $(call mutant_rule,$(m),$(UNIT)/plain/sched_machine/$(m).o,%/sched_machine.o)))
$(UNIT)/obj/tests/unit/sched_mutants.o: UNIT_CFLAGS += -DMUTANTS='"$(FAIR_MUTANTS) $(SCHED_MUTANTS)"'
$(UNIT)/sched_mutants: | $(UNIT)/sched_sim $(FAIR_MUTANTS:%=$(UNIT)/sched_mutant/%) $(SCHED_MUTANTS:%=$(UNIT)/sched_mutant/%)
UNIT_OBJECTS += $(FAIR_MUTANTS:%=$(UNIT)/plain/$(UNIT)/variant/%.o) $(SCHED_MUTANTS:%=$(UNIT)/plain/sched_machine/%.o) \
    $(call plain_objects,$(call unit_objects,sched_sim))

.PHONY: unit
unit: $(UNIT_BINARIES) $(BUILD)/dev/dsdt.aml $(BUILD)/dev/pci/ssdt.aml
	$(UNIT_Q)tests/unit/run $(BUILD) $(UNIT_TESTS)

-include $(UNIT_OBJECTS:.o=.d)
