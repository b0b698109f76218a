; SPDX-License-Identifier: BSD-2-Clause
; Into vmx/fastpath.asm as an exit comes there, and back from both of its ends.

%include "offsets.inc"

section .text
bits 64

; uint64_t fastpath_exit(struct vcpu *v, const void *exit_point, uint64_t after[16])
; An exit with the registers of v->regs. What the guest has behind it is in after; returns UINT64_MAX when it was
; entered again, else the reason that the long way is told.
global fastpath_exit
fastpath_exit:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov [after], rdx
    mov [point], rsi
    mov [rdi + REGS_HOST_RSP], rsp
    lea rsp, [rdi + REGS_HOST_RSP]
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
    jmp [point]

global fake_entered
fake_entered:
    mov [told], rax
    mov rax, -1
    xchg rax, [told]
    jmp out

global vmx_exit_long
vmx_exit_long:
    mov [told], rax
out:
    push r15                            ; into v->regs, where the long way would put them
    mov r15, [after]
    mov [r15 + REGS_RAX], rax
    mov [r15 + REGS_RCX], rcx
    mov [r15 + REGS_RDX], rdx
    mov [r15 + REGS_RBX], rbx
    mov [r15 + REGS_RBP], rbp
    mov [r15 + REGS_RSI], rsi
    mov [r15 + REGS_RDI], rdi
    mov [r15 + REGS_R8], r8
    mov [r15 + REGS_R9], r9
    mov [r15 + REGS_R10], r10
    mov [r15 + REGS_R11], r11
    mov [r15 + REGS_R12], r12
    mov [r15 + REGS_R13], r13
    mov [r15 + REGS_R14], r14
    pop qword [r15 + REGS_R15]
    mov rax, [told]
    mov rsp, [rsp]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

global vmx_entry_failed
vmx_entry_failed:
    int3                                ; no entry fails here

section .bss
after: resq 1
point: resq 1
told:  resq 1

section .note.GNU-stack noalloc noexec nowrite progbits
