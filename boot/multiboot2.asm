; SPDX-License-Identifier: BSD-2-Clause
; Multiboot2 header: where GRUB may put the image and what it should tell us (Multiboot2 Specification 2.0, section 3).

MAGIC           equ 0xe85250d6
ARCH_I386       equ 0
TAG_END         equ 0
TAG_REQUEST     equ 1
TAG_CONSOLE     equ 4
TAG_ALIGN       equ 6
TAG_RELOCATABLE equ 10
OPTIONAL        equ 1

section .multiboot2 progbits alloc noexec nowrite align=8

header:
    dd MAGIC, ARCH_I386, header_end - header
    dd -(MAGIC + ARCH_I386 + (header_end - header))

    align 8, db 0
    dw TAG_REQUEST, 0
    dd 16
    dd 6, 3                         ; memory map and modules: without them there is nothing to do

    align 8, db 0
    dw TAG_CONSOLE, OPTIONAL
    dd 12
    dd 2                            ; EGA text is understood; no console is required

; No framebuffer tag: with it GRUB would switch a BIOS machine to graphics; on UEFI it gives us one anyway.

    align 8, db 0
    dw TAG_ALIGN, 0
    dd 8

    align 8, db 0
    dw TAG_RELOCATABLE, 0
    dd 24
    dd 0x100000                     ; lowest address
    dd 0xefffffff                   ; highest
    dd 0x200000                     ; alignment: the boot page tables map the image by 2 MiB pages
    dd 1                            ; as low as possible

    align 8, db 0
    dw TAG_END, 0
    dd 8
header_end:
