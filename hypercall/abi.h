/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests include: CPUID leaves and hypercall results. Usable from C and from assembly.
 *
 * Leaf 40000000h: EAX highest leaf, EBX:ECX:EDX = "SkerrySkerry". Leaf 40000001h: EAX = version of this ABI.
 * Leaf 40000100h: KVM's signature, so that unmodified guests use x2APIC mode; no KVM feature is offered yet.
 */
#ifndef SKERRY_ABI_H
#define SKERRY_ABI_H

#define SKERRY_CPUID_BASE  0x40000000
#define SKERRY_CPUID_ABI   0x40000001
#define SKERRY_CPUID_KVM   0x40000100
#define SKERRY_ABI_VERSION 1

/* Results of VMCALL; 0 and more: done. */
#define SKERRY_EPERM  (-1)    /* the caller is not in ring 0 */
#define SKERRY_EINVAL (-22)   /* an argument is out of range: nothing was done */
#define SKERRY_ENOSYS (-1000) /* no such call */

/*
 * RBX: guest-physical address; RCX: size in bytes. Takes write access to this RAM from the whole VM, until it
 * is reset; a write to it ends the VM with a report. SKERRY_EINVAL where that is not RAM, or not in whole
 * pieces: of 2 MiB where the VM's RAM is mapped by those.
 */
#define SKERRY_CALL_PROTECT 0x534b0001

#endif
