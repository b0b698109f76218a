; SPDX-License-Identifier: BSD-2-Clause
; The way into the guest and back.
bits 32

HOST_ESP equ 0x6c14
HOST_EIP equ 0x6c16
VCPU_LAUNCHED equ 28

global vmm_enter

section .text
; uint32_t vmm_enter(struct vcpu *): 0 after an exit, 1 VMfailValid, 2 VMfailInvalid
vmm_enter:
        push ebp
        push ebx
        push esi
        push edi
        mov eax, [esp + 20]
        push eax
        mov edx, HOST_ESP
        vmwrite edx, esp
        mov edx, HOST_EIP
        mov ecx, .exit
        vmwrite edx, ecx
        cmp dword [eax + VCPU_LAUNCHED], 0
        mov ecx, [eax + 4]
        mov edx, [eax + 8]
        mov ebx, [eax + 12]
        mov ebp, [eax + 16]
        mov esi, [eax + 20]
        mov edi, [eax + 24]
        mov eax, [eax]
        jne .resume
        vmlaunch
        jmp .failed
.resume:
        vmresume
.failed:
        mov eax, 1
        jz .leave                       ; ZF: VMfailValid
        mov eax, 2
        jmp .leave
.exit:
        push eax
        mov eax, [esp + 4]
        mov [eax + 4], ecx
        mov [eax + 8], edx
        mov [eax + 12], ebx
        mov [eax + 16], ebp
        mov [eax + 20], esi
        mov [eax + 24], edi
        mov dword [eax + VCPU_LAUNCHED], 1
        pop dword [eax]
        xor eax, eax
.leave:
        add esp, 4
        pop edi
        pop esi
        pop ebx
        pop ebp
        ret
