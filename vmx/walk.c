/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own paging, walked by software, for the few exits that must look through guest pointers. */
#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "vmx/vmx.h"

#define ENTRY_P     BIT(0)
#define ENTRY_W     BIT(1)
#define ENTRY_U     BIT(2)
#define ENTRY_LARGE BIT(7)
#define ERROR_P     1u
#define ERROR_W     2u
#define ERROR_U     4u
#define ADDRESS_64  UINT64_C(0x000ffffffffff000)
#define ADDRESS_32  UINT64_C(0xfffff000)

struct format {
    unsigned levels, bits, entry_size; /* bits: of index per level */
    uint64_t address;
};

static struct format guest_format(uint64_t cr4, uint64_t efer)
{
    if (efer & BIT(10))
        return (struct format){cr4 & CR4_LA57 ? 5 : 4, 9, 8, ADDRESS_64};
    if (cr4 & CR4_PAE)
        return (struct format){3, 9, 8, ADDRESS_64};
    return (struct format){2, 10, 4, ADDRESS_32};
}

static bool user_mode(void)
{
    return (vmcs_read(vmcs_guest_ss_rights) >> 5 & 3) == 3;
}

static bool large_allowed(const struct format *f, unsigned level, uint64_t cr4)
{
    if (level == 1)
        return false;
    return f->entry_size == 8 ? level <= 3 && f->levels + 1 > level : (cr4 & CR4_PSE) != 0;
}

bool vmx_translate(const struct vcpu *v, uint64_t linear, bool write, struct walk *out)
{
    uint64_t cr0 = vmcs_read(vmcs_guest_cr0), rights = ENTRY_W | ENTRY_U, cr4, table;
    struct format f;
    bool user;

    if (!(cr0 & CR0_PG)) {
        out->at = gpa(linear & UINT32_MAX);
        return true;
    }
    cr4 = vmcs_read(vmcs_guest_cr4);
    table = vmcs_read(vmcs_guest_cr3);
    f = guest_format(cr4, vmcs_read(vmcs_guest_efer));
    user = user_mode();
    out->error = (write ? ERROR_W : 0) | (user ? ERROR_U : 0);
    table &= f.levels == 3 ? UINT64_C(0xffffffe0) : f.address;
    for (unsigned level = f.levels; level > 0; level--) {
        unsigned shift = PAGE_SHIFT + f.bits * (level - 1);
        uint64_t index = linear >> shift & (BIT(f.bits) - 1), entry = 0, size = BIT(shift);
        bool pdpte = f.levels == 3 && level == 3;

        if (!guest_read(v->vm, gpa(table + index * f.entry_size), &entry, f.entry_size) || !(entry & ENTRY_P))
            return false;
        if (!pdpte)
            rights &= entry;
        if (level == 1 || (!pdpte && (entry & ENTRY_LARGE) && large_allowed(&f, level, cr4))) {
            out->error |= ERROR_P;
            if ((user && !(rights & ENTRY_U)) || (write && !(rights & ENTRY_W) && (user || (cr0 & CR0_WP))))
                return false;
            out->at = gpa((entry & f.address & ~(size - 1)) | (linear & (size - 1)));
            return true;
        }
        table = entry & f.address;
    }
    return false;
}

static void page_fault(struct vcpu *v, uint64_t linear, uint32_t error)
{
    write_cr2(linear);
    vmx_inject_fault(v, VECTOR_PF, error);
}

static bool copy(struct vcpu *v, uint64_t linear, uint8_t *buffer, size_t n, bool write)
{
    while (n) {
        size_t step = MIN(n, PAGE_SIZE - linear % PAGE_SIZE);
        struct walk w;

        if (!vmx_translate(v, linear, write, &w)) {
            page_fault(v, linear, w.error);
            return false;
        }
        /* Memory that is not RAM reads as all ones and ignores writes. */
        if (write)
            guest_write(v->vm, w.at, buffer, step);
        else if (!guest_read(v->vm, w.at, buffer, step))
            memset(buffer, 0xff, step);
        linear += step;
        buffer += step;
        n -= step;
    }
    return true;
}

bool vmx_linear_read(struct vcpu *v, uint64_t linear, void *to, size_t n)
{
    return copy(v, linear, to, n, false);
}

bool vmx_linear_write(struct vcpu *v, uint64_t linear, const void *from, size_t n)
{
    uint8_t buffer[16]; /* callers move one item at a time */

    if (n > sizeof(buffer))
        return false;
    memcpy(buffer, from, n);
    return copy(v, linear, buffer, n, true);
}
