; SPDX-License-Identifier: BSD-2-Clause
; A raw image at 7C00h in real mode: interrupts through the vector table, protected mode and back, power off.
bits 16
org 0x7c00

        cld
        mov ax, cs
        test ax, ax
        jnz wrong
        mov esi, started
        call print

        mov word [4 * 0x40], handler    ; INT through the table at address 0
        mov word [4 * 0x40 + 2], 0
        mov word [4 * 6], undefined
        mov word [4 * 6 + 2], 0
        xor bx, bx
        int 0x40
        cmp bx, 0x1234
        jne wrong
        mov esi, interrupt_ok
        call print
        ud2
        cmp bx, 0x5678
        jne wrong
        mov esi, undefined_ok
        call print

        mov word [4 * 13], protection   ; without an error code in real mode, also when the hypervisor injects it
        mov word [4 * 13 + 2], 0
        mov word [4 * 1], debug
        mov word [4 * 1 + 2], 0
        mov bp, sp
        mov ecx, 0xc0010117             ; an MSR that is not there
        rdmsr
        cmp bx, 0x9abc
        jne wrong
        cmp bp, sp
        jne wrong
        mov esi, protection_ok
        call print
        xor bx, bx
        db 0xf1                         ; INT1: #DB behind it, as a trap
        cmp bx, 0xdef0
        jne wrong
        mov esi, int1_ok
        call print

        mov ax, 0xffff                  ; segments wrap where A20 would: FFFF:0510 is 100500h
        mov es, ax
        mov byte [es:0x510], 0x5a
        mov byte [0x500], 0xa5
        cmp byte [es:0x510], 0x5a
        jne wrong
        mov esi, a20_ok
        call print

        lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 0x08:protected
bits 32
protected:
        mov ax, 0x10
        mov ds, ax
        mov dword [0x200000], 0x12345678
        cmp dword [0x200000], 0x12345678
        setne cl
        jmp 0x18:protected16
bits 16
protected16:
        mov ax, 0x20
        mov ds, ax
        mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:real
real:   xor ax, ax
        mov ds, ax
        test cl, cl
        jnz wrong
        mov esi, modes_ok
        call print
        mov esi, done
        call print
off:    mov dx, 0x3fd
.wait:  in al, dx
        test al, 0x40
        jz .wait
        mov dx, 0x600
        mov al, 0x34
        out dx, al
        cli
        hlt
wrong:  mov esi, fail
        call print
        jmp off

handler:
        mov bx, 0x1234
        iret
undefined:
        push bp
        mov bp, sp
        add word [bp + 2], 2            ; over the UD2
        pop bp
        mov bx, 0x5678
        iret

protection:
        push bp
        mov bp, sp
        add word [bp + 2], 2            ; over the RDMSR
        pop bp
        mov bx, 0x9abc
        iret
debug:  mov bx, 0xdef0
        iret

print:  mov dx, 0x3fd
.wait:  in al, dx
        test al, 0x20
        jz .wait
        lodsb
        test al, al
        jz .end
        mov dx, 0x3f8
        out dx, al
        jmp print
.end:   ret

started:      db 'flat16: ok real mode at 7C00h', 13, 10, 0
interrupt_ok: db 'flat16: ok INT through the vector table', 13, 10, 0
undefined_ok: db 'flat16: ok #UD through the vector table', 13, 10, 0
protection_ok: db 'flat16: ok #GP without an error code', 13, 10, 0
int1_ok:      db 'flat16: ok #DB behind INT1', 13, 10, 0
a20_ok:       db 'flat16: ok addresses above 1 MiB', 13, 10, 0
modes_ok:     db 'flat16: ok protected mode and back', 13, 10, 0
done:         db 'flat16: done', 13, 10, 0
fail:         db 'flat16: FAIL', 13, 10, 0

align 8
gdt:    dq 0
        dq 0x00cf9b000000ffff           ; 08h 32-bit code
        dq 0x00cf93000000ffff           ; 10h flat data
        dq 0x00009b000000ffff           ; 18h 16-bit code
        dq 0x000093000000ffff           ; 20h 16-bit data
gdt_pointer:
        dw gdt_pointer - gdt - 1
        dd gdt
