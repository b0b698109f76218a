; SPDX-License-Identifier: BSD-2-Clause
; Where a further CPU begins in real mode: copied to 8000h by second_cpu.c.
PLACE equ 0x8000

global trampoline, trampoline_end
extern second_cpu_main, second_cpu_stack

section .text
bits 16
trampoline:
        cli
        mov ax, cs
        mov ds, ax
        o32 lgdt [.gdt - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 0x08:PLACE + (.flat - trampoline)
bits 32
.flat:
        mov cx, 0x10
        mov ds, cx
        mov es, cx
        mov ss, cx
        mov esp, [second_cpu_stack]
        mov eax, second_cpu_main
        call eax                        ; does not return
align 8
.gdt:   dw .gdt_end - .table - 1
        dd PLACE + (.table - trampoline)
align 8
.table: dq 0                            ; selectors as in start.asm
        dq 0x00cf9b000000ffff
        dq 0x00cf93000000ffff
.gdt_end:
trampoline_end:
