# SPDX-License-Identifier: BSD-2-Clause
# skerry.efi: the hypervisor's own loader, with GNU-EFI's start code and layout.

EFI_BUILD := $(BUILD)/efi
EFI_SOURCES := $(patsubst %,boot/efi/%.c,boot_info files firmware leave main measure names options placed report sections survey) boot/guest/elf.c \
    core/config/config.c core/config/config_files.c core/config/config_keys.c core/config/config_net.c core/config/config_shared.c core/base/span.c core/base/format.c arch/x86/string.c
EFI_OBJECTS := $(EFI_SOURCES:%.c=$(EFI_BUILD)/%.o) $(EFI_BUILD)/boot/efi/jump.o
EFI_INCLUDES := -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
EFI_CFLAGS := -std=gnu11 -Os -ffreestanding -fpic -fshort-wchar -mno-red-zone -mgeneral-regs-only -maccumulate-outgoing-args -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fvisibility=hidden -ffile-prefix-map=$(CURDIR)=. $(WARNINGS) \
    -DGNU_EFI_USE_MS_ABI -DSKERRY_VERSION='"$(VERSION)"' -I. $(EFI_INCLUDES)

$(EFI_BUILD)/%.o: %.c Makefile boot/efi/efi.mk
	@mkdir -p $(@D)
	$(call say,EFICC,$<)
	$(Q)$(CC) $(EFI_CFLAGS) -MMD -MP -c -o $@ $<

$(EFI_BUILD)/boot/efi/jump.o: boot/efi/jump.asm
	@mkdir -p $(@D)
	$(call say,NASM,$<)
	$(Q)$(NASM) $(NASMFLAGS) -o $@ $<

# What is not defined would be a jump to 0.
$(EFI_BUILD)/skerry.so: $(EFI_OBJECTS)
	$(call say,EFILD,$@)
	$(Q)ld -shared -Bsymbolic -nostdlib -znocombreloc -znoexecstack --no-undefined --build-id=none -T /usr/lib/elf_x86_64_efi.lds -o $@ \
	    /usr/lib/crt0-efi-x86_64.o $(EFI_OBJECTS) /usr/lib/libgnuefi.a

# -S: symbols behind the last section would be bytes that no signature covers.
$(BUILD)/skerry.efi: $(EFI_BUILD)/skerry.so
	$(call say,EFI,$@)
	$(Q)objcopy -S -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc --output-target=efi-app-x86_64 $< $@

-include $(EFI_SOURCES:%.c=$(EFI_BUILD)/%.d)
