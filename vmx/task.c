/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmx/task.h"

#include "arch/x86/cpu.h"
#include "vcpu/cr.h"
#include "vcpu/event.h"
#include "vcpu/walk.h"
#include "vmx/guest.h"
#include "vmx/qualification.h"

/* "32-Bit Task-State Segment": doublewords. */
enum { LINK, CR3 = 7, EIP, EFLAGS, REGISTERS, SEGMENTS = 18, LDT = 24, TRAP, TSS_WORDS };
enum { ES, CS, SS, DS, FS, GS, LDTR, TR, SEGMENT_COUNT }; /* as the TSS and the VMCS have them */
enum source { BY_CALL, BY_IRET, BY_JMP, BY_GATE };

_Static_assert(REGISTERS + 8 == SEGMENTS && SEGMENTS + LDTR == LDT, "one behind the other");

#define SELECTOR_TABLE BIT(2) /* in the LDT */
#define RPL(selector)  ((selector)&3u)
#define TYPE_TSS       0x9u /* of 32 bits, available */
#define TYPE_BUSY      0x2u
#define TYPE_LDT       0x2u
#define RIGHTS_S       BIT(4)
#define RIGHTS_P       BIT(7)
#define RIGHTS_G       BIT(15)
#define TYPE_CODE      BIT(3)
#define TYPE_CONFORMS  BIT(2) /* of code, */
#define TYPE_READABLE  BIT(1) /* and writable, of data */
#define TYPE_ACCESSED  BIT(0)
#define UNUSABLE       BIT(16)
#define RFLAGS_NT      BIT(14)
#define DR7_LOCAL      UINT64_C(0x155)
#define TSS_LIMIT      (4 * TSS_WORDS - 1)

struct segment {
    uint32_t selector, base, limit, rights; /* as the VMCS has them */
};

/* All that is on the way: what is read of the new task is read once. */
struct task {
    struct guest_mode m; /* in ring 0, as a processor reaches for tables */
    enum source source;
    uint32_t words[TSS_WORDS];
    struct segment tss;
};

#define OF_SEGMENT(field, i) ((struct vmcs_field){FIELD_guest_es_##field + 2 * (i)})

static unsigned dpl_of(const struct segment *s)
{
    return s->rights >> 5 & 3;
}

static void write_segment(unsigned i, const struct segment *s)
{
    vmcs_write(OF_SEGMENT(selector, i), s->selector);
    vmcs_write(OF_SEGMENT(base, i), s->base);
    vmcs_write(OF_SEGMENT(limit, i), s->limit);
    vmcs_write(OF_SEGMENT(rights, i), s->rights);
}

/* "Segment Descriptors". */
static struct segment unpack(uint32_t selector, uint64_t d)
{
    struct segment s = {.selector = selector,
                        .base = (uint32_t)((d >> 16 & 0xffffff) | (d >> 56) << 24),
                        .limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)),
                        .rights = (uint32_t)(d >> 40 & 0xf0ff)};

    if (s.rights & RIGHTS_G)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

/* Where its descriptor is; false: it has none. */
static bool find_descriptor(uint32_t selector, uint64_t *linear)
{
    bool local = selector & SELECTOR_TABLE;
    uint64_t limit = vmcs_read(local ? vmcs_guest_ldtr_limit : vmcs_guest_gdtr_limit);

    *linear = vmcs_read(local ? vmcs_guest_ldtr_base : vmcs_guest_gdtr_base) + (selector & 0xfff8);
    if (local && (vmcs_read(vmcs_guest_ldtr_rights) & UNUSABLE))
        return false;
    return (selector | 7) <= limit;
}

/* An exception about a selector; false, for the caller to hand on. */
static bool refuse(struct vcpu *v, unsigned vector, uint32_t selector)
{
    vcpu_inject_error(v, vector, selector & 0xfffc);
    return false;
}

static bool read_descriptor(struct vcpu *v, const struct task *t, uint32_t selector, struct segment *out)
{
    uint64_t linear, descriptor;

    if (!find_descriptor(selector, &linear))
        return refuse(v, VECTOR_TS, selector);
    if (!guest_linear_read(v, &t->m, (uint32_t)linear, &descriptor, sizeof(descriptor)))
        return false;
    *out = unpack(selector, descriptor);
    return true;
}

/* --- the new task's TSS, and the old one's --- */

static bool read_task(struct vcpu *v, struct task *t, uint32_t selector)
{
    unsigned type = TYPE_TSS | (t->source == BY_IRET ? TYPE_BUSY : 0);

    if ((selector & SELECTOR_TABLE) || !read_descriptor(v, t, selector, &t->tss))
        return (selector & SELECTOR_TABLE) ? refuse(v, VECTOR_TS, selector) : false;
    if ((t->tss.rights & 0x1f) != type || t->tss.limit < TSS_LIMIT)
        return refuse(v, VECTOR_TS, selector);
    if (!(t->tss.rights & RIGHTS_P))
        return refuse(v, VECTOR_NP, selector);
    return guest_linear_read(v, &t->m, t->tss.base, t->words, sizeof(t->words));
}

