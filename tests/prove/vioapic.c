/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual I/O APIC: any accesses, lines and ends of interrupts, in any order. */
#include "tests/prove/prove.h"

#include "apic/vioapic.c"

void main(void);

bool vm_deliver_msi(struct vm *vm, struct msi message)
{
    (void)vm;
    (void)message;
    return any_bool();
}

void main(void)
{
    struct vioapic io;

    vioapic_reset(&io);
    while (any_bool()) {
        switch (Frama_C_interval(0, 4)) {
        case 0: vioapic_read(&io, any32()); break;
        case 1: vioapic_write(NULL, &io, any32(), any32()); break;
        case 2:
            vioapic_set_pin(NULL, &io, (unsigned)Frama_C_interval(0, VIOAPIC_PINS - 1), any_bool());
            break;
        case 3: vioapic_eoi(NULL, &io, any32()); break;
        default: vioapic_reset(&io); break;
        }
    }
}
