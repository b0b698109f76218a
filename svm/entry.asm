; SPDX-License-Identifier: BSD-2-Clause
; The one way into a guest and back (APM volume 2, "VMRUN instruction").
;
; void svm_enter(struct vcpu *v, hpa_t vmcb, hpa_t host)
;   in:  interrupts off; the guest's RAX is in its VMCB, its other registers but RSP in v->regs; host: what VMSAVE has
;        kept of this CPU
;   out: as before, with the guest's registers in v->regs; no register holds a value of the guest's
;
; GIF is 0 from CLGI to STGI but for the guest: an NMI finds FS, GS and TR of the host. RFLAGS.IF is 1 at VMRUN, so that an
; interrupt ends the guest's run whatever the guest has in its IF (V_INTR_MASKING). VMRUN is no branch: behind it comes the
; next instruction, with RSP and RAX as they were; nothing is called, jumped to or returned to before the guest's
; registers are cleared.

%include "offsets.inc"

section .text
bits 64

global svm_enter
svm_enter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdx                            ; [rsp + 8]
    push rdi                            ; [rsp]
    mov rax, rsi
    clgi
    sti
    vmload
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
    vmrun
    vmsave
    mov rax, rdi
    mov rdi, [rsp]
    mov [rdi + REGS_RDI], rax
    mov [rdi + REGS_RCX], rcx
    mov [rdi + REGS_RDX], rdx
    mov [rdi + REGS_RBX], rbx
    mov [rdi + REGS_RBP], rbp
    mov [rdi + REGS_RSI], rsi
    mov [rdi + REGS_R8], r8
    mov [rdi + REGS_R9], r9
    mov [rdi + REGS_R10], r10
    mov [rdi + REGS_R11], r11
    mov [rdi + REGS_R12], r12
    mov [rdi + REGS_R13], r13
    mov [rdi + REGS_R14], r14
    mov [rdi + REGS_R15], r15
    mov rax, [rsp + 8]
    vmload
    cli
    stgi
    xor eax, eax
    xor ecx, ecx
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    add rsp, 16
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
