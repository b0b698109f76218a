; SPDX-License-Identifier: BSD-2-Clause
; The short way through an exit: what is common and simple is served here, with three registers saved. Everything else,
; and whatever here is not as simple as it looks, goes the long way (entry.asm, run.c), which knows all of it: the boot
; option fastpath=off sends every exit there, and nothing changes but the time.
;
;   in:  RSP = &v->regs.host_rsp; all registers but RSP are the guest's; interrupts off
;
; Where the guest's values are: in every register but RAX, RCX and RDX, which are saved first and from then on hold only
; what was loaded here. No address is made of what is in another one; two numbers of the guest's (a leaf, a destination)
; are cut to their tables by AND before they pick from them; and there is no indirect branch and no return, not even
; behind a branch that is guessed. So nothing has to be cleared before VMRESUME, and no stub with guards is needed. The
; long way clears all.
;
; An exit is given up for the long way before anything has been changed for it. There is one thing to look at but the
; exit itself: v->pending, in which everything else that concerns the vCPU is noted.

%include "offsets.inc"

%define REG(name)   [rsp + REGS_%+name - REGS_SIZE]
%define VCPU(name)  [rsp + VCPU_%+name - REGS_SIZE]

FIRST_EXITS equ (1 << EXIT_CPUID) | (1 << EXIT_VMCALL) | (1 << EXIT_WRMSR) | (1 << EXIT_PREEMPTION_TIMER)
STI_OR_MOV_SS equ 3                     ; of interruptibility
TF_OR_RF      equ 0x10100               ; of RFLAGS

extern vmx_exit_long, vmx_entry_failed, vcpu_low_leaves, vmx_hv_timer_rate, host_lapic

section .text
bits 64

; A field of the VMCS into RAX or RDX; RCX is changed.
%macro READ 2
    mov ecx, FIELD_%2
    vmread %1, rcx
%endmacro

; To the long way if anything but the exit is to be looked at. RAX is the reason.
%macro NEED_NOTHING_ELSE 0
    cmp qword VCPU(PENDING), 0
    jne vmx_exit_long
%endmacro

; To the long way, unless the instruction can be stepped over as most can: no blocking that would end, no single step,
; and no RF.
%macro NEED_PLAIN_STEP 1
    READ rax, guest_interruptibility
    test al, STI_OR_MOV_SS
    jnz %1
    READ rax, guest_rflags
    test eax, TF_OR_RF
    jnz %1
%endmacro

%macro STEP_OVER 0
    READ rdx, exit_instruction_length
    READ rax, guest_rip
    add rax, rdx
    vmwrite rcx, rax
%endmacro

; RAX = now, a whole TSC.
%macro READ_TSC 0
    rdtsc
    shl rdx, 32
    or rax, rdx
%endmacro

; --- RECORD kind, traced: from here on the exit is ours. Counted, and an event of it in the CPU's trace ---
%macro RECORD 2
%if %2
    READ_TSC
    mov rcx, [gs:CPU_TRACE]
    mov VCPU(FAST_STARTED), eax
    mov [rcx + EVENT_TSC], rax          ; first: core/base/trace.h
    mov eax, REG(RCX)
    mov edx, REG(RDX)
    mov [rcx + EVENT_ARGUMENT], eax
    mov [rcx + EVENT_ARGUMENT + 4], edx
    mov eax, REG(RAX)
    mov [rcx + EVENT_EXTRA], eax
    mov eax, VCPU(TRACE_WHO)
    or eax, %1 << 8                     ; reason
    mov [rcx + EVENT_WHO], eax
    mov edx, FIELD_guest_rip
    vmread [rcx + EVENT_RIP], rdx
    lea rax, [rcx + EVENT_SIZE]
    test eax, EVENT_WRAP
    jnz %%next
    lea rax, [rcx + EVENT_SIZE - EVENT_WRAP - 1]
%%next:
    mov [gs:CPU_TRACE], rax
%endif
    mov rcx, VCPU(STATS)
    inc qword [rcx + %1 * 8]
%endmacro

; --- LOAD_TIMER traced: the preemption timer, if it has a deadline (hv_timer.c does the same), and the end of the
; record. RAX, RCX and RDX are changed. One that has passed ends the guest's run before an instruction ---
%macro LOAD_TIMER 1
    cmp qword VCPU(FAST_DEADLINE), 0
    je %%no_deadline
    rdtsc
    mov edx, VCPU(FAST_LOW)
    xor ecx, ecx
    sub edx, eax
    cmovs edx, ecx
    mov ecx, [vmx_hv_timer_rate]
    shr edx, cl
    mov ecx, FIELD_preemption_timer_value
    vmwrite rcx, rdx
%%no_deadline:
%if %1
    rdtsc
    mov rcx, VCPU(STATS)
    sub eax, VCPU(FAST_STARTED)
    add [rcx + STATS_ROOT_TICKS], rax
%endif
%endmacro

; --- FOLLOW: RAX = now, RDX = the guest's deadline (FASTPATH_NEVER: none), as host TSC and later than now. What the
; timer is for from here on is that or what else there is, whichever is earlier (vmx_hv_timer_follow) ---
%macro FOLLOW 0
    mov rcx, VCPU(FAST_OTHER)
    cmp rdx, rcx
    cmova rdx, rcx
    cmp rdx, -1
    je %%off
    mov VCPU(FAST_DEADLINE), rdx
    sub rdx, rax
    mov ecx, FASTPATH_AHEAD
    cmp rdx, rcx
    cmova edx, ecx
    add edx, eax
    add edx, [vmx_hv_timer_rate + 4]
    mov VCPU(FAST_LOW), edx
    jmp %%done
%%off:
    mov ecx, FIELD_preemption_timer_value
    mov qword VCPU(FAST_DEADLINE), 0
    vmwrite rcx, rdx                    ; its longest time
%%done:
%endmacro

; --- FASTPATH name, traced ---
%macro FASTPATH 2
global %1
align 16
%1:
    mov REG(RAX), rax
    mov REG(RCX), rcx
    mov REG(RDX), rdx
    READ rax, exit_reason
    mov rcx, FIRST_EXITS
    bt rcx, rax                         ; of the lowest six bits: each is compared in full below
    jnc vmx_exit_long
    cmp eax, EXIT_PREEMPTION_TIMER
    je %%timer
    cmp eax, EXIT_CPUID
    je %%cpuid
    cmp eax, EXIT_VMCALL
    je %%vmcall
    cmp eax, EXIT_WRMSR
    jne vmx_exit_long

    ; IA32_TSC_DEADLINE: not one that has passed, nor while the one before has and was not seen yet.
    cmp dword REG(RCX), X2APIC_ICR
    je %%icr
    cmp dword REG(RCX), IA32_TSC_DEADLINE
    jne vmx_exit_long
    cmp word VCPU(FAST_TIMER), FASTPATH_WRITES
    jne vmx_exit_long
    NEED_NOTHING_ELSE
    NEED_PLAIN_STEP %%long
    READ_TSC
    cmp rax, VCPU(FAST_OTHER)
    jae %%long
    mov rcx, VCPU(LAPIC)
    mov rdx, [rcx + VLAPIC_EXPIRES]
    dec rdx                             ; 0, not armed, is never
    cmp rdx, rax
    jb %%long
    mov edx, REG(RDX)
    mov ecx, REG(RAX)
    shl rdx, 32
    or rdx, rcx
    jz %%disarm
    mov rcx, VCPU(LAPIC)
    mov rcx, [rcx + VLAPIC_TSC_OFFSET]
    add rcx, rax                        ; the guest's now
    sub rdx, rcx
    jbe %%long
    add rdx, rax
    jc %%long
    mov rcx, VCPU(LAPIC)
    mov [rcx + VLAPIC_EXPIRES], rdx
    add rdx, [rcx + VLAPIC_TSC_OFFSET]
    mov [rcx + VLAPIC_DEADLINE], rdx
    mov rdx, [rcx + VLAPIC_EXPIRES]
    jmp %%armed
%%disarm:
    mov rcx, VCPU(LAPIC)
    mov [rcx + VLAPIC_EXPIRES], rdx
    mov [rcx + VLAPIC_DEADLINE], rdx
    dec rdx                             ; FASTPATH_NEVER
%%armed:
    FOLLOW
%%written:
    RECORD KIND_WRMSR, %2
    STEP_OVER
    LOAD_TIMER %2
    jmp %%resume

    ; The x2APIC's ICR: a fixed interrupt to one that has a mailbox (apic/ipi.c, apic/mailbox.c). One to itself is
    ; requested and delivered; others are notified, but for those of this CPU.
%%icr:
    cmp byte VCPU(FAST_X2APIC), 0
    je vmx_exit_long
    NEED_NOTHING_ELSE
    NEED_PLAIN_STEP %%long
    mov edx, REG(RAX)
    movzx eax, dl
    cmp eax, FIRST_VECTOR
    jb %%long
    and edx, ICR_NOT_PLAIN | ICR_PENDING
    cmp edx, ICR_TO_SELF
    je %%to_itself
    test edx, edx
    jnz %%long
    mov edx, REG(RDX)
    cmp edx, MAILBOXES
    jae %%long
    and edx, MAILBOXES - 1
    mov rcx, VCPU(FAST_MAILBOXES)
    mov rdx, [rcx + rdx * 8]
    test dl, PID_ENTRY_VALID
    jz %%long
    mov rcx, DIRECT_BASE - PID_ENTRY_VALID
    add rcx, rdx
    lea rdx, [rcx - VLAPIC_PID]
    cmp rdx, VCPU(LAPIC)
    je %%to_itself
    mov edx, [rcx + PID_CONTROL + 4]
    cmp edx, [gs:CPU_NDST]
    je %%long
    lock bts [rcx], eax                 ; PIR, before control is read
%%again:
    mov rax, [rcx + PID_CONTROL]
    test al, PID_ON | PID_SN
    jnz %%sent
    mov rdx, rax
    or rdx, PID_ON
    lock cmpxchg [rcx + PID_CONTROL], rdx
    jne %%again
    mov edx, eax
    shr edx, 16
    movzx edx, dl
    shr rax, 32
    cmp edx, VECTOR_POSTED
    je %%notify
    mov rcx, [rcx - VLAPIC_PID + VLAPIC_VCPU]
    lock or dword [rcx + VCPU_ASKED], ASKED_MAIL ; in root mode it is looked for
%%notify:
    or edx, ICR_ASSERT
    cmp byte [host_lapic + HOST_LAPIC_X2APIC], 0
    jne %%notify_by_msr
    mov rcx, [host_lapic + HOST_LAPIC_REGISTERS]
    shl eax, 16                         ; from NDST to the destination
%%pending:
    test dword [rcx + LAPIC_ICR], ICR_PENDING
    jnz %%wait
    mov [rcx + LAPIC_ICR_HIGH], eax
    mov [rcx + LAPIC_ICR], edx
    jmp %%sent
%%wait:
    pause
    jmp %%pending
%%notify_by_msr:
    mov ecx, X2APIC_ICR
    xchg eax, edx
    mfence                              ; this WRMSR is not serializing
    lfence
    wrmsr
    jmp %%sent
%%to_itself:
    cmp byte VCPU(FAST_DELIVERS), 0
    je %%long
    mov ecx, eax
    shr ecx, 5
    shl ecx, 4
    add rcx, VCPU(LAPIC)
    mov edx, eax
    and edx, 31
    bt [rcx + REG_TMR], edx
    jc %%long
    bts [rcx + REG_IRR], edx
    READ rdx, guest_interrupt_status
    cmp dl, al
    jae %%sent
    mov dl, al                          ; RVI
    vmwrite rcx, rdx
