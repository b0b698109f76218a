; SPDX-License-Identifier: BSD-2-Clause
; A raw image at 1 MiB, entered at its first byte in 32-bit protected mode with a stack.
bits 32
org 0x100000

        call here
here:   pop ebp
        cmp ebp, here
        jne wrong
        mov eax, cr0
        and eax, 0x80000001
        cmp eax, 1                      ; protected mode, no paging
        jne wrong
        mov esi, ok
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

ok:     db 'flat32: ok entered at 1 MiB in protected mode', 13, 10, 'flat32: done', 13, 10, 0
fail:   db 'flat32: FAIL', 13, 10, 0