static bool write_word(struct vcpu *v, const struct task *t, uint32_t linear, uint64_t value)
{
    uint32_t word = (uint32_t)value;

    return guest_linear_write(v, &t->m, linear, &word, sizeof(word));
}

/* Behind the instruction, if it was one that wanted this. */
static uint64_t return_address(const struct task *t)
{
    uint64_t info = vmcs_read(vmcs_idt_vectoring_info);
    bool by_instruction = t->source != BY_GATE || EVENT_TYPE(info) >= EVENT_SOFTWARE_INTERRUPT;

    return vmcs_read(vmcs_guest_rip) + (by_instruction ? vmcs_read(vmcs_exit_instruction_length) : 0);
}

static bool save_old(struct vcpu *v, const struct task *t)
{
    uint32_t base = (uint32_t)vmcs_read(vmcs_guest_tr_base);
    uint64_t flags = vmcs_read(vmcs_guest_rflags);
    bool ok;

    if (t->source == BY_IRET)
        flags &= ~RFLAGS_NT;
    ok = write_word(v, t, base + 4 * EIP, return_address(t)) && write_word(v, t, base + 4 * EFLAGS, flags);
    for (unsigned i = 0; ok && i < 8; i++)
        ok = write_word(v, t, base + 4 * (REGISTERS + i), read_gpr(v, i));
    for (unsigned i = ES; ok && i <= GS; i++)
        ok = write_word(v, t, base + 4 * (SEGMENTS + i), vmcs_read(OF_SEGMENT(selector, i)));
    return ok;
}

static bool set_busy(struct vcpu *v, const struct task *t, uint32_t selector, bool busy)
{
    uint64_t linear;
    uint32_t upper;

    if (!find_descriptor(selector & ~(uint32_t)SELECTOR_TABLE, &linear))
        return refuse(v, VECTOR_TS, selector);
    if (!guest_linear_read(v, &t->m, (uint32_t)linear + 4, &upper, sizeof(upper)))
        return false;
    upper = busy ? upper | TYPE_BUSY << 8 : upper & ~(TYPE_BUSY << 8);
    return write_word(v, t, (uint32_t)linear + 4, upper);
}

/* The old task stays busy while the new one is to return to it. */
static bool mark_tasks(struct vcpu *v, struct task *t)
{
    uint32_t old = (uint32_t)vmcs_read(vmcs_guest_tr_selector);
    bool nests = t->source == BY_CALL || t->source == BY_GATE;

    if (nests) {
        t->words[EFLAGS] |= (uint32_t)RFLAGS_NT;
        if (!write_word(v, t, t->tss.base + 4 * LINK, old))
            return false;
    } else if (!set_busy(v, t, old, false)) {
        return false;
    }
    return t->source == BY_IRET || set_busy(v, t, t->tss.selector, true);
}

/* --- the new task's state; from here on exceptions are the new task's --- */

static bool load_ldt(struct vcpu *v, const struct task *t)
{
    struct segment ldt = {.selector = t->words[LDT] & 0xffff, .rights = UNUSABLE};

    if (ldt.selector & 0xfffc) {
        if (ldt.selector & SELECTOR_TABLE)
            return refuse(v, VECTOR_TS, ldt.selector);
        if (!read_descriptor(v, t, ldt.selector, &ldt))
            return false;
        if ((ldt.rights & 0x9f) != (RIGHTS_P | TYPE_LDT))
            return refuse(v, VECTOR_TS, ldt.selector);
    }
    write_segment(LDTR, &ldt);
    return true;
}

/* "Protected-Mode Checks" of each register; cpl is that of the new CS. */
static bool fits(unsigned i, const struct segment *s, unsigned cpl)
{
    bool code = s->rights & TYPE_CODE, conforms = code && (s->rights & TYPE_CONFORMS);

    if (!(s->rights & RIGHTS_S))
        return false;
    if (i == CS)
        return code && (conforms ? dpl_of(s) <= cpl : dpl_of(s) == cpl);
    if (i == SS)
        return !code && (s->rights & TYPE_READABLE) && dpl_of(s) == cpl && RPL(s->selector) == cpl;
    return (!code || (s->rights & TYPE_READABLE)) && (conforms || dpl_of(s) >= MAX(cpl, RPL(s->selector)));
}

