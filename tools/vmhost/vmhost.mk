# SPDX-License-Identifier: BSD-2-Clause
# The test host: a module that is preloaded into Debian trixie's bochs-bin.

BUILD ?= build
VMHOST := $(BUILD)/vmhost

VMHOST_CFLAGS := -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror \
    -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wpointer-arith
VMHOST_OBJECTS := $(patsubst tools/vmhost/%.c,$(VMHOST)/host/%.o,$(wildcard tools/vmhost/*.c))

.PHONY: vmhost
vmhost: $(VMHOST)/skerry-vmhost.so

$(VMHOST)/host/%.o: tools/vmhost/%.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) $(VMHOST_CFLAGS) -MMD -MP -c -o $@ $<

$(VMHOST)/skerry-vmhost.so: $(VMHOST_OBJECTS)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) -shared -Wl,-z,noexecstack -o $@ $^

-include $(VMHOST_OBJECTS:.o=.d)
