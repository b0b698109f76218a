; SPDX-License-Identifier: BSD-2-Clause
; Entry points of all 256 vectors, and MSR access that survives a #GP.

section .text
bits 64

extern trap_entry

%macro STUB 1
stub_%1:
    %if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17 || %1 == 21
    nop
    nop
    %else
    push byte 0                     ; the processor pushed no error code
    %endif
    push dword %1
    jmp near save_frame
    align 16
%endmacro

align 16
global trap_stubs
trap_stubs:                         ; STUB_SIZE apart (arch/x86/trap.c)
%assign vector 0
%rep 256
    STUB vector
%assign vector vector + 1
%endrep

; Builds struct trap_frame (arch/x86/trap.h).
save_frame:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    mov rdi, rsp
    call trap_entry
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    iretq

; A fault at the first address continues at the second.
%macro FIXUP 2
    section .fixups progbits alloc noexec nowrite align=8
    dq %1, %2
    section .text
%endmacro

; bool rdmsr_safe(uint32_t msr, uint64_t *value)
global rdmsr_safe
rdmsr_safe:
    mov ecx, edi
.access:
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov [rsi], rax
    mov eax, 1
    ret
.fault:
    xor eax, eax
    ret
    FIXUP rdmsr_safe.access, rdmsr_safe.fault

; bool wrmsr_safe(uint32_t msr, uint64_t value)
global wrmsr_safe
wrmsr_safe:
    mov ecx, edi
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
.access:
    wrmsr
    mov eax, 1
    ret
.fault:
    xor eax, eax
    ret
    FIXUP wrmsr_safe.access, wrmsr_safe.fault
