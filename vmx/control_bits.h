/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every control bit of a VMCS that is defined, a row each: word, symbol, bit, what Skerry does with it, name,
 * and what happens where the processor lacks it (SDM volume 3, "VM-execution control fields", "VM-exit
 * control fields", "VM-entry control fields"). Constants, the resolution of capabilities, the explain page,
 * the monitor's `vmx` and `dump vmcs` are made from this table.
 *
 * NEED: the floor. LIKE: taken where it is there. PER_VM: for those VMs that want it. SWITCHED: comes and
 * goes while a guest runs, so that it must be allowed both ways. OFF: must be allowed to be 0, and is on for
 * VMs that ask for it. DEBUG: the monitor's `step`. SPARE: not used.
 */
#pragma once

#define CONTROL_BITS(B)                                                                      \
    B(PIN, EXTERNAL_INTERRUPT, 0, NEED, "external-interrupt exiting", NULL)                  \
    B(PIN, NMI, 3, NEED, "NMI exiting", NULL)                                                \
    B(PIN, VIRTUAL_NMI, 5, NEED, "virtual NMIs", NULL)                                       \
    B(PROC, INTERRUPT_WINDOW, 2, SWITCHED, "interrupt-window exiting", NULL)                 \
    B(PROC, TSC_OFFSET, 3, NEED, "TSC offsetting", NULL)                                     \
    B(PROC, HLT, 7, NEED, "HLT exiting", NULL)                                               \
    B(PROC, INVLPG, 9, SPARE, "INVLPG exiting", NULL)                                        \
    B(PROC, MWAIT, 10, NEED, "MWAIT exiting", NULL)                                          \
    B(PROC, RDPMC, 11, NEED, "RDPMC exiting", NULL)                                          \
    B(PROC, RDTSC, 12, SPARE, "RDTSC exiting", NULL)                                         \
    B(PROC, CR3_LOAD, 15, OFF, "CR3-load exiting", NULL)                                     \
    B(PROC, CR3_STORE, 16, OFF, "CR3-store exiting", NULL)                                   \
    B(PROC, CR8_LOAD, 19, NEED, "CR8-load exiting", NULL)                                    \
    B(PROC, CR8_STORE, 20, NEED, "CR8-store exiting", NULL)                                  \
    B(PROC, NMI_WINDOW, 22, SWITCHED, "NMI-window exiting", NULL)                            \
    B(PROC, MOV_DR, 23, SWITCHED, "MOV-DR exiting", NULL)                                    \
    B(PROC, UNCONDITIONAL_IO, 24, SPARE, "unconditional I/O exiting", NULL)                  \
    B(PROC, IO_BITMAPS, 25, NEED, "I/O bitmaps", NULL)                                       \
    B(PROC, MTF, 27, DEBUG, "monitor trap flag", "no single steps")                          \
    B(PROC, MSR_BITMAPS, 28, NEED, "MSR bitmaps", NULL)                                      \
    B(PROC, MONITOR, 29, NEED, "MONITOR exiting", NULL)                                      \
    B(PROC, PAUSE, 30, SPARE, "PAUSE exiting", NULL)                                         \
    B(PROC, SECONDARY, 31, NEED, "secondary controls", NULL)                                 \
    B(PROC2, EPT, 1, NEED, "EPT", NULL)                                                      \
    B(PROC2, DESCRIPTOR_TABLE, 2, SPARE, "descriptor-table exiting", NULL)                   \
    B(PROC2, UNRESTRICTED, 7, NEED, "unrestricted guest", NULL)                              \
    B(PROC2, VPID, 5, NEED, "VPID", NULL)                                                    \
    B(PROC2, RDTSCP, 3, LIKE, "RDTSCP in guests", "hidden from guests")                      \
    B(PROC2, INVPCID, 12, LIKE, "INVPCID in guests", "hidden from guests")                   \
    B(PROC2, XSAVES, 20, LIKE, "XSAVES in guests", "hidden from guests")                     \
    B(PROC2, WBINVD, 6, LIKE, "WBINVD exiting", "guests may flush the caches")               \
    B(PROC, TPR_SHADOW, 21, PER_VM, "TPR shadow", "software local APIC")                     \
    B(PROC2, VIRTUALIZE_APIC, 0, PER_VM, "virtualize APIC accesses", "software local APIC")  \
    B(PROC2, APIC_REGISTER, 8, PER_VM, "APIC-register virtualization", "software registers") \
    B(PROC2, VIRTUAL_DELIVERY, 9, PER_VM, "virtual-interrupt delivery", "injection")         \
    B(PROC2, X2APIC, 4, PER_VM, "virtualize x2APIC mode", "software x2APIC mode")            \
    B(PIN, POSTED_INTERRUPTS, 7, PER_VM, "posted interrupts", "kick and injection")          \
    B(PIN, PREEMPTION_TIMER, 6, PER_VM, "preemption timer", "host timer")                    \
    B(PROC, TERTIARY, 17, PER_VM, "tertiary controls", "none")                               \
    B(PROC3, IPI, 4, PER_VM, "IPI virtualization", "software IPIs")                          \
    B(PROC2, PAUSE_LOOP, 10, PER_VM, "PAUSE-loop exiting", "none")                           \
    B(PROC2, RDRAND, 11, SPARE, "RDRAND exiting", NULL)                                      \
    B(PROC2, VM_FUNCTIONS, 13, SPARE, "VM functions", NULL)                                  \
    B(PROC2, VMCS_SHADOWING, 14, SPARE, "VMCS shadowing", NULL)                              \
    B(PROC2, ENCLS, 15, LIKE, "ENCLS exiting", "guests have ENCLS, if there is SGX")         \
    B(PROC2, RDSEED, 16, SPARE, "RDSEED exiting", NULL)                                      \
    B(PROC2, PML, 17, SPARE, "page-modification log", NULL)                                  \
    B(PROC2, VIRTUALIZATION_EXCEPTION, 18, SPARE, "EPT-violation #VE", NULL)                 \
    B(PROC2, CONCEAL_FROM_PT, 19, SPARE, "conceal VMX from PT", NULL)                        \
    B(PROC2, PASID, 21, SPARE, "PASID translation", NULL)                                    \
    B(PROC2, MODE_BASED_EXECUTE, 22, SPARE, "mode-based execute for EPT", NULL)              \
    B(PROC2, SUB_PAGE_WRITE, 23, SPARE, "sub-page write rights for EPT", NULL)               \
    B(PROC2, PT_GUEST_PHYSICAL, 24, SPARE, "PT uses guest-physical", NULL)                   \
    B(PROC2, TSC_SCALING, 25, PER_VM, "TSC scaling", "guests see the host's TSC rate")       \
    B(PROC2, USER_WAIT, 26, SPARE, "user wait and pause", NULL)                              \
    B(PROC2, PCONFIG, 27, SPARE, "PCONFIG", NULL)                                            \
    B(PROC2, ENCLV, 28, LIKE, "ENCLV exiting", "guests have ENCLV, if there is SGX")         \
    B(PROC2, BUS_LOCK, 30, LIKE, "bus-lock detection", "bus locks are not counted")          \
    B(PROC2, NOTIFY, 31, LIKE, "instruction timeout", "no limit to one instruction")         \
    B(PROC3, LOADIWKEY, 0, SPARE, "LOADIWKEY exiting", NULL)                                 \
    B(PROC3, HLAT, 1, SPARE, "HLAT", NULL)                                                   \
    B(PROC3, PAGING_WRITE, 2, SPARE, "EPT paging-write control", NULL)                       \
    B(PROC3, PAGING_VERIFICATION, 3, SPARE, "guest-paging verification", NULL)               \
    B(PROC3, SPEC_CTRL, 7, SPARE, "virtualize IA32_SPEC_CTRL", NULL)                         \
    B(EXIT, SAVE_DEBUG, 2, NEED, "save debug controls", NULL)                                \
    B(EXIT, HOST_64, 9, NEED, "64-bit host", NULL)                                           \
    B(EXIT, LOAD_PERF, 12, SPARE, "load IA32_PERF_GLOBAL_CTRL on exit", NULL)                \
    B(EXIT, ACK_INTERRUPT, 15, NEED, "acknowledge interrupt on exit", NULL)                  \
    B(EXIT, SAVE_PAT, 18, NEED, "save IA32_PAT", NULL)                                       \
    B(EXIT, LOAD_PAT, 19, NEED, "load IA32_PAT on exit", NULL)                               \
    B(EXIT, SAVE_EFER, 20, NEED, "save IA32_EFER", NULL)                                     \
    B(EXIT, LOAD_EFER, 21, NEED, "load IA32_EFER on exit", NULL)                             \
    B(EXIT, SAVE_TIMER, 22, SPARE, "save preemption-timer value", NULL)                      \
    B(EXIT, CLEAR_BNDCFGS, 23, SPARE, "clear IA32_BNDCFGS", NULL)                            \
    B(EXIT, CONCEAL_FROM_PT, 24, SPARE, "conceal exits from PT", NULL)                       \
    B(EXIT, CLEAR_RTIT, 25, SPARE, "clear IA32_RTIT_CTL", NULL)                              \
    B(EXIT, CLEAR_LBR, 26, SPARE, "clear IA32_LBR_CTL", NULL)                                \
    B(EXIT, CLEAR_UINV, 27, SPARE, "clear UINV", NULL)                                       \
    B(EXIT, LOAD_CET, 28, SPARE, "load CET state on exit", NULL)                             \
    B(EXIT, LOAD_PKRS, 29, SPARE, "load PKRS on exit", NULL)                                 \
    B(EXIT, SAVE_PERF, 30, SPARE, "save IA32_PERF_GLOBAL_CTRL", NULL)                        \
    B(EXIT, SECONDARY, 31, SPARE, "secondary exit controls", NULL)                           \
    B(ENTRY, LOAD_DEBUG, 2, NEED, "load debug controls", NULL)                               \
    B(ENTRY, IA32E, 9, SWITCHED, "IA-32e-mode guest", NULL)                                  \
    B(ENTRY, SMM, 10, SPARE, "entry to SMM", NULL)                                           \
    B(ENTRY, NO_DUAL_MONITOR, 11, SPARE, "deactivate dual-monitor treatment", NULL)          \
    B(ENTRY, LOAD_PERF, 13, SPARE, "load IA32_PERF_GLOBAL_CTRL", NULL)                       \
    B(ENTRY, LOAD_PAT, 14, NEED, "load IA32_PAT on entry", NULL)                             \
    B(ENTRY, LOAD_EFER, 15, NEED, "load IA32_EFER on entry", NULL)                           \
    B(ENTRY, LOAD_BNDCFGS, 16, SPARE, "load IA32_BNDCFGS", NULL)                             \
    B(ENTRY, CONCEAL_FROM_PT, 17, SPARE, "conceal entries from PT", NULL)                    \
    B(ENTRY, LOAD_RTIT, 18, SPARE, "load IA32_RTIT_CTL", NULL)                               \
    B(ENTRY, LOAD_UINV, 19, SPARE, "load UINV", NULL)                                        \
    B(ENTRY, LOAD_CET, 20, SPARE, "load CET state on entry", NULL)                           \
    B(ENTRY, LOAD_LBR, 21, SPARE, "load IA32_LBR_CTL", NULL)                                 \
    B(ENTRY, LOAD_PKRS, 22, SPARE, "load PKRS on entry", NULL)

/*
 * Capabilities that are no controls, in the same way: bits of IA32_VMX_BASIC, IA32_VMX_MISC and
 * IA32_VMX_EPT_VPID_CAP (SDM volume 3, appendix "VMX capability reporting facility").
 */
#define CAPABILITY_BITS(B)                                                              \
    B(BASIC, ADDRESS_32, 48, SPARE, "32-bit addresses only", NULL)                      \
    B(BASIC, DUAL_MONITOR, 49, SPARE, "dual-monitor treatment", NULL)                   \
    B(BASIC, IO_INFORMATION, 54, SPARE, "exit information for INS and OUTS", NULL)      \
    B(BASIC, TRUE_CONTROLS, 55, LIKE, "TRUE capability MSRs", "the older ones")         \
    B(BASIC, NO_ERROR_CODE, 56, SPARE, "injection without error code", NULL)            \
    B(MISC, STORES_LMA, 5, NEED, "storing of EFER.LMA on exit", NULL)                   \
    B(MISC, HLT, 6, SPARE, "activity state HLT", NULL)                                  \
    B(MISC, SHUTDOWN, 7, SPARE, "activity state shutdown", NULL)                        \
    B(MISC, WAIT_FOR_SIPI, 8, SPARE, "activity state wait-for-SIPI", NULL)              \
    B(MISC, PT, 14, SPARE, "PT in VMX operation", NULL)                                 \
    B(MISC, SMBASE, 15, SPARE, "IA32_SMBASE readable in SMM", NULL)                     \
    B(MISC, SMM_MONITOR, 28, SPARE, "blocking of SMIs at VMXOFF", NULL)                 \
    B(MISC, VMWRITE_ANY, 29, SPARE, "VMWRITE to all fields", NULL)                      \
    B(MISC, LENGTH_0, 30, SPARE, "injection with length 0", NULL)                       \
    B(EPT, EXECUTE_ONLY, 0, SPARE, "EPT execute-only pages", NULL)                      \
    B(EPT, WALK_4, 6, NEED, "4-level EPT", NULL)                                        \
    B(EPT, WALK_5, 7, SPARE, "5-level EPT", NULL)                                       \
    B(EPT, TYPE_UC, 8, SPARE, "uncached EPT structures", NULL)                          \
    B(EPT, TYPE_WB, 14, NEED, "write-back EPT structures", NULL)                        \
    B(EPT, PAGES_1G, 17, LIKE, "EPT 1 GiB pages", "2 MiB pages")                        \
    B(EPT, PAGES_2M, 16, LIKE, "EPT 2 MiB pages", "4 KiB pages")                        \
    B(EPT, INVEPT, 20, NEED, "INVEPT", NULL)                                            \
    B(EPT, ACCESSED_DIRTY, 21, SPARE, "EPT accessed and dirty bits", NULL)              \
    B(EPT, ADVANCED_INFORMATION, 22, SPARE, "advanced EPT-violation information", NULL) \
    B(EPT, SHADOW_STACK, 23, SPARE, "supervisor shadow-stack control", NULL)            \
    B(EPT, INVEPT_SINGLE, 25, LIKE, "INVEPT, single context", "all contexts")           \
    B(EPT, INVEPT_ALL, 26, NEED, "INVEPT, all contexts", NULL)                          \
    B(VPID, INVVPID, 32, NEED, "INVVPID", NULL)                                         \
    B(VPID, ADDRESS, 40, SPARE, "INVVPID, individual address", NULL)                    \
    B(VPID, SINGLE, 41, LIKE, "INVVPID, single context", "all contexts")                \
    B(VPID, ALL, 42, NEED, "INVVPID, all contexts", NULL)                               \
    B(VPID, NON_GLOBAL, 43, LIKE, "INVVPID, single context but globals", "the whole context")

/* PROC_HLT_BIT and so on: the number of a bit. */
#define BIT_NUMBER(word, symbol, bit, use, name, instead) word##_##symbol##_BIT = bit,
enum control_bit_number { CONTROL_BITS(BIT_NUMBER) };
enum capability_bit_number { CAPABILITY_BITS(BIT_NUMBER) };
#undef BIT_NUMBER
