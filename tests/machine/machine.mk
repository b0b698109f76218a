# SPDX-License-Identifier: BSD-2-Clause
# Machine tests: `make machine`. Needs what tools/setup installs, and guests.mk before it.

# The configurations stand beside the files that they name.
MACHINE_CONFIGS := $(patsubst tests/machine/configs/%,$(GUESTS)/%,$(wildcard tests/machine/configs/*.cfg))
MACHINE_LINKS := $(GUESTS)/vmlinuz $(GUESTS)/initramfs.cpio.gz $(GUESTS)/vmlinuz-trixie $(GUESTS)/cyclictest.cpio.gz \
    $(GUESTS)/tcc.cpio.gz $(GUESTS)/lspci.cpio.gz $(GUESTS)/vmlinuz-kvm $(GUESTS)/release.cpio.gz \
    $(GUESTS)/vmlinuz-virtio $(GUESTS)/virtio.cpio.gz $(GUESTS)/vmlinuz-offloads $(GUESTS)/offloads.cpio.gz \
    $(patsubst %,$(GUESTS)/others/%,xen memtest-12-x64 memtest-12-ia32 memtest-13-x64 memtest-13-ia32 vmlinux vmlinuz-i386 initramfs-i386.cpio.gz initramfs-amd64.cpio.gz)

$(MACHINE_CONFIGS): $(GUESTS)/%.cfg: tests/machine/configs/%.cfg
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(GUESTS)/vmlinuz $(GUESTS)/initramfs.cpio.gz: $(GUESTS)/%:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../examples/two-linux/$* $@

$(GUESTS)/vmlinuz-trixie:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../guests/trixie/vmlinuz $@

$(GUESTS)/cyclictest.cpio.gz $(GUESTS)/tcc.cpio.gz $(GUESTS)/lspci.cpio.gz: $(GUESTS)/%.cpio.gz:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../$*/initramfs.cpio.gz $@

$(GUESTS)/vmlinuz-virtio $(GUESTS)/vmlinuz-offloads: $(GUESTS)/vmlinuz-%:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../$*/vmlinuz $@

$(GUESTS)/virtio.cpio.gz $(GUESTS)/offloads.cpio.gz: $(GUESTS)/%.cpio.gz:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../$*/initramfs.cpio.gz $@

$(GUESTS)/others/%:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../../others/$* $@

$(GUESTS)/vmlinuz-kvm:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../vmhost/vmlinuz $@

$(GUESTS)/release.cpio.gz:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../vmhost/release.cpio.gz $@

# Without a network the tests that need the kernels are skipped, each with its reason.
.PHONY: machine machine-files machine-linux
machine-linux:
	$(Q)examples/two-linux/prepare || echo 'machine: no demo guests, see above: their tests are skipped'
	$(Q)tools/fetch-kernel --suite trixie || echo 'machine: no kernel of Debian trixie: its test is skipped'
	$(Q)tests/linux/cyclictest/fetch || echo 'machine: no cyclictest: its test is skipped'
	$(Q)tests/linux/tcc/fetch || echo 'machine: no tcc: its test is skipped'
	$(Q)tests/linux/lspci/fetch || echo 'machine: no lspci: its test is skipped'
	$(Q)examples/debian/prepare || echo 'machine: no Debian to boot, see above: its test is skipped'
	$(Q)examples/router/prepare || echo 'machine: no router demo, see above: its test is skipped'
	$(Q)examples/shared/prepare || echo 'machine: no demo of shared memory, see above: its test is skipped'
	$(Q)examples/dpdk/prepare || echo 'machine: no testpmd, see above: its test is skipped'
	$(Q)examples/chain/prepare || echo 'machine: no chain demo, see above: its test is skipped'
	$(Q)tests/linux/offloads/fetch || echo 'machine: no ethtool: its test is skipped'
	$(Q)tests/linux/others/fetch || echo 'machine: no guests of others: their tests are skipped'
	$(Q)tests/linux/virtio/fetch || echo 'machine: no virtio modules: their tests are skipped'

# Tables as careless firmware has them.
CARELESS := $(patsubst %,$(GUESTS)/acpi/%.aml,facp-dead madt-pad spcr-gsi-0 spcr-gsi-200 spcr-gas)

$(CARELESS) &: tests/machine/acpi-tables
	$(call say,ACPI,$(GUESTS)/acpi)
	$(Q)$< $(GUESTS)/acpi

machine-files: $(CARELESS) $(GUEST_FILES) $(MACHINE_CONFIGS) $(MACHINE_LINKS) $(GUESTS)/linux-pv.cpio.gz

# A second image, which watches the life of each VMCS.
.PHONY: machine-debug
machine-debug:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/debug DEBUG=1 all

# What they all need; `make check` needs less.
.PHONY: machine-ready check-ready
machine-ready: all machine-debug machine-files machine-linux vmhost vmhost-guests vmhost-witness
	$(Q)tests/efi/prepare $(BUILD)/tests/efi || echo 'machine: no images for Secure Boot, see above: their tests are skipped'

check-ready: $(BUILD)/skerry.elf vmhost $(GUEST_FILES) $(MACHINE_CONFIGS) $(GUESTS)/vmlinuz $(GUESTS)/initramfs.cpio.gz
	$(Q)examples/two-linux/prepare || echo 'check: no demo guest, see above: its test is skipped'

machine: machine-ready
	$(Q)tests/machine/run --totals $(BUILD)/totals/machine
