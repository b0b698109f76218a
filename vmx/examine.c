/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/examine.h"

#include "core/base/bit_names.h"
#include "core/base/log.h"
#include "vcpu/debug.h"
#include "vcpu/walk.h"
#include "vmx/caps.h"
#include "vmx/dump.h"
#include "vmx/guest.h"

#define EPT_ADDRESS  UINT64_C(0x000ffffffffff000)
#define EPT_LARGE    BIT(7)
#define SEGMENT_NONE BIT(16)

static unsigned long long examined_field(struct vmcs_field f)
{
    return vmcs_read(f);
}

/* --- every field --- */

static void print_field(const char *name, uint32_t encoding, bool there, uint64_t value)
{
    if (there)
        print("  %-28s %04x  %llx\n", name, encoding, (unsigned long long)value);
    else
        print("  %-28s %04x  not on this CPU\n", name, encoding);
}

static void dump_controls(void)
{
    static const struct {
        enum control_word word;
        struct vmcs_field field;
    } words[] = {{WORD_PIN, vmcs_pin_controls},     {WORD_PROC, vmcs_proc_controls},
                 {WORD_PROC2, vmcs_proc2_controls}, {WORD_EXIT, vmcs_exit_controls},
                 {WORD_ENTRY, vmcs_entry_controls}, {WORD_PROC3, vmcs_tertiary_controls}};
    bool tertiary = examined_field(vmcs_proc_controls) & PROC_TERTIARY;

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        if (words[i].word != WORD_PROC3 || tertiary)
            vmx_controls_print(words[i].word, vmcs_read(words[i].field));
    }
}

static void dump_vmcs(void)
{
    static const char *const areas[] = {"control fields", "exit information", "guest state", "host state"};

    for (unsigned area = 0; area < ARRAY_SIZE(areas); area++) {
        print("%s:\n", areas[area]);
        vmcs_each_field(area, print_field);
        if (area == 0)
            dump_controls();
    }
}

/* --- registers --- */

static void dump_segment(const char *name, unsigned i)
{
    uint64_t rights = vmcs_read((struct vmcs_field){vmcs_guest_es_rights.encoding + 2 * i});

    print("  %-4s %04llx  base %016llx  limit %08llx  rights %05llx%s\n", name,
          examined_field((struct vmcs_field){vmcs_guest_es_selector.encoding + 2 * i}),
          examined_field((struct vmcs_field){vmcs_guest_es_base.encoding + 2 * i}),
          examined_field((struct vmcs_field){vmcs_guest_es_limit.encoding + 2 * i}),
          (unsigned long long)rights, rights & SEGMENT_NONE ? "  unusable" : "");
}

static void dump_flags(const char *name, enum flag_register which, uint64_t value)
{
    char text[BIT_NAMES];

    print("  %-6s %016llx  %s\n", name, (unsigned long long)value, bit_names(which, value, text));
}

static void dump_registers(const struct vcpu *v)
{
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const struct guest_context *c = &state_of(v)->context;
    struct debug_registers d = vcpu_guest_debug(v);

    _Static_assert(FIELD_guest_tr_base == FIELD_guest_es_base + 2 * (ARRAY_SIZE(segments) - 1),
                   "in the order of the fields");
    vmx_dump_general(v);
    dump_flags("rflags", FLAGS_RFLAGS, vmcs_read(vmcs_guest_rflags));
    print("  iopl   %llu\n", examined_field(vmcs_guest_rflags) >> 12 & 3);
    dump_flags("cr0", FLAGS_CR0, vmx_get(v, GUEST_CR0));
    print("  cr2    %016llx  cr3 %016llx\n", (unsigned long long)c->cr2, examined_field(vmcs_guest_cr3));
    dump_flags("cr4", FLAGS_CR4, vmx_get(v, GUEST_CR4));
    dump_flags("efer", FLAGS_EFER, vmcs_read(vmcs_guest_efer));
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++)
        dump_segment(segments[i], i);
    print("  gdtr %016llx+%04llx  idtr %016llx+%04llx  kernel gs base %016llx\n",
          examined_field(vmcs_guest_gdtr_base), examined_field(vmcs_guest_gdtr_limit),
          examined_field(vmcs_guest_idtr_base), examined_field(vmcs_guest_idtr_limit),
          (unsigned long long)c->kernel_gs_base);
    print("  dr0 %llx  dr1 %llx  dr2 %llx  dr3 %llx  dr6 %llx  dr7 %llx\n", (unsigned long long)d.dr[0],
          (unsigned long long)d.dr[1], (unsigned long long)d.dr[2], (unsigned long long)d.dr[3],
          (unsigned long long)d.dr6, (unsigned long long)d.dr7);
}

void vmx_dump(struct vcpu *v, enum dump what)
{
    vmx_examine_begin(v);
    switch (what) {
    case DUMP_CONTROL: dump_vmcs(); break;
    case DUMP_REGISTERS: dump_registers(v); break;
    case DUMP_SHORT: vmx_dump_general(v); break;
    }
    vmx_examine_end(v);
}

/* --- memory --- */

static void print_entry(unsigned level, uint64_t entry)
{
    print("  level %u: entry %016llx  %c%c%c\n", level, (unsigned long long)entry, entry & BIT(0) ? 'r' : '-',
          entry & BIT(1) ? 'w' : '-', entry & BIT(2) ? 'x' : '-');
}

static void print_leaf(unsigned level, uint64_t entry, gpa_t at)
{
    static const char *const types[8] = {"UC", "WC", "reserved", "reserved", "WT", "WP", "WB", "reserved"};
    static const char *const sizes[] = {"", "4 KiB", "2 MiB", "1 GiB"};
    uint64_t size = UINT64_C(1) << (PAGE_SHIFT + 9 * (level - 1));

    print("  a page of %s, %s, at host-physical %llx\n", sizes[level], types[entry >> 3 & 7],
          (unsigned long long)((entry & EPT_ADDRESS & ~(size - 1)) | (at.value & (size - 1))));
}

void vmx_dump_walk(struct vcpu *v, gpa_t at)
{
    uint64_t pointer, entry;

    vmx_examine_begin(v);
    pointer = vmcs_read(vmcs_ept_pointer);
    vmx_examine_end(v);
    print("guest-physical %llx, EPT pointer %llx\n", (unsigned long long)at.value,
          (unsigned long long)pointer);
    if (at.value >> 48) {
        print("  beyond what 4 levels reach\n");
        return;
    }
    entry = pointer;
    for (unsigned level = PAGING_LEVELS; level > 0; level--) {
        const uint64_t *table = phys_to_virt(hpa(entry & EPT_ADDRESS));

        entry = table[at.value >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
        print_entry(level, entry);
        if (!(entry & 7)) {
            print("  ends here: nothing is mapped\n");
            return;
        }
        if (level == 1 || (entry & EPT_LARGE)) {
            print_leaf(level, entry, at);
            return;
        }
    }
}

size_t vmx_read_linear(struct vcpu *v, uint64_t linear, void *to, size_t n)
{
    struct guest_mode m;
    size_t done;

    vmx_examine_begin(v);
    vmx_get_mode(v, &m);
    done = guest_linear_peek(v->vm, &m, linear, to, n);
    vmx_examine_end(v);
    return done;
}

uint64_t vmx_instruction_pointer(struct vcpu *v)
{
    uint64_t linear;

    vmx_examine_begin(v);
    linear = vmcs_read(vmcs_guest_rip) + vmcs_read(vmcs_guest_cs_base);
    vmx_examine_end(v);
    return linear;
}

/* --- breakpoints --- */

uint64_t vmx_breakpoint_exceptions(const struct vm *vm)
{
    return vm->breakpoints.int3 ? BIT(VECTOR_BP) : 0;
}

void vmx_breakpoints_changed(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        vmx_examine_begin(v);
        vmcs_write(vmcs_exception_bitmap,
                   (vmcs_read(vmcs_exception_bitmap) & ~BIT(VECTOR_BP)) | vmx_breakpoint_exceptions(vm));
        vcpu_debug_follow(v);
        vmx_examine_end(v);
    }
}
