; SPDX-License-Identifier: BSD-2-Clause
; vmx/fastpath.asm as a program may execute it: a processor whose VMCS, TSC and MSRs are variables of tests/unit/fastpath.c.

section .text
bits 64

extern fake_vmcs, fake_now, fake_written_msr, fake_entered

%macro vmread 2                         ; destination, field
%ifidni %1, rax
    mov rax, [fake_vmcs + %2 * 8]
%elifidni %1, rdx
    mov rdx, [fake_vmcs + %2 * 8]
%else
    mov [saved], rbx
    mov rbx, [fake_vmcs + %2 * 8]
    mov %1, rbx
    mov rbx, [saved]
%endif
%endmacro

%macro vmwrite 2                        ; field, value
    mov [fake_vmcs + %1 * 8], %2
%endmacro

%macro rdtsc 0
    mov eax, [fake_now]
    mov edx, [fake_now + 4]
%endmacro

%macro wrmsr 0
    mov [fake_written_msr], eax
    mov [fake_written_msr + 4], edx
    mov [fake_written_msr + 8], ecx
%endmacro

%macro vmresume 0
    jmp fake_entered
%endmacro

%include "vmx/fastpath.asm"

section .bss
saved: resq 1

section .note.GNU-stack noalloc noexec nowrite progbits
