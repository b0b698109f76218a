; SPDX-License-Identifier: BSD-2-Clause
; The last code of Skerry: boot/host/release.c copies it to a page that nothing will be copied over and enters it
; there, at its physical address, with interrupts off and RDI = that address. It runs on page tables of its own,
; clears and copies what the list says, and enters the next kernel as struct start_state asks.

%include "offsets.inc"

CR0_PE_ET    equ 0x11
CR4_PAE      equ 1 << 5
MSR_EFER     equ 0xc0000080
EFER_LMA_LME equ 1 << 10 | 1 << 8
KERNEL_CODE  equ 0x10                   ; in the next kernel's GDT (boot/guest/loader.c)
KERNEL_DATA  equ 0x18
STUB_CODE32  equ 0x08
STUB_DATA    equ 0x10

%define HERE(label) ((label) - release_stub)
%define DATA(field) (HERE(release_data) + RELEASE_ %+ field)

section .rodata
global release_stub, release_data, release_stub_end
bits 64
release_stub:
    cld
    mov rbp, rdi
    lea rsp, [rbp + PAGE_BYTES]
    mov eax, CR4_PAE                    ; SMEP and SMAP off; PGE off flushes global pages
    mov cr4, rax
    mov rax, [rbp + DATA(CR3)]
    mov cr3, rax
    lidt [rbp + HERE(none)]
    xor eax, eax
    lldt ax

    mov rdx, [rbp + DATA(LIST)]
.next:
    mov rdi, [rdx]
    mov rsi, [rdx + 8]
    mov rcx, [rdx + 16]
    add rdx, 24
    test rcx, rcx
    jz .done
    test rsi, rsi
    jz .clear
    rep movsb
    jmp .next
.clear:
    xor eax, eax
    rep stosb
    jmp .next
.done:
    cmp dword [rbp + DATA(MODE)], 64
    jne .leave_long_mode

    mov rax, [rbp + DATA(START_CR3)]
    mov cr3, rax
    mov ecx, MSR_EFER
    xor edx, edx
    mov eax, EFER_LMA_LME               ; no SYSCALL, no NX: as a kernel finds it after a reset
    wrmsr
    mov eax, CR0_PE_ET
    bts rax, 31                         ; PG
    mov cr0, rax
    push qword [rbp + DATA(GDT_BASE)]
    sub rsp, 2
    mov ax, [rbp + DATA(GDT_LIMIT)]
    mov [rsp], ax
    lgdt [rsp]
    add rsp, 10
    mov eax, KERNEL_DATA
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    push KERNEL_CODE
    push qword [rbp + DATA(RIP)]
    mov rax, [rbp + DATA(RAX)]
    mov rbx, [rbp + DATA(RBX)]
    mov rsi, [rbp + DATA(RSI)]
    xor ecx, ecx
    xor edx, edx
    xor edi, edi
    xor ebp, ebp
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    retfq

.leave_long_mode:
    lea rax, [rbp + HERE(gdt)]
    mov [rbp + HERE(gdt_pointer) + 2], rax
    lgdt [rbp + HERE(gdt_pointer)]
    lea rax, [rbp + HERE(compatibility)]
    push STUB_CODE32
    push rax
    retfq

bits 32
compatibility:
    mov eax, STUB_DATA
    mov ss, eax
    mov ds, eax
    mov eax, CR0_PE_ET                  ; PG off leaves long mode
    mov cr0, eax
    mov ecx, MSR_EFER
    xor eax, eax
    xor edx, edx
    wrmsr
    mov cr4, eax
    mov cr3, eax
    push dword [ebp + DATA(GDT_BASE)]
    sub esp, 2
    mov ax, [ebp + DATA(GDT_LIMIT)]
    mov [esp], ax
    lgdt [esp]
    add esp, 6
    mov eax, KERNEL_DATA
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov ss, eax
    push KERNEL_CODE
    push dword [ebp + DATA(RIP)]
    mov eax, [ebp + DATA(RAX)]
    mov ebx, [ebp + DATA(RBX)]
    mov esi, [ebp + DATA(RSI)]
    xor ecx, ecx
    xor edi, edi
    xor ebp, ebp
    retf

align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff               ; STUB_CODE32
    dq 0x00cf93000000ffff               ; STUB_DATA
gdt_pointer:
    dw gdt_pointer - gdt - 1
    dq 0
none:
    dw 0
    dq 0
align 8
release_data:
    times RELEASE_DATA_SIZE db 0
release_stub_end:
