; SPDX-License-Identifier: BSD-2-Clause
; 64-bit code for apic-cost.c, called by long_call(): RDI is a struct cr8_samples, filled with what CR8 costs.
global cr8_empty, cr8_write, cr8_read

C_COUNT  equ 0
C_VALUES equ 4

section .text
bits 64
%macro measured 0-1+
        mov r8d, [rdi + C_COUNT]
        mov r9d, [rdi + C_VALUES]
        mov ebx, 1
%%next: rdtsc
        mov esi, eax
        %1
        rdtsc
        sub eax, esi
        mov [r9], eax
        add r9, 4
        dec r8d
        jnz %%next
        xor ebx, ebx
        mov cr8, rbx
        ret
%endmacro

cr8_empty: measured
cr8_write: measured mov cr8, rbx
cr8_read:  measured mov rcx, cr8
