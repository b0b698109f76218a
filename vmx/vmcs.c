/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/vmcs.h"

#include "arch/x86/layout.h"
#include "core/panic.h"
#include "vmx/vmx.h"

static const struct {
    uint32_t encoding;
    const char *name;
} names[] = {
#define VMCS_NAME(name, code) {code, #name},
    VMCS_FIELDS(VMCS_NAME)
#undef VMCS_NAME
};

const char *vmcs_field_name(struct vmcs_field f)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].encoding == f.encoding)
            return names[i].name;
    }
    return "unknown field";
}

void vmcs_access_failed(struct vmcs_field f, bool write)
{
    panic("%s of VMCS field %s (%04x) failed", write ? "VMWRITE" : "VMREAD", vmcs_field_name(f), f.encoding);
}

#define POINTER_INSTRUCTION(instruction, page)                                      \
    ({                                                                              \
        uint64_t phys_ = virt_to_phys(page).value;                                  \
        bool ok_;                                                                   \
                                                                                    \
        __asm__ volatile(instruction " %1" : "=@cca"(ok_) : "m"(phys_) : "memory"); \
        ok_;                                                                        \
    })

bool vmx_vmxon(void *region)
{
    return POINTER_INSTRUCTION("vmxon", region);
}

void vmx_vmxoff(void)
{
    __asm__ volatile("vmxoff" ::: "cc", "memory");
}

void vmx_vmclear(void *vmcs)
{
    ASSERT(POINTER_INSTRUCTION("vmclear", vmcs));
}

void vmx_vmptrld(void *vmcs)
{
    ASSERT(POINTER_INSTRUCTION("vmptrld", vmcs));
}

void vmx_flush_tlb(void)
{
    static const struct {
        uint64_t low, high;
    } descriptor;
    const uint64_t all_contexts = 2;

    __asm__ volatile("invept %0, %1\n\tinvvpid %0, %1" ::"m"(descriptor), "r"(all_contexts) : "cc", "memory");
}
