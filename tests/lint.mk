# SPDX-License-Identifier: BSD-2-Clause
# `make lint`: formatting, static analysis, headers that compile alone, calls between rooms, licences.

BUILD ?= build

# What tools read calls from (tools/skerrylib/calls.py): every call of the source is still there and says who it is
# from, also in and of functions that are inlined in any other build.
CALLS := $(BUILD)/calls
CALL_OBJECTS := $(patsubst $(BUILD)/%,$(CALLS)/%,$(OBJECTS))
CALL_FLAGS := -O0 -Dalways_inline=unused -fno-lto -g0 -fno-inline -fno-jump-tables -fno-stack-protector -w

$(CALLS)/%.o: %.c Makefile tests/lint.mk
	@mkdir -p $(@D)
	$(call say,CALLS,$<)
	$(Q)$(CC) $(CFLAGS) $(CALL_FLAGS) -MMD -MP -c -o $@ $<

$(CALLS)/%.o: %.asm $(BUILD)/offsets.inc
	@mkdir -p $(@D)
	$(call say,CALLS,$<)
	$(Q)$(NASM) $(NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

$(CALLS)/core/base/blobs.o: $(BUILD)/dev/dsdt.aml $(BUILD)/dev/pci/ssdt.aml $(BUILD)/font.bin

-include $(CALL_OBJECTS:.o=.d)

.PHONY: lint calls
calls: $(CALL_OBJECTS)

lint: $(CALL_OBJECTS)
	$(if $(filter 1,$(V)),,@)tests/lint $(BUILD)
