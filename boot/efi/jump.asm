; SPDX-License-Identifier: BSD-2-Clause
; From the firmware's long mode to the hypervisor's 32-bit Multiboot2 entry. The part between jump_start and jump_end is
; copied to a page below 4 GiB, which the firmware maps at its own address: the program itself may lie above.

MULTIBOOT2_MAGIC equ 0x36d76289
CR0_PG           equ 1 << 31
CR4_PCIDE        equ 1 << 17
MSR_EFER         equ 0xc0000080
EFER_LME         equ 1 << 8

section .text
bits 64

; void jump(void *copy, uint32_t entry, uint32_t info)
global jump
jump:
    mov rax, rdi
    mov edi, esi
    mov esi, edx
    cli
    cld
    jmp rax

align 16
global jump_start, jump_end
jump_start:
    lea rax, [rel gdt]
    mov [rel gdt_register + 2], rax
    lgdt [rel gdt_register]
    mov rax, cr4
    and eax, ~CR4_PCIDE                 ; paging does not end while it is on
    mov cr4, rax
    lea rax, [rel compatible]
    push 8
    push rax
    db 0x48
    retf                                ; to 32-bit code

bits 32
compatible:
    mov eax, 16
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    mov eax, cr0
    and eax, ~CR0_PG
    mov cr0, eax
    mov ecx, MSR_EFER
    rdmsr
    and eax, ~EFER_LME
    wrmsr
    xor eax, eax
    mov cr4, eax
    mov eax, MULTIBOOT2_MAGIC
    mov ebx, esi
    jmp edi

align 8
gdt:
    dq 0
    dq 0x00cf9a000000ffff               ; code, 32 bits, all of 4 GiB
    dq 0x00cf92000000ffff               ; data
gdt_register:
    dw gdt_register - gdt - 1
    dq 0
jump_end:
