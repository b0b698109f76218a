/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers by their names in the SDM, volume 4. */
#pragma once

#define IA32_TSC               0x010u
#define IA32_APIC_BASE         0x01bu
#define IA32_FEATURE_CONTROL   0x03au
#define IA32_TSC_ADJUST        0x03bu
#define IA32_SPEC_CTRL         0x048u
#define IA32_PRED_CMD          0x049u
#define IA32_BIOS_UPDT_TRIG    0x079u
#define IA32_BIOS_SIGN_ID      0x08bu
#define IA32_MTRRCAP           0x0feu
#define IA32_ARCH_CAPABILITIES 0x10au
#define IA32_FLUSH_CMD         0x10bu
#define IA32_SYSENTER_CS       0x174u
#define IA32_SYSENTER_ESP      0x175u
#define IA32_SYSENTER_EIP      0x176u
#define IA32_MCG_CAP           0x179u
#define IA32_MCG_STATUS        0x17au
#define IA32_MCG_CTL           0x17bu
#define IA32_MCG_EXT_CTL       0x4d0u
#define IA32_MISC_ENABLE       0x1a0u
#define IA32_MTRR_PHYSBASE0    0x200u
#define IA32_MTRR_FIX64K       0x250u
#define IA32_MTRR_FIX16K       0x258u
#define IA32_MTRR_FIX4K        0x268u
#define IA32_PAT               0x277u
#define IA32_MTRR_DEF_TYPE     0x2ffu
#define IA32_VMX_BASIC         0x480u
#define IA32_VMX_PINBASED      0x481u
#define IA32_VMX_PROCBASED     0x482u
#define IA32_VMX_EXIT          0x483u
#define IA32_VMX_ENTRY         0x484u
#define IA32_VMX_MISC          0x485u
#define IA32_VMX_CR0_FIXED0    0x486u
#define IA32_VMX_CR0_FIXED1    0x487u
#define IA32_VMX_CR4_FIXED0    0x488u
#define IA32_VMX_CR4_FIXED1    0x489u
#define IA32_VMX_PROCBASED2    0x48bu
#define IA32_VMX_EPT_VPID      0x48cu
#define IA32_VMX_TRUE_PIN      0x48du
#define IA32_VMX_TRUE_PROC     0x48eu
#define IA32_VMX_TRUE_EXIT     0x48fu
#define IA32_VMX_TRUE_ENTRY    0x490u
#define IA32_VMX_PROCBASED3    0x492u
#define IA32_TSC_DEADLINE      0x6e0u
#define IA32_X2APIC_BASE       0x800u
#define IA32_X2APIC_LAST       0x8ffu
#define IA32_XSS               0xda0u
#define IA32_EFER              0xc0000080u
#define IA32_STAR              0xc0000081u
#define IA32_LSTAR             0xc0000082u
#define IA32_CSTAR             0xc0000083u
#define IA32_FMASK             0xc0000084u
#define IA32_FS_BASE           0xc0000100u
#define IA32_GS_BASE           0xc0000101u
#define IA32_KERNEL_GS_BASE    0xc0000102u
#define IA32_TSC_AUX           0xc0000103u

#define SPEC_CTRL_IBRS      BIT(0)
#define SPEC_CTRL_STIBP     BIT(1)
#define SPEC_CTRL_SSBD      BIT(2)
#define SPEC_CTRL_BHI_DIS_S BIT(10)
#define PRED_CMD_IBPB       BIT(0)
#define FLUSH_CMD_L1D       BIT(0)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

#define MISC_ENABLE_LIMIT_CPUID BIT(22)
#define MISC_ENABLE_XD_DISABLE  BIT(34)

#define FEATURE_CONTROL_LOCK BIT(0)
#define FEATURE_CONTROL_VMX  BIT(2) /* VMXON outside SMX operation */