static bool load_segment(struct vcpu *v, const struct task *t, unsigned i)
{
    struct segment s = {.selector = t->words[SEGMENTS + i] & 0xffff, .rights = UNUSABLE};
    unsigned cpl = RPL(t->words[SEGMENTS + CS]);

    if (s.selector & 0xfffc) {
        if (!read_descriptor(v, t, s.selector, &s))
            return false;
        if (!fits(i, &s, cpl))
            return refuse(v, VECTOR_TS, s.selector);
        if (!(s.rights & RIGHTS_P))
            return refuse(v, i == SS ? VECTOR_SS : VECTOR_NP, s.selector);
        s.rights |= TYPE_ACCESSED;
    } else if (i == CS || i == SS) {
        return refuse(v, VECTOR_TS, s.selector);
    }
    write_segment(i, &s);
    return true;
}

static void load_segments_8086(const struct task *t)
{
    for (unsigned i = ES; i <= GS; i++) {
        uint32_t selector = t->words[SEGMENTS + i] & 0xffff;

        write_segment(i, &(struct segment){selector, selector << 4, 0xffff, 0xf3});
    }
}

static bool load_segments(struct vcpu *v, const struct task *t)
{
    static const uint8_t order[] = {CS, SS, ES, DS, FS, GS};

    if (!load_ldt(v, t))
        return false;
    if (t->words[EFLAGS] & RFLAGS_VM) {
        load_segments_8086(t);
        return true;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        if (!load_segment(v, t, order[i]))
            return false;
    }
    return true;
}

static bool load_address_space(struct vcpu *v, struct task *t)
{
    uint64_t cr3 = t->words[CR3];

    if (!(t->m.cr0 & CR0_PG))
        return true;
    if ((t->m.cr4 & CR4_PAE) && !vcpu_load_pdptes(v, cr3))
        return refuse(v, VECTOR_TS, t->tss.selector);
    backend.set(v, GUEST_CR3, cr3);
    backend.flush_linear(v);
    t->m.cr3 = cr3;
    return true;
}

static void load_registers(struct vcpu *v, const struct task *t)
{
    struct segment tr = t->tss;

    tr.rights |= TYPE_BUSY;
    write_segment(TR, &tr);
    backend.set(v, GUEST_RIP, t->words[EIP]);
    backend.set(v, GUEST_RFLAGS, (t->words[EFLAGS] & UINT64_C(0x3f7fd5)) | RFLAGS_FIXED);
    for (unsigned i = 0; i < 8; i++)
        write_gpr(v, i, t->words[REGISTERS + i]);
    backend.set(v, GUEST_CR0, backend.get(v, GUEST_CR0) | CR0_TS);
    backend.set(v, GUEST_DR7, backend.get(v, GUEST_DR7) & ~DR7_LOCAL);
}

/* --- the event that came by a task gate --- */

static bool push_error(struct vcpu *v, const struct task *t)
{
    uint64_t info = vmcs_read(vmcs_idt_vectoring_info), big = vmcs_read(vmcs_guest_ss_rights) & RIGHTS_D;
    uint32_t pointer = (uint32_t)backend.get(v, GUEST_RSP) - 4;

    if (t->source != BY_GATE || !(info & EVENT_ERROR_CODE))
        return true;
    if (!write_word(v, t, (uint32_t)vmcs_read(vmcs_guest_ss_base) + (big ? pointer : (uint16_t)pointer),
                    vmcs_read(vmcs_idt_vectoring_error)))
        return false;
    backend.set(v, GUEST_RSP, pointer);
    return true;
}

/* An NMI by a gate blocks others, IRET ends that. */
static void set_blocking(const struct task *t)
{
    uint64_t blocking = vmcs_read(vmcs_guest_interruptibility) & ~(BLOCKING_STI | BLOCKING_MOV_SS);

    if (t->source == BY_IRET)
        blocking &= ~BLOCKING_NMI;
    if (t->source == BY_GATE && EVENT_TYPE(vmcs_read(vmcs_idt_vectoring_info)) == EVENT_NMI)
        blocking |= BLOCKING_NMI;
    vmcs_write(vmcs_guest_interruptibility, blocking);
}

COLD enum next vmx_switch_task(struct vcpu *v)
{
    uint64_t q = vmcs_read(vmcs_exit_qualification);
    struct task t = {.source = QUALIFIED_TASK_SOURCE(q)};

    sched_look_around(); /* a switch that always fails is no instruction of the guest's */
    backend.get_mode(v, &t.m);
    t.m.cpl = 0;
    t.m.bits = 32;
    if (!read_task(v, &t, QUALIFIED_TASK(q)) || !save_old(v, &t) || !mark_tasks(v, &t))
        return NEXT_RESUME;
    set_blocking(&t);
    load_registers(v, &t);
    if (load_address_space(v, &t) && load_segments(v, &t))
        push_error(v, &t);
    return NEXT_RESUME;
}
