# SPDX-License-Identifier: BSD-2-Clause
# What shows that the module of tools/vmhost, included before this, does what it should.

# --- guests: kernels that start VMs of their own, with the library of tests/guests ---
VMHOST_NAMES := vmx-events vmx-ipiv vmx-knobs vmx-time
VMHOST_COMMON := $(patsubst %,$(VMHOST)/obj/%.o,lib/vmm lib/vmm_asm lib/second) \
    $(patsubst %,$(GUESTS)/obj/lib/%.o,start2 trap_stubs trampoline apic bootinfo console second_cpu traps)
VMHOST_GUESTS := $(VMHOST_NAMES:%=$(VMHOST)/%.elf)

.PHONY: vmhost-guests
vmhost-guests: $(VMHOST_GUESTS)

$(VMHOST)/obj/%.o: tests/vmhost/guests/%.c
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(VMHOST)/obj/%.o: tests/vmhost/guests/%.asm
	@mkdir -p $(@D)
	$(call say,GUESTAS,$<)
	$(Q)nasm $(GUEST_NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

$(VMHOST_GUESTS): $(VMHOST)/%.elf: $(VMHOST)/obj/%.o $(VMHOST_COMMON) tests/guests/guest.ld
	$(call say,GUESTLD,$@)
	$(Q)ld $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^)

# --- the witness: Debian's kernel with its KVM, and a runner of two virtual CPUs ---
# Without a network its tests are skipped, each with its reason.
.PHONY: vmhost-witness
vmhost-witness: $(VMHOST)/kvm-run
	$(Q)tests/vmhost/witness/fetch || echo 'vmhost: no kernel of Debian trixie with KVM: its tests are skipped'

$(VMHOST)/kvm-guest.bin: tests/vmhost/witness/guest.asm
	@mkdir -p $(@D)
	$(call say,GUESTAS,$<)
	$(Q)nasm -f bin -Werror -w+all -o $@ $<

$(VMHOST)/kvm-run: tests/vmhost/witness/kvm-run.c $(VMHOST)/kvm-guest.bin
	$(call say,HOSTCC,$<)
	$(Q)$(CC) -std=gnu11 -O2 -static -pthread -Wall -Wextra -Werror -DGUEST='"$(VMHOST)/kvm-guest.bin"' -o $@ $<

-include $(wildcard $(VMHOST)/obj/*.d $(VMHOST)/obj/lib/*.d)
