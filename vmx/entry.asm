; SPDX-License-Identifier: BSD-2-Clause
; The one way into a guest and back: a pair of stubs for each set of guards (vcpu/guards.h), so that the pair without any
; has no instruction more for those that have.
;
; enum vmx_entry vmx_enter(struct vcpu *v, bool launched, vmx_on_exit *exited)
;   in:  interrupts off, VMCS current, HOST_RSP = &v->regs.host_rsp, HOST_RIP = vmx_exit_point or its like, or, for the
;        stubs without guards, what is in front of them (fastpath.asm)
;   out: eax; callee-saved registers kept, no register holds a value of the guest's
;
; Runs the guest, and again for as long as exited(v, exit reason) says so. A failed VMLAUNCH or VMRESUME goes on with the
; guest's registers: there only RSP, which is still ours, is trusted. An exit finds RSP at the end of struct
; guest_regs and pushes the registers right into it; NMI, #DF and #MC have stacks of their own, and other
; interrupts are off.

%include "offsets.inc"

VMX_EXITED       equ 0
VMX_FAIL_INVALID equ 1
VMX_FAIL_VALID   equ 2

; In vcpu/guards.h.
GUARD_L1D     equ 1
GUARD_BUFFERS equ 2
GUARD_IBRS    equ 4
GUARD_STUBS   equ 8

; Our frame while the guest runs.
FRAME_VCPU   equ 0
FRAME_EXITED equ 8
FRAME_SIZE   equ 24                     ; keeps RSP aligned at the call

section .text
bits 64

; RDI = the vCPU; leaves flags alone.
%macro LOAD_GUEST 0
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
%endmacro

; What C may find in registers is ours, not the guest's. All but RAX, RSI, RDI and RSP.
%macro CLEAR_GUEST 0
    xor ecx, ecx
    xor edx, edx
    xor ebx, ebx
    xor ebp, ebp
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    xor r11d, r11d
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
%endmacro

; --- guards; RDI = the vCPU before an entry, and RAX, RCX and RDX are free ---

SPEC_CTRL_IBRS equ 1
FLUSH_CMD_L1D  equ 1
RSB_ENTRIES    equ 32

; The guest's IA32_SPEC_CTRL, where it is not what ours is anyway.
%macro GIVE_SPEC_CTRL 0
    mov eax, [rdi + REGS_SPEC_CTRL]
    cmp eax, SPEC_CTRL_IBRS
    je %%same
    mov ecx, MSR_SPEC_CTRL
    xor edx, edx
    wrmsr
%%same:
%endmacro

; It is written even if it is right: that is the barrier.
%macro SET_IBRS 0
    mov ecx, MSR_SPEC_CTRL
    mov eax, SPEC_CTRL_IBRS
    xor edx, edx
    wrmsr
    xor eax, eax
    xor ecx, ecx
%endmacro

%macro TAKE_SPEC_CTRL 0
    mov ecx, MSR_SPEC_CTRL
    rdmsr
    mov [rdi + REGS_SPEC_CTRL], eax
    SET_IBRS
%endmacro

; Returns that have no call behind the exit find none of the guest's predictions. Changes ECX.
%macro FILL_RETURNS 0
    mov ecx, RSB_ENTRIES / 2
%%more:
    call %%one
    int3
%%one:
    call %%two
    int3
%%two:
    dec ecx
    jnz %%more
    add rsp, RSB_ENTRIES * 8
    lfence
%endmacro

%macro FLUSH_L1D 0
    mov ecx, MSR_FLUSH_CMD
    mov eax, FLUSH_CMD_L1D
    xor edx, edx
    wrmsr
%endmacro

; With the guest's registers: changes flags alone.
%macro EMPTY_BUFFERS 0
    verw [rel data_selector]
%endmacro

; --- STUBS entry, exit, guards ---

%macro STUBS 3
global %1, %2
%1:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, FRAME_SIZE
    mov [rsp + FRAME_VCPU], rdi
    mov [rsp + FRAME_EXITED], rdx
    mov [rdi + REGS_HOST_RSP], rsp
    cmp sil, 0
    jne %%resume
%if (%3) & GUARD_IBRS
    GIVE_SPEC_CTRL
%endif
%if (%3) & GUARD_L1D
    FLUSH_L1D
%endif
    LOAD_GUEST
%if (%3) & GUARD_BUFFERS
    EMPTY_BUFFERS
%endif
    vmlaunch
    jmp %%failed
%%resume:
%if (%3) & GUARD_IBRS
    GIVE_SPEC_CTRL
%endif
%if (%3) & GUARD_L1D
    FLUSH_L1D
%endif
    LOAD_GUEST
%if (%3) & GUARD_BUFFERS
    EMPTY_BUFFERS
%endif
    vmresume
%%failed:
%if (%3) == 0
    global vmx_entry_failed
vmx_entry_failed:
%endif
    mov eax, VMX_FAIL_INVALID
    mov ecx, VMX_FAIL_VALID
    cmovz eax, ecx
    xor edi, edi
    xor esi, esi
    CLEAR_GUEST
%if (%3) & GUARD_IBRS
    mov r8d, eax
    SET_IBRS
    mov eax, r8d
    xor r8d, r8d
%endif
%%leave_guest:
%if (%3) & GUARD_IBRS
    FILL_RETURNS
%endif
    add rsp, FRAME_SIZE
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

align 16
%2:
    mov [rsp + REGS_RAX - REGS_SIZE], rax
    mov [rsp + REGS_RCX - REGS_SIZE], rcx
    mov [rsp + REGS_RDX - REGS_SIZE], rdx
    mov ecx, FIELD_exit_reason
    vmread rax, rcx
%if (%3) == 0
    global vmx_exit_long                ; from fastpath.asm: RAX = exit reason; RAX, RCX and RDX of the guest are saved
vmx_exit_long:
%endif
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
    mov rsp, [rsp + REGS_HOST_RSP - REGS_RBX]
    mov esi, eax
    xor eax, eax
    mov rdi, [rsp + FRAME_VCPU]
    CLEAR_GUEST
%if (%3) & GUARD_IBRS
    TAKE_SPEC_CTRL
%endif
    call [rsp + FRAME_EXITED]
    mov rdi, [rsp + FRAME_VCPU]
    test al, al
    jnz %%resume
    xor eax, eax                    ; VMX_EXITED
    jmp %%leave_guest
%endmacro

    STUBS vmx_enter, vmx_exit_point, 0
%assign guards 1
%rep GUARD_STUBS - 1
align 16
    STUBS vmx_enter_ %+ guards, vmx_exit_point_ %+ guards, guards
%assign guards guards + 1
%endrep

section .rodata
; struct vmx_stubs (vmx/entry.h), by guards.
global vmx_stubs
align 8
vmx_stubs:
    dq vmx_enter, vmx_exit_point
%assign guards 1
%rep GUARD_STUBS - 1
    dq vmx_enter_ %+ guards, vmx_exit_point_ %+ guards
%assign guards guards + 1
%endrep

data_selector:
    dw SEL_DATA
