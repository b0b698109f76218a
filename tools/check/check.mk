# SPDX-License-Identifier: BSD-2-Clause
# skerry-check: the hypervisor's parser of configurations, as a program.

CHECK_SOURCES := tools/check/main.c core/config/config.c core/config/config_files.c core/config/config_keys.c core/config/config_net.c core/config/config_shared.c core/base/span.c \
    core/base/format.c
CHECK_OBJECTS := $(CHECK_SOURCES:%.c=$(BUILD)/host/%.o)

$(BUILD)/host/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) -std=gnu11 -O2 $(WARNINGS) -I. -MMD -MP -c -o $@ $<

$(BUILD)/skerry-check: $(CHECK_OBJECTS)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) -o $@ $^

# skerry-report: surveys of machines by the hypervisor's own table.
REPORT_OBJECTS := $(patsubst %.c,$(BUILD)/host/%.o,tools/report/main.c core/base/format.c)

$(BUILD)/skerry-report: $(REPORT_OBJECTS)
	$(call say,HOSTLD,$@)
	$(Q)$(CC) -o $@ $^

-include $(REPORT_OBJECTS:.o=.d)
-include $(CHECK_OBJECTS:.o=.d)
