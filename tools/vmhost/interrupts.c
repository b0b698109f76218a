/* SPDX-License-Identifier: BSD-2-Clause */
/* External, posted and virtual interrupts, where the program departs from the manual. */
#include "vmhost.h"

#define PIN_POSTED    (1u << 7)
#define REASON_POSTED 0x26 /* why memory is accessed, for the program's debugger */
#define WRITE_BACK    6

uint64_t physical_read(struct cpu *cpu, uint64_t address)
{
    uint32_t type = cpu_resolve_memtype(cpu, (uint32_t)address, WRITE_BACK);

    return cpu_read_physical(cpu, address, type, REASON_POSTED);
}

void physical_write(struct cpu *cpu, uint64_t address, uint64_t value)
{
    uint32_t type = cpu_resolve_memtype(cpu, (uint32_t)address, WRITE_BACK);

    cpu_write_physical(cpu, address, value, type, REASON_POSTED);
}

/*
 * The last step of a VM entry, and the first at which the CPU is in the guest. What is masked was decided
 * when the guest's RFLAGS were loaded, as if they were the host's: external interrupts by IF, although they
 * exit whatever it is.
 */
void hook_inject_events(struct cpu *cpu)
{
    cpu_interrupt_mask_change(cpu);
    cpu_inject_events(cpu);
}

/* An external interrupt, or a virtual one, or both. A masked virtual one is not there for the program. */
void hook_handle_external(struct cpu *cpu)
{
    bool waits = *cpu_in_guest(cpu) && (*cpu_pending(cpu) & *cpu_masked(cpu) & EVENT_VIRTUAL_INTERRUPT);

    if (waits)
        *cpu_pending(cpu) &= ~EVENT_VIRTUAL_INTERRUPT;
    cpu_handle_external(cpu); /* does not come back from a VM exit, which forgets pending ones anyway */
    if (waits)
        cpu_evaluate_virtual(cpu);
}

/* A VM exit during the delivery names the event that is being delivered; the program leaves an older one
 * there. */
void hook_deliver_virtual(struct cpu *cpu)
{
    *cpu_vectoring_info(cpu) = *cpu_rvi(cpu); /* type 0: external interrupt */
    *cpu_vectoring_error(cpu) = 0;
    cpu_deliver_virtual(cpu);
}

/* The highest vector that is requested in the descriptor, or -1. */
static int highest_posted(struct cpu *cpu)
{
    for (int i = 3; i >= 0; i--) {
        uint64_t bits = physical_read(cpu, *cpu_posted_descriptor(cpu) + 8u * (unsigned)i);

        if (bits)
            return 64 * i + 63 - __builtin_clzll(bits);
    }
    return -1;
}

/* The program takes RVI from the highest bit of VIRR, and 255 from none; the manual raises it to what was
 * posted. */
bool hook_posted_interrupt(struct cpu *cpu, uint8_t vector)
{
    uint8_t rvi = *cpu_rvi(cpu);
    int posted = -1;

    if ((*cpu_pin_controls(cpu) & PIN_POSTED) && *cpu_notification_vector(cpu) == vector)
        posted = highest_posted(cpu);
    if (!cpu_posted_interrupt(cpu, vector))
        return false;
    *cpu_rvi(cpu) = posted > rvi ? (uint8_t)posted : rvi;
    cpu_evaluate_virtual(cpu);
    return true;
}

/* A guest that halts is woken by a virtual interrupt, and left for an external one even when IF is 0. */
bool hook_wait_for_event(struct cpu *cpu)
{
    uint32_t wakes =
        *cpu_pending(cpu) & ~*cpu_masked(cpu) & (EVENT_VIRTUAL_INTERRUPT | EVENT_PIC | EVENT_APIC);

    if (*cpu_in_guest(cpu) && *cpu_activity(cpu) == ACTIVITY_HLT && wakes) {
        *cpu_activity(cpu) = ACTIVE;
        *cpu_inhibited(cpu) = 0;
        return false;
    }
    return cpu_wait_for_event(cpu);
}
