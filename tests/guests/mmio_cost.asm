; SPDX-License-Identifier: BSD-2-Clause
; 64-bit code for exits.c, called by long_call(): RDI is a struct mmio_cost, filled with the least ticks of many.
global mmio_cost_code

C_TRIES   equ 0
C_ADDRESS equ 4
C_NOTHING equ 8
C_READ    equ 12

section .text
bits 64
; measured place, what
%macro measured 2+
        mov r8d, [rdi + C_TRIES]
        mov r9d, -1
%%next: rdtsc
        mov r10d, eax
        %2
        rdtsc
        sub eax, r10d
        cmp eax, r9d
        cmovb r9d, eax
        dec r8d
        jnz %%next
        mov [rdi + %1], r9d
%endmacro

mmio_cost_code:
        mov esi, [rdi + C_ADDRESS]
        measured C_NOTHING, nop
        measured C_READ, mov ecx, [rsi]
        ret
