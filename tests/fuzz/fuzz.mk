# SPDX-License-Identifier: BSD-2-Clause
# Fuzzers of everything that reads foreign bytes: `make fuzz`, FUZZ_SECONDS each, two at a time. The seed is fixed;
# what a run finds stays in $(BUILD)/fuzz/NAME.corpus and is the start of the next.

BUILD ?= build
FUZZ := $(BUILD)/fuzz
FUZZ_SECONDS ?= 20

FUZZ_LOADERS := tests/fuzz/loader.c tests/unit/fake_guest.c boot/guest/loader.c boot/guest/recognise.c boot/guest/load_firmware.c boot/guest/load_linux.c boot/guest/load_multiboot.c \
    boot/guest/load_multiboot2.c boot/guest/load_pvh.c boot/guest/load_flat.c boot/guest/elf.c core/base/format.c
FUZZ_acpi := arch/x86/acpi.c
FUZZ_config := core/config/config.c core/config/config_keys.c core/config/config_net.c core/config/config_shared.c core/base/span.c core/base/format.c
FUZZ_decode := dev/decode.c dev/execute.c
FUZZ_ivshmem := dev/bus.c dev/windows.c $(patsubst %,dev/pci/%.c,bars function intx msix pci)
FUZZ_linux := $(FUZZ_LOADERS)
FUZZ_multiboot := $(FUZZ_LOADERS)
FUZZ_multiboot2 := arch/x86/multiboot2.c
FUZZ_net := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c dev/virtio/ring_copy.c $(patsubst %,dev/net/%.c,frame offload parse)
FUZZ_pe := boot/efi/sections.c
FUZZ_pci := dev/bus.c dev/windows.c $(patsubst %,dev/pci/%.c,bars function intx msix pci)
FUZZ_ports := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c dev/virtio/virtio.c dev/virtio/common.c dev/virtio/serial.c dev/virtio/vports.c
FUZZ_ring := dev/virtio/ring.c dev/virtio/split.c dev/virtio/packed.c
FUZZ_switch := $(FUZZ_net) $(patsubst %,dev/net/%.c,batch fdb net path rate)
FUZZ_virtio := $(FUZZ_ring) dev/virtio/virtio.c dev/virtio/common.c dev/virtio/block.c
FUZZ_NAMES := acpi config decode ivshmem linux multiboot multiboot2 net pci pe ports ring switch virtio walk

FUZZ_CC ?= clang
FUZZ_CFLAGS := -std=gnu11 -I. -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_Q := $(if $(filter 1,$(V)),,@)

fuzz_objects = $(patsubst %.c,$(FUZZ)/obj/%.o,tests/fuzz/$(1).c $(FUZZ_$(1)) tests/unit/assert.c)
FUZZ_OBJECTS := $(sort $(foreach f,$(FUZZ_NAMES),$(call fuzz_objects,$(f))))

$(FUZZ)/obj/%.o: %.c
	$(FUZZ_Q)mkdir -p $(@D)
	$(FUZZ_Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

define fuzz_rule
$(FUZZ)/$(1): $(call fuzz_objects,$(1))
	$(FUZZ_Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -o $$@ $$^
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz_rule,$(f))))

.PHONY: fuzz
fuzz: $(FUZZ_NAMES:%=$(FUZZ)/%)
	$(FUZZ_Q)tests/fuzz/run $(BUILD) $(FUZZ_SECONDS) $(FUZZ_NAMES)

-include $(FUZZ_OBJECTS:.o=.d)
