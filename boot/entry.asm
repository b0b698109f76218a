; SPDX-License-Identifier: BSD-2-Clause
; From GRUB's 32-bit protected mode to boot_main() in the higher half.
;
; The image may lie anywhere below 4 GiB at a multiple of 2 MiB, so this code takes its own address from EIP:
; EBP = load address - link address is added to every symbol.

%include "offsets.inc"

MULTIBOOT2_MAGIC equ 0x36d76289
PAGE_PRESENT_RW  equ 0x003
PAGE_LARGE       equ 0x083
CR0_PG           equ 1 << 31
CR0_WP           equ 1 << 16
CR4_PAE          equ 1 << 5
MSR_EFER         equ 0xc0000080
EFER_LME         equ 1 << 8
CPUID_LM         equ 1 << 29
COM1             equ 0x3f8

extern boot_main, image_link_start

section .boot.text progbits alloc exec nowrite
bits 32
global boot_entry32
boot_entry32:
    cli
    cld
    mov esi, eax
    mov edi, ebx
    rdtsc                           ; the start of every figure about booting
    mov ebx, eax
    mov ecx, edx

    ; A scratch stack is needed for one call: the Multiboot2 information's first dword is never used later.
    lea esp, [edi + 8]
    mov eax, [edi + 4]
    call .here
.here:
    pop ebp
    mov [edi + 4], eax
    sub ebp, .here
    mov [ebp + entry_tsc], ebx
    mov [ebp + entry_tsc + 4], ecx
    mov [ebp + entry_mbi], edi

    cmp esi, MULTIBOOT2_MAGIC
    jne hang
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    test edx, CPUID_LM
    jz no_long_mode

    ; PML4: the first 4 GiB at 0 and at DIRECT_BASE, the image at KERNEL_BASE.
    lea eax, [ebp + boot_pdpt + PAGE_PRESENT_RW]
    mov [ebp + boot_pml4], eax
    mov [ebp + boot_pml4 + 256 * 8], eax
    mov [ebp + boot_pml4 + 511 * 8], eax
    lea eax, [ebp + boot_pd_image + PAGE_PRESENT_RW]
    mov [ebp + boot_pdpt + 510 * 8], eax

    xor ecx, ecx
.pdpt:
    mov eax, ecx
    shl eax, 12
    lea eax, [ebp + eax + boot_pd_low + PAGE_PRESENT_RW]
    mov [ebp + boot_pdpt + ecx * 8], eax
    inc ecx
    cmp ecx, 4
    jne .pdpt

    xor ecx, ecx
.pd:
    mov eax, ecx
    shl eax, 21
    or eax, PAGE_LARGE
    mov [ebp + boot_pd_low + ecx * 8], eax
    inc ecx
    cmp ecx, 4 * 512
    jne .pd

    lea eax, [ebp + image_link_start]
    mov [ebp + entry_base], eax
    or eax, PAGE_LARGE
    mov [ebp + boot_pd_image], eax
    add eax, 1 << 21
    mov [ebp + boot_pd_image + 8], eax

    mov eax, CR4_PAE
    mov cr4, eax
    lea eax, [ebp + boot_pml4]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_LME
    wrmsr
    mov eax, cr0
    or eax, CR0_PG | CR0_WP
    mov cr0, eax

    lea eax, [ebp + boot_gdt]
    mov [ebp + boot_gdt_pointer + 2], eax
    lgdt [ebp + boot_gdt_pointer]
    lea eax, [ebp + .long]
    mov [ebp + far_pointer], eax
    jmp far [ebp + far_pointer]

bits 64
.long:
    xor eax, eax
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ebp, ebp                    ; entering long mode leaves the upper half undefined
    mov edi, [rbp + entry_mbi]
    mov esi, [rbp + entry_base]
    mov rdx, [rbp + entry_tsc]
    mov rsp, boot_stack_top
    xor ebp, ebp
    mov rax, boot_main              ; (physical address of the information, of the image, TSC at entry)
    call rax

bits 32
; Without long mode there is no console driver: say it on the serial port and on the text screen, then stop.
no_long_mode:
    mov dx, COM1 + 3
    mov al, 0x83
    out dx, al
    mov dx, COM1 + 1
    xor al, al
    out dx, al
    dec dx
    inc al
    out dx, al                      ; divisor 1: 115200
    mov dx, COM1 + 3
    mov al, 3
    out dx, al
    lea esi, [ebp + no_long_mode_text]
    mov edi, 0xb8000
.next:
    lodsb
    test al, al
    jz hang
    mov ah, 7
    stosw
    mov bl, al
    mov dx, COM1 + 5
.busy:
    in al, dx
    test al, 0x20
    jz .busy
    mov dx, COM1
    mov al, bl
    out dx, al
    jmp .next
hang:
    cli
    hlt
    jmp hang

no_long_mode_text: db "skerry: halted: this CPU has no 64-bit mode", 13, 10, 0

align 8
boot_gdt:
    dq 0
    dq 0x00af9b000000ffff           ; SEL_CODE: 64-bit code
boot_gdt_pointer:
    dw $ - boot_gdt - 1
    dd 0
far_pointer:
    dd 0
    dw SEL_CODE
align 8
entry_tsc:  dq 0
entry_mbi:  dd 0
entry_base: dd 0

section .boot.bss nobits alloc noexec write align=4096
boot_pml4:      resb 4096
boot_pdpt:      resb 4096               ; the first 4 GiB and, at 510, the image: one table for all three places
boot_pd_image:  resb 4096
boot_pd_low:    resb 4 * 4096

section .bss nobits alloc noexec write align=16
boot_stack: resb 8192
boot_stack_top:
