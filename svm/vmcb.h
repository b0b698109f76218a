/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block: one page of ordinary memory (AMD64 APM volume 2, appendix B "VMCB
 * layout"). */
#pragma once

#include "arch/x86/types.h"

/* Interceptions: the first three by number of the register or vector, the others by bit. */
#define INTERCEPT_CR0 BIT(0)
#define INTERCEPT_CR4 BIT(4)
#define INTERCEPT_CR8 BIT(8)

/* VMCB_MISC1, offset 00Ch: exit codes 60h on, in this order. */
#define MISC1_INTR       BIT(0)
#define MISC1_NMI        BIT(1)
#define MISC1_SMI        BIT(2)
#define MISC1_INIT       BIT(3)
#define MISC1_VINTR      BIT(4)
#define MISC1_CR0_SELECT BIT(5) /* writes of CR0 that change more than TS and MP */
#define MISC1_RDPMC      BIT(15)
#define MISC1_CPUID      BIT(18)
#define MISC1_RSM        BIT(19)
#define MISC1_IRET       BIT(20)
#define MISC1_INTN       BIT(21)
#define MISC1_INVD       BIT(22)
#define MISC1_PAUSE      BIT(23)
#define MISC1_HLT        BIT(24)
#define MISC1_INVLPGA    BIT(26)
#define MISC1_IO         BIT(27)
#define MISC1_MSR        BIT(28)
#define MISC1_FERR       BIT(30)
#define MISC1_SHUTDOWN   BIT(31)

/* VMCB_MISC2, offset 010h: exit codes 80h on. */
#define MISC2_VMRUN   BIT(0)
#define MISC2_VMMCALL BIT(1)
#define MISC2_VMLOAD  BIT(2)
#define MISC2_VMSAVE  BIT(3)
#define MISC2_STGI    BIT(4)
#define MISC2_CLGI    BIT(5)
#define MISC2_SKINIT  BIT(6)
#define MISC2_WBINVD  BIT(9)
#define MISC2_MONITOR BIT(10)
#define MISC2_MWAIT   BIT(11)
#define MISC2_XSETBV  BIT(13)
#define MISC2_RDPRU   BIT(14)

/* vmcb.interrupts, offset 060h. */
#define VINTR_TPR      UINT64_C(0x0f) /* as in CR8 */
#define VINTR_IRQ      BIT(8)
#define VINTR_PRIORITY (UINT64_C(15) << 16)
#define VINTR_IGN_TPR  BIT(20)
#define VINTR_MASKING  BIT(24)

#define VMCB_FLUSH_NOTHING 0u
#define VMCB_FLUSH_ALL     1u

#define VMCB_NESTED_PAGING BIT(0)
#define VMCB_SHADOW        BIT(0) /* of STI or MOV SS */

/* Clean bits: what the processor may still have of the last run on this CPU. */
#define CLEAN_ALL        0x7ffu
#define CLEAN_INTERCEPTS BIT(0) /* and the TSC offset */
#define CLEAN_ASID       BIT(2)
#define CLEAN_INTERRUPTS BIT(3) /* offset 060h */
#define CLEAN_NESTED     BIT(4) /* nested paging, and the guest's PAT */
#define CLEAN_CONTROL    BIT(5) /* CR0, CR3, CR4, EFER */
#define CLEAN_DEBUG      BIT(6) /* DR6, DR7 */
#define CLEAN_TABLES     BIT(7) /* GDTR, IDTR */
#define CLEAN_SEGMENTS   BIT(8) /* CS, DS, SS, ES, CPL */
#define CLEAN_CR2        BIT(9)
#define CLEAN_LBR        BIT(10)

struct PACKED vmcb_segment {
    uint16_t selector;
    uint16_t attributes; /* type 3:0, S, DPL 6:5, P, AVL, L, D, G: a descriptor's bits 47:40 and 55:52 */
    uint32_t limit;
    uint64_t base;
};

/* Attributes as VMX has them, access rights: bits 11:8 are 15:12 there. */
#define VMCB_RIGHTS(a)     (((a)&0xffu) | ((a)&0xf00u) << 4)
#define VMCB_ATTRIBUTES(r) ((uint16_t)(((r)&0xffu) | ((r) >> 4 & 0xf00u)))
#define ATTRIBUTE_L        BIT(9)
#define ATTRIBUTE_D        BIT(10)
#define ATTRIBUTE_DPL(a)   ((a) >> 5 & 3u)

struct PACKED vmcb {
    uint16_t cr_reads, cr_writes, dr_reads, dr_writes; /* 000 */
    uint32_t exceptions, misc1, misc2, misc3;          /* 008 */
    uint8_t reserved018[0x3c - 0x18];
    uint16_t pause_threshold, pause_count; /* 03c */
    uint64_t io_map, msr_map;              /* 040: physical addresses */
    uint64_t tsc_offset;                   /* 050 */
    uint32_t asid, tlb_control;            /* 058 */
    uint64_t interrupts;                   /* 060 */
    uint64_t shadow;                       /* 068 */
    uint64_t exit_code, exit_info1, exit_info2;
    uint64_t exit_event;     /* 088: EXITINTINFO */
    uint64_t nested_control; /* 090 */
    uint8_t reserved098[0xa8 - 0x98];
    uint64_t inject; /* 0a8: EVENTINJ */
    uint64_t nested_cr3;
    uint64_t lbr_control; /* 0b8 */
    uint32_t clean, reserved0c4;
    uint64_t next_rip; /* 0c8 */
    uint8_t reserved0d0[0x400 - 0xd0];

    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 400 */
    uint8_t reserved4a0[0x4cb - 0x4a0];
    uint8_t cpl; /* 4cb */
    uint32_t reserved4cc;
    uint64_t efer; /* 4d0 */
    uint8_t reserved4d8[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548 */
    uint8_t reserved580[0x5d8 - 0x580];
    uint64_t rsp, s_cet, ssp, interrupt_ssp_table, rax; /* 5d8 */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip,
        cr2; /* 600 */
    uint8_t reserved648[0x668 - 0x648];
    uint64_t pat, debugctl, br_from, br_to, last_exception_from, last_exception_to; /* 668 */
    uint8_t reserved698[0x1000 - 0x698];
};

_Static_assert(sizeof(struct vmcb) == PAGE_SIZE && sizeof(struct vmcb_segment) == 16, "one page");
_Static_assert(offsetof(struct vmcb, pause_threshold) == 0x3c && offsetof(struct vmcb, interrupts) == 0x60 &&
                   offsetof(struct vmcb, exit_event) == 0x88 && offsetof(struct vmcb, inject) == 0xa8 &&
                   offsetof(struct vmcb, next_rip) == 0xc8 && offsetof(struct vmcb, tr) == 0x490 &&
                   offsetof(struct vmcb, cpl) == 0x4cb && offsetof(struct vmcb, efer) == 0x4d0 &&
                   offsetof(struct vmcb, rip) == 0x578 && offsetof(struct vmcb, rax) == 0x5f8 &&
                   offsetof(struct vmcb, cr2) == 0x640 && offsetof(struct vmcb, pat) == 0x668,
               "fixed by the processor");

/* Exit codes (appendix C) that have a name of their own here, what they are called, and their kind. */
#define SVM_EXITS(E)                                       \
    E(EXCEPTION, 0x40, "exception", EXCEPTION)             \
    E(INTR, 0x60, "interrupt of the host", HOST_INTERRUPT) \
    E(NMI, 0x61, "NMI of the host", HOST_INTERRUPT)        \
    E(SMI, 0x62, "SMI", OTHER)                             \
    E(INIT, 0x63, "INIT", OTHER)                           \
    E(VINTR, 0x64, "interrupt window", INTERRUPT_WINDOW)   \
    E(CR0_SELECT, 0x65, "write to CR0", CONTROL_REGISTER)  \
    E(RDPMC, 0x6f, "RDPMC", RDPMC)                         \
    E(CPUID, 0x72, "CPUID", CPUID)                         \
    E(RSM, 0x73, "RSM", OTHER)                             \
    E(IRET, 0x74, "IRET", NMI_WINDOW)                      \
    E(INTN, 0x75, "INT n", EXCEPTION)                      \
    E(INVD, 0x76, "INVD", CACHES)                          \
    E(PAUSE, 0x77, "PAUSE", PAUSE)                         \
    E(HLT, 0x78, "HLT", HLT)                               \
    E(INVLPGA, 0x7a, "INVLPGA", VIRTUALIZATION)            \
    E(IO, 0x7b, "I/O port", IO)                            \
    E(MSR, 0x7c, "MSR", RDMSR)                             \
    E(FERR, 0x7e, "FERR", OTHER)                           \
    E(SHUTDOWN, 0x7f, "triple fault", TRIPLE_FAULT)        \
    E(VMRUN, 0x80, "VMRUN", VIRTUALIZATION)                \
    E(VMMCALL, 0x81, "VMMCALL", CALL)                      \
    E(VMLOAD, 0x82, "VMLOAD", VIRTUALIZATION)              \
    E(VMSAVE, 0x83, "VMSAVE", VIRTUALIZATION)              \
    E(STGI, 0x84, "STGI", VIRTUALIZATION)                  \
    E(CLGI, 0x85, "CLGI", VIRTUALIZATION)                  \
    E(SKINIT, 0x86, "SKINIT", VIRTUALIZATION)              \
    E(WBINVD, 0x89, "WBINVD", CACHES)                      \
    E(MONITOR, 0x8a, "MONITOR", MWAIT)                     \
    E(MWAIT, 0x8b, "MWAIT", MWAIT)                         \
    E(XSETBV, 0x8d, "XSETBV", XSETBV)                      \
    E(RDPRU, 0x8e, "RDPRU", OTHER)

enum svm_exit {
#define SVM_EXIT_NUMBER(name, number, text, kind) SVM_EXIT_##name = (number),
    SVM_EXITS(SVM_EXIT_NUMBER)
#undef SVM_EXIT_NUMBER
        SVM_EXIT_READ_CR = 0x00, /* of them 16 each */
    SVM_EXIT_WRITE_CR = 0x10,
    SVM_EXIT_READ_DR = 0x20,
    SVM_EXIT_WRITE_DR = 0x30,
    SVM_EXIT_CODES = 0x90, /* below which a code is one of them, and */
    SVM_EXIT_NPF = 0x400,  /* nested page fault */
};

#define SVM_EXIT_INVALID UINT32_MAX /* the lower half: the upper one is not written by every host */

/* EXITINFO1 of an I/O port. */
#define IO_IN      BIT(0)
#define IO_STRING  BIT(2)
#define IO_REP     BIT(3)
#define IO_SIZE(q) ((unsigned)((q) >> 4) & 7u) /* bytes */
#define IO_PORT(q) ((uint16_t)((q) >> 16))

/* EXITINFO1 of a nested page fault; EXITINFO2 is the guest-physical address. */
#define NPF_PRESENT BIT(0)
#define NPF_WRITE   BIT(1)
#define NPF_FETCH   BIT(4)
#define NPF_FINAL   BIT(32)
#define NPF_WALK    BIT(33)

/* EXITINFO1 of MOV to and from CR, with decode assists. */
#define MOVE_CR     BIT(63)
#define MOVE_GPR(q) ((unsigned)(q)&15u)
