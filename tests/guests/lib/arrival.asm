; SPDX-License-Identifier: BSD-2-Clause
; Handlers of interrupts whose time is measured: see measure.h.
bits 32

XAPIC_EOI      equ 0xfee000b0
XAPIC_ICR      equ 0xfee00300
XAPIC_ICR_HIGH equ 0xfee00310
X2APIC_EOI     equ 0x80b
X2APIC_ICR     equ 0x830
ANSWER_VECTOR  equ 0x54

global arrived, arrival, arrive_only, arrive_xapic, arrive_x2apic, stamp_xapic, stamp_x2apic, answer_xapic, answer_x2apic

%macro begin 0                          ; what is stamped reads the counter before it saves the rest
        push eax
        push edx
%endmacro
%macro end 0
        pop edx
        pop eax
        iretd
%endmacro

%macro stamp 0
        rdtsc
        mov [arrival], eax
        mov [arrival + 4], edx
%endmacro

%macro write_x2apic 2                   ; register, value
        mov ecx, %1
        mov eax, %2
        xor edx, edx
        wrmsr
%endmacro

section .text
arrive_only:
        inc dword [arrived]
        iretd

arrive_xapic:
        begin
        mov dword [XAPIC_EOI], 0
        inc dword [arrived]
        end

arrive_x2apic:
        begin
        push ecx
        write_x2apic X2APIC_EOI, 0
        inc dword [arrived]
        pop ecx
        end

stamp_xapic:
        begin
        stamp
        mov dword [XAPIC_EOI], 0
        inc dword [arrived]
        end

stamp_x2apic:
        begin
        stamp
        push ecx
        write_x2apic X2APIC_EOI, 0
        inc dword [arrived]
        pop ecx
        end

answer_xapic:
        begin
        mov dword [XAPIC_EOI], 0
        mov dword [XAPIC_ICR_HIGH], 0
        mov dword [XAPIC_ICR], ANSWER_VECTOR
        end

answer_x2apic:
        begin
        push ecx
        write_x2apic X2APIC_EOI, 0
        write_x2apic X2APIC_ICR, ANSWER_VECTOR
        pop ecx
        end

section .bss
align 8
arrival: resq 1
arrived: resd 1
