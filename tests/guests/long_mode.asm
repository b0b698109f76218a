; SPDX-License-Identifier: BSD-2-Clause
; void long_mode(uint32_t cr3, struct long_result *result): for cr-xcr.c, with interrupts off.
bits 32

EFER     equ 0xc0000080
EFER_LME equ 1 << 8
CR0_PG   equ 1 << 31
CR4_PAE  equ 1 << 5

; struct long_result
R_CR8  equ 0
R_EFER equ 8
R_BIG  equ 16
R_CR8_FAULT equ 24
R_CR4_FAULT equ 32
R_CR0_FAULT equ 40

global long_mode

section .text
long_mode:
        push ebp
        push ebx
        push esi
        push edi
        mov edi, [esp + 24]
        mov eax, [esp + 20]
        mov cr3, eax
        sidt [old_idt]
        mov eax, cr4
        or eax, CR4_PAE
        mov cr4, eax
        mov ecx, EFER
        rdmsr
        or eax, EFER_LME
        wrmsr
        mov eax, cr0
        or eax, CR0_PG
        mov cr0, eax
        jmp 0x30:inside

bits 64
inside:
        mov eax, general_protection     ; a 64-bit gate for #GP
        mov [gate], ax
        shr eax, 16
        mov [gate + 6], ax
        lidt [new_idt]
        mov eax, edi
        mov rdi, rax
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
        push 8                          ; back to 32-bit code, compatibility mode first
        lea rax, [rel outside]
        push rax
        retfq

; Notes the vector in RSI and goes on at RBX.
general_protection:
        add rsp, 8                      ; the error code
        mov [rsp], rbx
        mov esi, 13
        iretq

bits 32
outside:
        mov eax, cr0
        and eax, ~CR0_PG
        mov cr0, eax
        mov ecx, EFER
        rdmsr
        and eax, ~EFER_LME
        wrmsr
        mov eax, cr4
        and eax, ~CR4_PAE
        mov cr4, eax
        lidt [old_idt]
        pop edi
        pop esi
        pop ebx
        pop ebp
        ret

section .data
align 16
idt:    times 13 dq 0, 0
gate:   dw 0, 0x30, 0x8e00, 0, 0, 0, 0, 0
idt_end:
new_idt:
        dw idt_end - idt - 1
        dd idt, 0
old_idt:
        dw 0
        dd 0, 0
