; SPDX-License-Identifier: BSD-2-Clause
; Two virtual CPUs in flat 32-bit mode, x2APIC on: the first sends IPIs, the second takes them.
bits 32
org 0x1000

APIC_SVR  equ 0x80f
APIC_EOI  equ 0x80b
APIC_ICR  equ 0x830
VECTOR    equ 0x50
IPIS      equ 2000
OTHER_SIZE equ 10
PORT_BAD  equ 0x20                      ; an interrupt or exception that is none of ours, by its vector
PORT      equ 0x10                      ; the runner looks at its counters

        jmp near sender                 ; 1000h
        align 16
        jmp near receiver               ; 1010h
        align 16
        dd IPIS                         ; 1020h, for the runner

; It spins with interrupts on, which nobody sends it: Bochs alone does not take a CPU away from a guest that was
; entered with interrupts off, and the receiver's thread may wait for this very CPU.
sender:
        mov esp, 0x9000
        lidt [idt_pointer]
        sti
        mov ecx, APIC_SVR
        xor edx, edx
        mov eax, 0x1ff
        wrmsr
.wait:  cmp dword [ready], 0
        je .wait
        out PORT, al                    ; before
        mov ebx, IPIS
.next:  mov esi, [count]
        mov ecx, APIC_ICR
        mov edx, 1
        mov eax, 0x4000 | VECTOR
        wrmsr
.taken: cmp [count], esi
        je .taken
        dec ebx
        jnz .next
        out PORT, al                    ; after
.stop:  jmp .stop

receiver:
        mov esp, 0x8000
        lidt [idt_pointer]
        mov ecx, APIC_SVR
        xor edx, edx
        mov eax, 0x1ff
        wrmsr
        sti
        mov dword [ready], 1
.spin:  jmp .spin

handler:
        push eax
        push ecx
        push edx
        inc dword [count]
        mov ecx, APIC_EOI
        xor eax, eax
        xor edx, edx
        wrmsr
        pop edx
        pop ecx
        pop eax
        iretd

; the GDT is at 2000h less 24, the IDT at 2000h
times 0x2000 - 24 - 0x1000 - ($ - $$) db 0
        dq 0
        dq 0x00cf9b000000ffff
        dq 0x00cf93000000ffff
idt:                                    ; 2000h
%assign v 0
%rep 256
%if v == VECTOR
        dw handler, 8, 0x8e00, 0
%else
        dw other + v * OTHER_SIZE, 8, 0x8e00, 0
%endif
%assign v v + 1
%endrep
idt_pointer:
        dw idt_pointer - idt - 1
        dd idt
; Vectors that nobody asked for: each tells the runner its number.
other:
%assign v 0
%rep 256
        mov eax, v
        jmp strict near unexpected
%assign v v + 1
%endrep
unexpected:
        out PORT_BAD, eax
        jmp unexpected

align 4
ready:  dd 0
count:  dd 0
