; SPDX-License-Identifier: BSD-2-Clause
; Application processors start here in real mode. boot/host/smp.c copies the code to a page below 1 MiB, fills in
; struct trampoline_data at its end and sends INIT-SIPI-SIPI (SDM volume 3, "MP initialization protocol").

%include "offsets.inc"

CR0_PE_NE_WP_PG equ 0x80010021
CR4_PAE         equ 1 << 5
CPUID_NX        equ 1 << 20
MSR_MISC_ENABLE equ 0x1a0
XD_DISABLE      equ 1 << (34 - 32)
MSR_EFER        equ 0xc0000080
EFER_LME_NXE    equ 1 << 8 | 1 << 11

%define HERE(label) ((label) - trampoline_start)

section .rodata
global trampoline_start, trampoline_end, trampoline_data
bits 16
trampoline_start:
    cli
    cld
    mov ax, cs
    mov ds, ax
    xor ebx, ebx
    mov bx, ax
    shl ebx, 4                      ; EBX = where this page is

    lea eax, [ebx + HERE(gdt)]
    mov [HERE(gdt_pointer) + 2], eax
    lea eax, [ebx + HERE(protected)]
    mov [HERE(far32)], eax
    lea eax, [ebx + HERE(long_mode)]
    mov [HERE(far64)], eax
    o32 lgdt [HERE(gdt_pointer)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword far [HERE(far32)]

bits 32
protected:
    mov ax, 0x18
    mov ds, ax
    mov ss, ax
    mov eax, CR4_PAE
    mov cr4, eax
    mov eax, [ebx + HERE(trampoline_data) + TRAMPOLINE_CR3]
    mov cr3, eax
    mov edi, ebx
    mov eax, 0x80000001
    cpuid
    mov ebx, edi
    test edx, CPUID_NX
    jnz .nx
    mov ecx, MSR_MISC_ENABLE        ; the firmware's setup hides NX, and EFER.NXE would fault
    rdmsr
    and edx, ~XD_DISABLE
    wrmsr
.nx:
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME_NXE
    wrmsr
    mov eax, CR0_PE_NE_WP_PG
    mov cr0, eax
    jmp far [ebx + HERE(far64)]

bits 64
long_mode:
    mov ebx, ebx
    mov rsp, [rbx + HERE(trampoline_data) + TRAMPOLINE_STACK]
    mov rdi, [rbx + HERE(trampoline_data) + TRAMPOLINE_CPU]
    mov rax, [rbx + HERE(trampoline_data) + TRAMPOLINE_ENTRY]
    xor ebp, ebp
    call rax                        ; ap_main(struct cpu *) does not return

align 8
gdt:
    dq 0
    dq 0x00af9b000000ffff           ; 08h: 64-bit code
    dq 0x00cf9b000000ffff           ; 10h: 32-bit code
    dq 0x00cf93000000ffff           ; 18h: data
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dd 0
far32:
    dd 0
    dw 0x10
far64:
    dd 0
    dw 0x08
align 8
trampoline_data:
    times TRAMPOLINE_DATA_SIZE db 0
trampoline_end:
