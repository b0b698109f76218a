; SPDX-License-Identifier: BSD-2-Clause
;
; Put in front of a Linux kernel by tools/bare-boot: prints the time-stamp counter at the kernel's 32-bit
; entry on the first serial port as `entry: HEX`, then runs the kernel as it was.
;
; The tool appends these bytes to the kernel's protected-mode part and replaces the first 5 bytes there by
; a jump to them. The kernel may be loaded anywhere, so everything is relative.
; -D DISTANCE: from the part's first byte to ours. -D LOW, -D HIGH: the 4 and 1 replaced bytes.
bits 32

UART        equ 0x3f8
LINE_CONTROL equ UART + 3
EIGHT_BITS  equ 3
LINE_STATUS equ UART + 5
CAN_SEND    equ 0x20
SCRATCH_END equ 0x1e8           ; the boot parameters' scratch word, which the kernel uses as its first stack too

start:
        lea     esp, [esi + SCRATCH_END]
        call    .here
.here:  pop     ebp             ; the stack holds one word: from here on registers only
        lea     edi, [ebp - (.here - start) - DISTANCE]
        mov     dword [edi], LOW
        mov     byte [edi + 4], HIGH
        rdtsc
        mov     ebx, eax
        mov     ecx, edx        ; ECX:EBX = counter
        mov     dx, LINE_CONTROL
        mov     al, EIGHT_BITS
        out     dx, al
        add     ebp, text - .here
.text:  movzx   eax, byte [ebp]
        inc     ebp
        test    al, al
        jz      .number
        mov     ah, al
        mov     dx, LINE_STATUS
.wait:  in      al, dx
        test    al, CAN_SEND
        jz      .wait
        mov     al, ah
        mov     dx, UART
        out     dx, al
        jmp     .text

.number:                        ; 16 digits, highest first; ESP, free now, counts them
        mov     esp, 16
.digit: mov     eax, ecx
        shr     eax, 28
        shld    ecx, ebx, 4
        shl     ebx, 4
        cmp     al, 10
        jb      .decimal
        add     al, 'a' - '0' - 10
.decimal:
        add     al, '0'
        mov     ah, al
        mov     dx, LINE_STATUS
.busy:  in      al, dx
        test    al, CAN_SEND
        jz      .busy
        mov     al, ah
        mov     dx, UART
        out     dx, al
        dec     esp
        jnz     .digit
        mov     ah, 10
.last:  mov     dx, LINE_STATUS
        in      al, dx
        test    al, CAN_SEND
        jz      .last
        mov     al, ah
        mov     dx, UART
        out     dx, al
        jmp     edi

text:   db      10, "entry: ", 0
