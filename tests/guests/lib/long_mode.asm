; SPDX-License-Identifier: BSD-2-Clause
; void long_call(uint32_t cr3, const void *code, void *argument)
; Calls 64-bit code with RDI = argument and comes back, interrupts off. Without a table of traps of its own, an
; exception there is the end.
bits 32

EFER     equ 0xc0000080
EFER_LME equ 1 << 8
CR0_PG   equ 1 << 31
CR4_PAE  equ 1 << 5

global long_call

section .text
long_call:
        push ebp
        push ebx
        push esi
        push edi
        sidt [old_idt]
        mov ebx, [esp + 24]
        mov edi, [esp + 28]
        mov eax, [esp + 20]
        mov cr3, eax
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
        mov eax, edi                    ; the upper halves are nobody's
        mov rdi, rax
        mov eax, ebx
        call rax
        push 8                          ; back to 32-bit code, compatibility mode first
        lea rax, [rel outside]
        push rax
        retfq

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
align 4
old_idt:
        dw 0
        dd 0, 0
