; SPDX-License-Identifier: BSD-2-Clause
; One stub per vector, and calls that may end in an exception.
bits 32

USER_RETURN equ 0x30                    ; the vector by which ring 3 comes back

global trap_stubs, trap_call, trap_call_user, trap_recover, trap_expected
extern trap_handle

section .text
%assign v 0
%rep 256
stub_ %+ v:
%if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21)
        push dword 0                    ; in place of an error code
%endif
        push dword v
        jmp save_frame
%assign v v + 1
%endrep

save_frame:
        pushad
        push ds
        push es
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        cld
        push esp
        call trap_handle
        add esp, 4
        pop es
        pop ds
        popad
        add esp, 8
        iretd

; int trap_call(trap_function *function, void *argument)
trap_call:
        push ebp
        push ebx
        push esi
        push edi
        pushfd
        mov [trap_expected], esp
        push dword [esp + 28]
        call dword [esp + 28]
        add esp, 4
        mov eax, -1
leave_call:
        mov dword [trap_expected], 0
        popfd
        pop edi
        pop esi
        pop ebx
        pop ebp
        ret

; int trap_call_user(trap_function *function, void *argument)
trap_call_user:
        push ebp
        push ebx
        push esi
        push edi
        pushfd
        mov [trap_expected], esp
        mov ecx, [esp + 24]
        mov edx, [esp + 28]
        mov eax, user_stack_end - 8
        mov [eax + 4], edx
        mov dword [eax], .back
        push dword 0x23
        push eax
        push dword 2                    ; EFLAGS
        push dword 0x1b
        push ecx
        mov cx, 0x23
        mov ds, cx
        mov es, cx
        iretd
.back:  int USER_RETURN

; void trap_recover(int result): ends the call that trap_expected belongs to
trap_recover:
        mov eax, [esp + 4]
        mov esp, [trap_expected]
        jmp leave_call

section .rodata
align 4
trap_stubs:
%assign v 0
%rep 256
        dd stub_ %+ v
%assign v v + 1
%endrep

section .bss
align 16
trap_expected: resd 1                   ; stack pointer to go back to; 0: no exception is expected
        resb 4096
user_stack_end:
