/* SPDX-License-Identifier: BSD-2-Clause */
#include "svm/dump.h"

#include "arch/x86/cpu.h"
#include "arch/x86/spinlock.h"
#include "core/base/bit_names.h"
#include "core/base/log.h"
#include "svm/run.h"
#include "svm/setup.h"
#include "vcpu/debug.h"
#include "vcpu/walk.h"

typedef unsigned long long number;

static void dump_general(const struct vcpu *v)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct vmcb *b = vmcb_of(v);

    print("  vcpu %u: rip %016llx  rflags %08llx  last exit: %s, information %llx %llx\n", v->id,
          (number)b->rip, (number)b->rflags, svm_code_name(b->exit_code), (number)b->exit_info1,
          (number)b->exit_info2);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        print("  %s %016llx%s", names[i], (number)read_gpr(v, i), i % 4 == 3 ? "\n" : "");
}

void svm_dump_guest(const struct vcpu *v)
{
    static struct spinlock lock; /* one vCPU's block of lines after the other */
    const struct vmcb *b = vmcb_of(v);

    spin_lock(&lock);
    dump_general(v);
    print("  cr0 %llx  cr2 %llx  cr3 %llx  cr4 %llx  efer %llx\n", (number)b->cr0, (number)read_cr2(),
          (number)b->cr3, (number)b->cr4, (number)b->efer);
    print("  cs %04x base %llx attributes %x  ss %04x  gdtr %llx+%x  idtr %llx+%x\n", b->cs.selector,
          (number)b->cs.base, b->cs.attributes, b->ss.selector, (number)b->gdtr.base, b->gdtr.limit,
          (number)b->idtr.base, b->idtr.limit);
    spin_unlock(&lock);
}

/* --- the monitor --- */

static void dump_segment(const char *name, const struct vmcb_segment *s)
{
    print("  %-4s %04x  base %016llx  limit %08x  attributes %03x%s\n", name, s->selector, (number)s->base,
          s->limit, s->attributes, s->attributes & BIT(7) ? "" : "  not present");
}

static void dump_flags(const char *name, enum flag_register which, uint64_t value)
{
    char text[BIT_NAMES];

    print("  %-6s %016llx  %s\n", name, (number)value, bit_names(which, value, text));
}

static void dump_segments(const struct vmcb *b)
{
    dump_segment("es", &b->es);
    dump_segment("cs", &b->cs);
    dump_segment("ss", &b->ss);
    dump_segment("ds", &b->ds);
    dump_segment("fs", &b->fs);
    dump_segment("gs", &b->gs);
    dump_segment("ldtr", &b->ldtr);
    dump_segment("tr", &b->tr);
}

static void dump_registers(const struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    struct debug_registers d = vcpu_guest_debug(v);

    dump_general(v);
    dump_flags("rflags", FLAGS_RFLAGS, svm_get(v, GUEST_RFLAGS));
    print("  iopl   %llu\n", (number)(b->rflags >> 12 & 3));
    dump_flags("cr0", FLAGS_CR0, svm_get(v, GUEST_CR0));
    print("  cr2    %016llx  cr3 %016llx\n", (number)state_of(v)->context.cr2, (number)b->cr3);
    dump_flags("cr4", FLAGS_CR4, svm_get(v, GUEST_CR4));
    dump_flags("efer", FLAGS_EFER, svm_get(v, GUEST_EFER));
    dump_segments(b);
    print("  gdtr %016llx+%04x  idtr %016llx+%04x  kernel gs base %016llx\n", (number)b->gdtr.base,
          b->gdtr.limit, (number)b->idtr.base, b->idtr.limit, (number)b->kernel_gs_base);
    print("  dr0 %llx  dr1 %llx  dr2 %llx  dr3 %llx  dr6 %llx  dr7 %llx\n", (number)d.dr[0], (number)d.dr[1],
          (number)d.dr[2], (number)d.dr[3], (number)d.dr6, (number)d.dr7);
}

static void dump_control(const struct vmcb *b)
{
    print("  intercepts: CR reads %x, writes %x; DR reads %x, writes %x; exceptions %x; %x %x %x\n",
          b->cr_reads, b->cr_writes, b->dr_reads, b->dr_writes, b->exceptions, b->misc1, b->misc2, b->misc3);
    print("  I/O map %llx  MSR map %llx  TSC offset %llx  PAUSE count %u, threshold %u\n", (number)b->io_map,
          (number)b->msr_map, (number)b->tsc_offset, b->pause_count, b->pause_threshold);
    print("  ASID %u  TLB control %x  interrupts %llx  shadow %llx  inject %llx\n", b->asid, b->tlb_control,
          (number)b->interrupts, (number)b->shadow, (number)b->inject);
    print("  exit: code %llx %s, information %llx %llx, event %llx, next RIP %llx\n", (number)b->exit_code,
          svm_code_name(b->exit_code), (number)b->exit_info1, (number)b->exit_info2, (number)b->exit_event,
          (number)b->next_rip);
    print("  nested paging %llx, CR3 %llx  clean %x\n", (number)b->nested_control, (number)b->nested_cr3,
          b->clean);
}

void svm_dump(struct vcpu *v, enum dump what)
{
    switch (what) {
    case DUMP_CONTROL: dump_control(vmcb_of(v)); break;
    case DUMP_REGISTERS: dump_registers(v); break;
    case DUMP_SHORT: dump_general(v); break;
    }
}

void svm_dump_walk(struct vcpu *v, gpa_t at)
{
    const struct page_table *t = &v->vm->tables->table;
    unsigned level = 0;
    uint64_t entry = at.value >> 48 ? 0 : paging_lookup(t, at.value, &level), size;

    print("guest-physical %llx, nested CR3 %llx\n", (number)at.value, (number)virt_to_phys(t->root).value);
    if (!entry) {
        print("  ends here: nothing is mapped\n");
        return;
    }
    size = UINT64_C(1) << (PAGE_SHIFT + 9 * (level - 1));
    print("  level %u: entry %016llx  r%c%c\n", level, (number)entry, entry & PTE_W ? 'w' : '-',
          entry & PTE_NX ? '-' : 'x');
    print("  a page of %llu KiB at host-physical %llx\n", (number)(size / 1024),
          (number)((entry & UINT64_C(0x000ffffffffff000) & ~(size - 1)) | (at.value & (size - 1))));
}

size_t svm_read_linear(struct vcpu *v, uint64_t linear, void *to, size_t n)
{
    struct guest_mode m;

    svm_get_mode(v, &m);
    return guest_linear_peek(v->vm, &m, linear, to, n);
}

uint64_t svm_instruction_pointer(struct vcpu *v)
{
    return vmcb_of(v)->rip + vmcb_of(v)->cs.base;
}

void svm_breakpoints_changed(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        svm_set_breakpoint_exits(vm->vcpus[i]);
        vcpu_debug_follow(vm->vcpus[i]);
    }
}
