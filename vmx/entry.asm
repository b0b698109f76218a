; SPDX-License-Identifier: BSD-2-Clause
; The one way into a guest and back.
;
; enum vmx_entry vmx_enter(struct guest_regs *regs, bool launched)
;   in:  interrupts off, VMCS current, HOST_RSP = &regs->host_rsp, HOST_RIP = vmx_exit_point
;   out: eax; callee-saved registers kept, no register holds a value of the guest's
;
; A failed VMLAUNCH or VMRESUME goes on with the guest's registers: there only RSP, which is still ours, is
; trusted. An exit finds RSP at the end of struct guest_regs and pushes the registers right into it; NMI, #DF
; and #MC have stacks of their own, and other interrupts are off.

%include "offsets.inc"

VMX_EXITED       equ 0
VMX_FAIL_INVALID equ 1
VMX_FAIL_VALID   equ 2

section .text
bits 64

%macro LEAVE_HOST 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
%endmacro

; What C may find in volatile registers is ours, not the guest's.
%macro CLEAR_VOLATILE 0
    xor ecx, ecx
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
%endmacro

global vmx_enter, vmx_exit_point
vmx_enter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [rdi + REGS_HOST_RSP], rsp
    cmp sil, 0
    mov rax, [rdi + REGS_RAX]
    mov rcx, [rdi + REGS_RCX]
    mov rdx, [rdi + REGS_RDX]
    mov rbx, [rdi + REGS_RBX]
    mov rbp, [rdi + REGS_RBP]
    mov rsi, [rdi + REGS_RSI]
    mov r8, [rdi + REGS_R8]
    mov r9, [rdi + REGS_R9]
    mov r10, [rdi + REGS_R10]
    mov r11, [rdi + REGS_R11]
    mov r12, [rdi + REGS_R12]
    mov r13, [rdi + REGS_R13]
    mov r14, [rdi + REGS_R14]
    mov r15, [rdi + REGS_R15]
    mov rdi, [rdi + REGS_RDI]
    je .launch
    vmresume
    jmp .failed
.launch:
    vmlaunch
.failed:
    mov eax, VMX_FAIL_INVALID
    mov ecx, VMX_FAIL_VALID
    cmovz eax, ecx
    CLEAR_VOLATILE
    LEAVE_HOST

align 16
vmx_exit_point:
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rbp
    lea rsp, [rsp - 8]              ; RSP is in the VMCS
    push rbx
    push rdx
    push rcx
    push rax
    mov rsp, [rsp + REGS_HOST_RSP]
    xor eax, eax
    CLEAR_VOLATILE
    LEAVE_HOST
