; SPDX-License-Identifier: BSD-2-Clause
; Where the loader enters a test guest: Multiboot, or Multiboot2 when MULTIBOOT2 is defined.
bits 32

MB1_MAGIC equ 0x1badb002
MB1_FLAGS equ 3                         ; page-aligned modules, memory map
MB2_MAGIC equ 0xe85250d6
STACK     equ 16384

global _start, gdt_pointer, trap_stack_end, tss
extern guest_start

section .multiboot
%ifdef MULTIBOOT2
align 8
header:
        dd MB2_MAGIC, 0, header_end - header, -(MB2_MAGIC + (header_end - header))
        dw 1, 0                         ; needed: command line, modules, memory map
        dd 8 + 3 * 4, 1, 3, 6
        align 8
        dw 0, 0
        dd 8
header_end:
%else
align 4
        dd MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
%endif

section .text
_start:
        mov esp, stack_end              ; the loader's registers: EAX magic, EBX information
        lgdt [gdt_pointer]
        jmp 0x08:.reloaded
.reloaded:
        mov cx, 0x10
        mov ds, cx
        mov es, cx
        mov fs, cx
        mov gs, cx
        mov ss, cx
        mov ecx, tss                    ; its descriptor wants the address in pieces
        mov [gdt.tss + 2], cx
        shr ecx, 16
        mov [gdt.tss + 4], cl
        mov [gdt.tss + 7], ch
        mov cx, 0x28
        ltr cx
        push ebx
        push eax
        call guest_start                ; does not return

section .data
align 8
gdt:
        dq 0
        dq 0x00cf9b000000ffff           ; 08h ring 0 code
        dq 0x00cf93000000ffff           ; 10h ring 0 data
        dq 0x00cffb000000ffff           ; 18h ring 3 code
        dq 0x00cff3000000ffff           ; 20h ring 3 data
.tss:   dq 0x0000890000000067           ; 28h
        dq 0x00af9b000000ffff           ; 30h 64-bit code
.end:
gdt_pointer:
        dw gdt.end - gdt - 1
        dd gdt, 0                       ; long enough for 64-bit mode

align 8
tss:    dd 0, trap_stack_end, 0x10
        times 22 dd 0
        dd 0x00680000                   ; no I/O bitmap

section .bss
align 16
        resb STACK
stack_end:
        resb STACK
trap_stack_end:
