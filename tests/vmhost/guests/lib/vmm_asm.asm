; SPDX-License-Identifier: BSD-2-Clause
; The way into the guest and back, and that of the second CPU.
bits 32

HOST_ESP equ 0x6c14
HOST_EIP equ 0x6c16
VCPU_LAUNCHED equ 28

global vmm_enter, second_cpu_code, second_cpu_code_end
extern gdt_pointer, second_cpu_main, second_cpu_stack_end, vmm_directory

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

; Copied to 8000h, where the second CPU begins in real mode.
bits 16
second_cpu_code:
        cli
        mov ax, cs
        mov ds, ax
        o32 lgdt [.gdt - second_cpu_code]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword 0x08:0x8000 + (.flat - second_cpu_code)
bits 32
.flat:
        mov cx, 0x10
        mov ds, cx
        mov es, cx
        mov ss, cx
        mov esp, second_cpu_stack_end
        mov eax, second_cpu_main
        jmp eax
align 8
.gdt:   dw .gdt_end - .table - 1
        dd 0x8000 + (.table - second_cpu_code)
align 8
.table: dq 0
        dq 0x00cf9b000000ffff
        dq 0x00cf93000000ffff
.gdt_end:
second_cpu_code_end:
