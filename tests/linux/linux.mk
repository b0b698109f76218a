# SPDX-License-Identifier: BSD-2-Clause
# The Linux guest that puts a load on the paravirtual interface. Those beside it are fetched (machine.mk).

LINUX_PV := $(BUILD)/linux-pv

$(LINUX_PV)/load: tests/linux/pv/load.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(CC) -std=gnu11 -O2 -static -pthread -Wall -Wextra -Werror -o $@ $<

$(GUESTS)/linux-pv.cpio.gz: $(LINUX_PV)/load tests/linux/pv/init tools/make-initramfs
	@mkdir -p $(@D)
	$(call say,CPIO,$@)
	$(Q)tools/make-initramfs -o $@ --init tests/linux/pv/init --add=$(LINUX_PV)/load
