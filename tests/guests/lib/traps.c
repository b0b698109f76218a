/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest.h"

#define GATE        0x8e00u
#define GATE_USER   0xee00u
#define USER_RETURN 0x30 /* see trap_stubs.asm */

struct gate {
    uint16_t offset_low, selector, type, offset_high;
};

extern const uint32_t trap_stubs[256];
extern volatile uint32_t trap_expected;
NORETURN void trap_recover(int result);
void trap_handle(struct trap_frame *frame);

struct trap_frame last_trap;
static struct gate idt[256] ALIGNED(8);
static interrupt_handler *handlers[256];

static void set_gate(unsigned vector, uint32_t code)
{
    idt[vector] =
        (struct gate){(uint16_t)code, 0x08, vector == USER_RETURN ? GATE_USER : GATE, (uint16_t)(code >> 16)};
}

void traps_load(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint32_t)idt};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void traps_setup(void)
{
    for (unsigned v = 0; v < 256; v++)
        set_gate(v, trap_stubs[v]);
    traps_load();
}

void on_interrupt(unsigned vector, interrupt_handler *handler)
{
    handlers[vector] = handler;
}

void on_interrupt_raw(unsigned vector, void (*code)(void))
{
    set_gate(vector, (uint32_t)code);
}

void trap_handle(struct trap_frame *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    if (trap_expected && frame->vector == USER_RETURN)
        trap_recover(NO_TRAP);
    if (trap_expected && frame->vector < 32 && frame->vector != NMI) {
        last_trap = *frame;
        trap_recover((int)frame->vector);
    }
    check(false, "unexpected vector %u, error %x, at %x", (unsigned)frame->vector, (unsigned)frame->error,
          (unsigned)frame->eip);
    finish();
}

struct msr_access {
    uint32_t msr;
    uint64_t value;
};

static void do_rdmsr(void *argument)
{
    struct msr_access *a = argument;

    a->value = rdmsr(a->msr);
}

static void do_wrmsr(void *argument)
{
    struct msr_access *a = argument;

    wrmsr(a->msr, a->value);
}

int try_rdmsr(uint32_t msr, uint64_t *value)
{
    struct msr_access a = {msr, 0};
    int vector = trap_call(do_rdmsr, &a);

    *value = a.value;
    return vector;
}

int try_wrmsr(uint32_t msr, uint64_t value)
{
    struct msr_access a = {msr, value};

    return trap_call(do_wrmsr, &a);
}
