; SPDX-License-Identifier: BSD-2-Clause
; 64-bit code for cr-xcr.c, called by long_call(): RDI is a struct long_result.
CR4_PAE  equ 1 << 5

; struct long_result
R_CR8  equ 0
R_EFER equ 8
R_BIG  equ 16
R_CR8_FAULT equ 24
R_CR4_FAULT equ 32
R_CR0_FAULT equ 40
EFER   equ 0xc0000080

global long_mode_code

section .text
bits 64
long_mode_code:
        mov eax, general_protection     ; a 64-bit gate for #GP
        mov [gate], ax
        shr eax, 16
        mov [gate + 6], ax
        lidt [new_idt]
        mov rax, 0x123456789abcdef0
        inc rax
        mov [rdi + R_BIG], rax
        mov ecx, EFER
        rdmsr
        mov [rdi + R_EFER], eax
        mov eax, 5
        mov cr8, rax
        xor eax, eax
        mov rax, cr8
        mov [rdi + R_CR8], rax

        lea rbx, [rel .after_cr8]
        xor esi, esi
        mov eax, 16
        mov cr8, rax
.after_cr8:
        mov [rdi + R_CR8_FAULT], rsi
        lea rbx, [rel .after_cr4]
        xor esi, esi
        mov rax, cr4
        and rax, ~CR4_PAE
        mov cr4, rax
.after_cr4:
        mov [rdi + R_CR4_FAULT], rsi
        lea rbx, [rel .after_cr0]
        xor esi, esi
        mov rax, cr0
        bts rax, 32
        mov cr0, rax
.after_cr0:
        mov [rdi + R_CR0_FAULT], rsi
        ret

; Notes the vector in RSI and goes on at RBX.
general_protection:
        add rsp, 8                      ; the error code
        mov [rsp], rbx
        mov esi, 13
        iretq

section .data
align 16
idt:    times 13 dq 0, 0
gate:   dw 0, 0x30, 0x8e00, 0, 0, 0, 0, 0
idt_end:
new_idt:
        dw idt_end - idt - 1
        dd idt, 0