%%sent:
    mov rcx, VCPU(LAPIC)
    mov eax, REG(RAX)
    mov edx, REG(RDX)
    mov [rcx + LAPIC_ICR], eax
    mov [rcx + LAPIC_ICR + 4], edx
    mov rcx, VCPU(STATS)
    inc qword [rcx + STATS_IPIS]
    jmp %%written

    ; SKERRY_CALL_NOP, which returns 0 in either width.
%%vmcall:
    cmp qword REG(RAX), SKERRY_CALL_NOP
    jne vmx_exit_long
    NEED_NOTHING_ELSE
    cmp byte VCPU(FAST_CALLS), 0
    je vmx_exit_long
    READ rax, guest_ss_rights
    test al, 3 << 5                     ; DPL: CPL
    jnz %%long
    NEED_PLAIN_STEP %%long
    RECORD KIND_CALL, %2
    STEP_OVER
    LOAD_TIMER %2
    xor eax, eax
    jmp %%resume_with_rax

    ; A low leaf that says the same to all vCPUs: the leaf is cut to a place before it is compared with the one there.
%%cpuid:
    mov edx, REG(RAX)
    mov ecx, edx
    and ecx, CPUID_PLACES - 1
    imul ecx, ecx, CPUID_SIZE
    cmp [vcpu_low_leaves + rcx + CPUID_LEAF], edx
    jne vmx_exit_long
    NEED_NOTHING_ELSE
    mov VCPU(FAST_PLACE), ecx
    NEED_PLAIN_STEP %%long
    RECORD KIND_CPUID, %2
    STEP_OVER
    LOAD_TIMER %2
    mov edx, VCPU(FAST_PLACE)
    mov eax, [vcpu_low_leaves + rdx]
    mov ebx, [vcpu_low_leaves + rdx + 4]
    mov ecx, [vcpu_low_leaves + rdx + 8]
    mov edx, [vcpu_low_leaves + rdx + 12]
    vmresume
    jmp %%failed

    ; The guest's deadline, and nothing else: its vector is requested, and the processor delivers it.
%%timer:
    cmp dword VCPU(FAST_TIMER), FASTPATH_FIRES
    jne vmx_exit_long
    NEED_NOTHING_ELSE
    READ_TSC
    cmp rax, VCPU(FAST_OTHER)
    jae %%long_timer
    mov rcx, VCPU(LAPIC)
    mov rdx, [rcx + VLAPIC_EXPIRES]
    dec rdx
    cmp rdx, rax
    jae %%long_timer                    ; not yet, or not armed
    xor edx, edx
    mov [rcx + VLAPIC_EXPIRES], rdx
    mov [rcx + VLAPIC_DEADLINE], rdx
    dec rdx                             ; FASTPATH_NEVER
    FOLLOW
    mov rcx, VCPU(LAPIC)
    movzx eax, word VCPU(FAST_IRR)
    mov edx, VCPU(FAST_IRR_BIT)
    or [rcx + rax], edx
    READ rax, guest_interrupt_status
    movzx edx, byte VCPU(FAST_VECTOR)
    cmp al, dl
    jae %%requested
    mov al, dl                          ; RVI
    vmwrite rcx, rax
%%requested:
    RECORD KIND_TIMER, %2
    LOAD_TIMER %2

%%resume:
    mov rax, REG(RAX)
%%resume_with_rax:
    mov rcx, REG(RCX)
    mov rdx, REG(RDX)
    vmresume
%%failed:
    mov rsp, [rsp]
    jmp vmx_entry_failed
%%long_timer:
    mov eax, EXIT_PREEMPTION_TIMER
    jmp vmx_exit_long
%%long:
    READ rax, exit_reason
    jmp vmx_exit_long
%endmacro

    FASTPATH vmx_fastpath, 0
    FASTPATH vmx_fastpath_traced, 1
