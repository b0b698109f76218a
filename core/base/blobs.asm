; SPDX-License-Identifier: BSD-2-Clause
; Files built into the image (core/base/blobs.h).

section .rodata
global dsdt_aml, dsdt_aml_size, pci_aml, pci_aml_size, font

align 8
dsdt_aml_size: dq dsdt_end - dsdt_aml
dsdt_aml: incbin "dev/dsdt.aml"
dsdt_end:
align 8
pci_aml_size: dq pci_end - pci_aml
pci_aml: incbin "dev/pci/ssdt.aml"
pci_end:
font: incbin "font.bin"
