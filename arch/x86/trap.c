/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/trap.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/selectors.h"

#define STUB_SIZE      16 /* bytes between two entries of trap_stubs */
#define FIRST_EXTERNAL 32
#define GATE_INTERRUPT 0x8e
#define TSS_AVAILABLE  0x89

enum ist { IST_NONE, IST_NMI, IST_DF, IST_MC };

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

_Static_assert(sizeof(struct gate) == 16, "fixed by the processor");

struct fixup {
    uint64_t fault, resume;
};

_Static_assert(sizeof(struct fixup) == 16, "as trap_stubs.asm lays it out");
_Static_assert(SEL_TSS + 16 == sizeof(((struct cpu *)NULL)->gdt),
               "a TSS descriptor is the last, of two entries");
_Static_assert(VECTOR_CONSOLE >= FIRST_EXTERNAL && VECTOR_WAKEUP < VECTOR_SPURIOUS, "no exceptions");
_Static_assert(VECTOR_TIMER >> 4 > VECTOR_CONSOLE >> 4, "timers and kicks go before keys");

extern char trap_stubs[];
extern const struct fixup fixups_start[], fixups_end[];
void trap_entry(struct trap_frame *frame);

static struct gate idt[256];
static struct {
    interrupt_handler *handle;
    void *context;
} handlers[256];
static trap_handler *exception_handler;

void interrupt_install(unsigned vector, interrupt_handler *handler, void *context)
{
    handlers[vector].context = context;
    handlers[vector].handle = handler;
}

void trap_set_handler(trap_handler *handler)
{
    exception_handler = handler;
}

void interrupt_dispatch(unsigned vector)
{
    if (vector != VECTOR_SPURIOUS)
        lapic_eoi();
    if (handlers[vector].handle)
        handlers[vector].handle(handlers[vector].context);
}

static bool fix_up(struct trap_frame *frame)
{
    for (const struct fixup *f = fixups_start; f < fixups_end; f++) {
        if (f->fault == frame->rip) {
            frame->rip = f->resume;
            return true;
        }
    }
    return false;
}

void trap_entry(struct trap_frame *frame)
{
    if (frame->vector >= FIRST_EXTERNAL)
        interrupt_dispatch((unsigned)frame->vector);
    else if (!fix_up(frame) && exception_handler)
        exception_handler(frame);
}

static void fill_idt(void)
{
    for (unsigned v = 0; v < ARRAY_SIZE(idt); v++) {
        uint64_t entry = (uint64_t)trap_stubs + v * STUB_SIZE;

        idt[v] = (struct gate){
            .offset_low = (uint16_t)entry,
            .offset_middle = (uint16_t)(entry >> 16),
            .offset_high = (uint32_t)(entry >> 32),
            .selector = SEL_CODE,
            .type = GATE_INTERRUPT,
        };
    }
    idt[VECTOR_NMI].ist = IST_NMI;
    idt[VECTOR_DF].ist = IST_DF;
    idt[VECTOR_MC].ist = IST_MC;
}

/* The slot of a CPU, upwards: guard, run stack, guard, NMI, guard, #DF, guard, #MC (boot/host/smp.c maps it).
 */
static uint64_t ist_top(const struct cpu *cpu, enum ist ist)
{
    return cpu->stack_top + ist * (PAGE_SIZE + IST_SIZE);
}

void cpu_load_tables(struct cpu *cpu)
{
    uint64_t tss = (uint64_t)&cpu->tss;
    struct table_pointer gdtr = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
    struct table_pointer idtr = {sizeof(idt) - 1, (uint64_t)idt};

    if (!idt[0].type)
        fill_idt();
    cpu->tss.ist[IST_NMI - 1] = ist_top(cpu, IST_NMI);
    cpu->tss.ist[IST_DF - 1] = ist_top(cpu, IST_DF);
    cpu->tss.ist[IST_MC - 1] = ist_top(cpu, IST_MC);
    cpu->tss.io_map_base = sizeof(cpu->tss);
    cpu->gdt[SEL_CODE / 8] = UINT64_C(0x00af9b000000ffff);
    cpu->gdt[SEL_DATA / 8] = UINT64_C(0x00cf93000000ffff);
    cpu->gdt[SEL_TSS / 8] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 | (uint64_t)TSS_AVAILABLE << 40 |
                            (tss >> 24 & 0xff) << 56;
    cpu->gdt[SEL_TSS / 8 + 1] = tss >> 32;
    lgdt(&gdtr);
    lidt(&idtr);
    __asm__ volatile(
        "mov %0, %%ds; mov %0, %%es; mov %0, %%ss; mov %1, %%fs; mov %1, %%gs; ltr %2" ::"r"(SEL_DATA),
        "r"(0), "r"((uint16_t)SEL_TSS)
        : "memory");
    cpu->self = cpu;
    wrmsr(IA32_FS_BASE, 0);
    wrmsr(IA32_GS_BASE, (uint64_t)cpu);
}
