/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks as 32-bit kernels have them: CALL and IRET, JMP there and back, and the task gate of a double fault,
 * whose task sees where it came from, mends that and goes back.
 */
#include "lib/guest.h"

#define CODE      0x08u
#define DATA      0x10u
#define FREE      8u /* descriptors of the GDT from here on are ours */
#define MAIN_TSS  (8 * FREE)
#define OTHER_TSS (MAIN_TSS + 8)
#define BAD_TSS   (MAIN_TSS + 16)
#define DF        8
#define TS        10
#define EFLAGS_NT BIT(14)
#define CR0_TS    BIT(3)
#define BUSY      BIT(9) /* of a descriptor's upper half */

const char guest_name[] = "task";

struct tss {
    uint32_t link, stacks[6], cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt, trap;
};

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));

static struct tss main_tss ALIGNED(128), other_tss ALIGNED(128);
static uint8_t stack[4096] ALIGNED(16);
static uint32_t gdt[2 * 16] ALIGNED(8);
static volatile uint32_t been, link, flags, error, busy;

void task_entry(void);
void fault_entry(void);
void task_body(void);
void fault_body(uint32_t code);

/* CALL comes here again behind its IRET; so does JMP, which goes back by JMP. */
__asm__("task_entry: call task_body\n"
        "iret\n"
        "jmp task_entry\n"
        ".global task_jumped\n"
        "task_jumped: call task_body\n"
        "ljmp $0x40, $0\n"
        "fault_entry: call fault_body\n"
        "add $4, %esp\n"
        "iret\n");
extern const uint8_t task_jumped[];
_Static_assert(MAIN_TSS == 0x40, "in the JMP");

__attribute__((used)) void task_body(void)
{
    been = 0x600d;
    link = other_tss.link;
    busy = gdt[2 * FREE + 1] & BUSY;
    __asm__ volatile("pushfl\n popl %0" : "=r"(flags));
}

/* Behind the instruction that could not be: two bytes. */
__attribute__((used)) void fault_body(uint32_t code)
{
    been = 0xdf;
    error = code;
    link = other_tss.link;
    main_tss.eip += 2;
}

static void set_tss(unsigned selector, const struct tss *tss, uint32_t limit)
{
    uint32_t base = (uint32_t)tss;

    gdt[selector / 4] = limit | base << 16;
    gdt[selector / 4 + 1] = (base >> 16 & 0xff) | 0x8900 | (base & 0xff000000);
}

static void begin_other(const void *entry)
{
    other_tss = (struct tss){.eip = (uint32_t)entry,
                             .eflags = 2,
                             .eax = 0x1111,
                             .esp = (uint32_t)(stack + sizeof(stack)),
                             .es = DATA,
                             .cs = CODE,
                             .ss = DATA,
                             .ds = DATA};
    been = link = 0;
    set_tss(OTHER_TSS, &other_tss, sizeof(other_tss) - 1);
}

static void set_up(void)
{
    struct table p;

    __asm__ volatile("sgdt %0" : "=m"(p));
    memcpy(gdt, (const void *)p.base, p.limit + 1u < 8 * FREE ? p.limit + 1u : 8 * FREE);
    set_tss(MAIN_TSS, &main_tss, sizeof(main_tss) - 1);
    set_tss(BAD_TSS, &other_tss, 0x20);
    p = (struct table){sizeof(gdt) - 1, (uint32_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(p));
    __asm__ volatile("ltr %w0" : : "r"(MAIN_TSS));
}

static void call_task(void *argument)
{
    uint32_t ebx = 0x12345678, esi = 0x87654321;

    (void)argument;
    __asm__ volatile("lcall %2, $0" : "+b"(ebx), "+S"(esi) : "i"(OTHER_TSS) : "memory", "eax", "ecx", "edx");
    check(ebx == 0x12345678 && esi == 0x87654321, "registers come back: %x %x", (unsigned)ebx, (unsigned)esi);
}

static void test_call(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!i)
            begin_other(task_entry);
        been = 0;
        call_task(NULL);
        check(been == 0x600d && link == MAIN_TSS && (flags & EFLAGS_NT) && busy, "CALL of a task, and IRET");
    }
    check(!(gdt[OTHER_TSS / 4 + 1] & BUSY), "the task that has returned is free");
    check(read_cr0() & CR0_TS, "CR0.TS is set");
    __asm__ volatile("clts");
}

static void test_jump(void)
{
    begin_other(task_jumped);
    __asm__ volatile("ljmp %0, $0" : : "i"(OTHER_TSS) : "memory", "eax", "ecx", "edx");
    check(been == 0x600d && !link && !(flags & EFLAGS_NT) && !busy, "JMP to a task, and back");
    check(gdt[2 * FREE + 1] & BUSY, "the task that is jumped to is busy");
}

static void call_bad(void *argument)
{
    (void)argument;
    __asm__ volatile("lcall %0, $0" : : "i"(BAD_TSS) : "memory", "eax", "ecx", "edx");
}

/* #GP has no gate: its delivery is a #NP, and both are a double fault. */
static void test_double_fault(void)
{
    uint16_t nowhere = 0xfff8;
    struct table p;
    uint32_t *gate, saved[4];

    __asm__ volatile("sidt %0" : "=m"(p));
    gate = (uint32_t *)p.base;
    saved[0] = gate[2 * DF];
    saved[1] = gate[2 * DF + 1];
    saved[2] = gate[2 * GP + 1];
    begin_other(fault_entry);
    gate[2 * DF] = OTHER_TSS << 16;
    gate[2 * DF + 1] = 0x8500;
    gate[2 * GP + 1] &= ~0x8000u;
    __asm__ volatile("movw %0, %%fs\n" : : "r"(nowhere) : "memory");
    gate[2 * DF] = saved[0];
    gate[2 * DF + 1] = saved[1];
    gate[2 * GP + 1] = saved[2];
    check(been == 0xdf && link == MAIN_TSS, "a double fault by a task gate: %x", (unsigned)been);
    check(error == 0, "with its error code: %x", (unsigned)error);
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    set_up();
    test_call();
    test_jump();
    check(trap_call(call_bad, NULL) == TS, "a TSS that is too short: #TS");
    test_double_fault();
    finish();
}
