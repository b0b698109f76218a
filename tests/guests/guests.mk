# SPDX-License-Identifier: BSD-2-Clause
# Test guests: freestanding 32-bit kernels for Multiboot, and raw images. `make guests` builds them all.

BUILD ?= build
GUESTS := $(BUILD)/tests/guests

# GUEST_name: sources beside name.c and the common ones.
GUEST_MEASURE := lib/arrival.asm lib/samples.c
GUEST_apic-cost := cr8_cost.asm lib/long_mode.asm $(GUEST_MEASURE)
GUEST_apic-smp := apic_smp_load.c apic_smp_send.c apic_smp_state.c apic_smp_take.c lib/second_cpu.c lib/trampoline.asm
GUEST_attack := lib/second_cpu.c lib/trampoline.asm
GUEST_breakpoints := lib/second_cpu.c lib/trampoline.asm
GUEST_cr-xcr := long_mode.asm lib/long_mode.asm
GUEST_events := lib/second_cpu.c lib/trampoline.asm
GUEST_exits := mmio_cost.asm lib/long_mode.asm
GUEST_firmware := lib/second_cpu.c lib/trampoline.asm
GUEST_inherit := lib/second_cpu.c lib/trampoline.asm
GUEST_ipi-cost := lib/second_cpu.c lib/trampoline.asm $(GUEST_MEASURE)
GUEST_ivshmem := lib/virtio.c
GUEST_ivshmem-hostile := lib/virtio.c lib/second_cpu.c lib/trampoline.asm
GUEST_locks := lib/second_cpu.c lib/trampoline.asm
GUEST_mixed := lib/second_cpu.c lib/trampoline.asm
GUEST_call-fuzz := lib/second_cpu.c lib/trampoline.asm
GUEST_cr3-switch := $(GUEST_MEASURE)
GUEST_random := lib/second_cpu.c lib/trampoline.asm
GUEST_pv := lib/second_cpu.c lib/trampoline.asm
GUEST_protect := lib/second_cpu.c lib/trampoline.asm
GUEST_virtio := lib/virtio.c $(GUEST_MEASURE)
GUEST_delay := lib/net.c lib/virtio.c $(GUEST_MEASURE)
GUEST_virtio-hostile := lib/virtio.c lib/second_cpu.c lib/trampoline.asm
GUEST_serial := lib/net.c lib/virtio.c
GUEST_wire := lib/net.c lib/virtio.c $(GUEST_MEASURE)
GUEST_worker := lib/second_cpu.c lib/trampoline.asm
GUEST_timer-lateness := $(GUEST_MEASURE)
# Those with the header of Multiboot2 can take Skerry's own place: they see the bare machine, too.
GUEST_NAMES2 := apic-cost cr3-switch inherit ipi-cost timer-lateness
GUEST_NAMES := ac-loop apic-basic apic-smp attack breakpoints budget call-fuzz calls channel cli-loop cr-xcr crasher delay delay-port ear events exits firmware flood gap hello impostor ioapic-uart ivshmem ivshmem-hostile keeper listen locks mixed mmio msr-port-fuzz nap neighbour \
    off-memory pci-walk protect pv random rep-outs reset secret serial share storm task triple-fault virtio virtio-hostile vmx-insn wire words worker xcr0 $(GUEST_NAMES2)
GUEST_FLAT := flat16 flat32
GUEST_COMMON := lib/trap_stubs.asm lib/apic.c lib/bootinfo.c lib/console.c lib/traps.c

GUEST_CC ?= gcc
GUEST_CFLAGS := -std=gnu11 -m32 -march=i686 -O2 -g -ffreestanding -fno-pie -mgeneral-regs-only -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fno-tree-loop-distribute-patterns \
    -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wno-array-bounds -I.
GUEST_NASMFLAGS := -f elf32 -g -F dwarf -Werror -w+all --reproducible
GUEST_LDFLAGS := -m elf_i386 -nostdlib -static --build-id=none -z noexecstack -z max-page-size=0x1000 \
    --no-warn-rwx-segments -T tests/guests/guest.ld

# $(call guest_objects,SOURCES)
guest_objects = $(patsubst %,$(GUESTS)/obj/%.o,$(basename $(1)))
GUEST_ALL_OBJECTS := $(sort $(call guest_objects,$(GUEST_COMMON) lib/start.asm lib/start2 \
    $(foreach g,$(GUEST_NAMES),$(g).c $(GUEST_$(g)))))
GUEST_FILES := $(GUEST_NAMES:%=$(GUESTS)/%.elf) $(GUEST_FLAT:%=$(GUESTS)/%.bin) $(GUESTS)/hello2.elf \
    $(GUESTS)/hello2-64.elf $(GUESTS)/packed.gz $(GUESTS)/disk.img

$(GUESTS)/disk.img: tests/guests/make-disk
	@mkdir -p $(@D)
	$(Q)tests/guests/make-disk $@

.PHONY: guests
guests: $(GUEST_FILES)

$(GUESTS)/obj/%.o: tests/guests/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(GUESTS)/obj/%.o: tests/guests/%.asm
	@mkdir -p $(@D)
	$(call say,GUESTAS,$<)
	$(Q)nasm $(GUEST_NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

# The same start with the header of Multiboot2.
$(GUESTS)/obj/lib/start2.o: tests/guests/lib/start.asm
	@mkdir -p $(@D)
	$(call say,GUESTAS,$@)
	$(Q)nasm $(GUEST_NASMFLAGS) -DMULTIBOOT2 -MD $(@:.o=.d) -MP -o $@ $<

define guest_rule
$(GUESTS)/$(1).elf: $(call guest_objects,$(2) $(GUEST_COMMON) $(1).c $(GUEST_$(1))) tests/guests/guest.ld
	$$(call say,GUESTLD,$$@)
	$(Q)ld $(GUEST_LDFLAGS) -o $$@ $$(filter %.o,$$^)
endef
$(foreach g,$(GUEST_NAMES),$(eval $(call guest_rule,$(g),$(if $(filter $(g),$(GUEST_NAMES2)),lib/start2,lib/start))))

$(GUESTS)/hello2.elf: $(call guest_objects,lib/start2 $(GUEST_COMMON) hello.c) tests/guests/guest.ld
	$(call say,GUESTLD,$@)
	$(Q)ld $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

# The same 32-bit code in a 64-bit file, which Multiboot2 kernels often are.
$(GUESTS)/hello2-64.elf: $(GUESTS)/hello2.elf
	$(call say,OBJCOPY,$@)
	$(Q)objcopy --strip-debug -I elf32-i386 -O elf64-x86-64 $< $@

# As some distributions have kernels.
$(GUESTS)/packed.gz: $(GUESTS)/hello.elf
	$(call say,GZIP,$@)
	$(Q)gzip -9nc $< > $@

$(GUESTS)/%.bin: tests/guests/%.asm
	@mkdir -p $(@D)
	$(call say,GUESTAS,$@)
	$(Q)nasm -f bin -Werror -w+all -MD $(@:.bin=.d) -MP -o $@ $<

-include $(GUEST_ALL_OBJECTS:.o=.d) $(GUEST_FLAT:%=$(GUESTS)/%.d)
