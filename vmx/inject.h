/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way of an event into a guest: exception, NMI, interrupt, INT1, INT n, and what is delivered again
 * because its delivery was interrupted. The next VM entry delivers it (SDM volume 3, "Vectored-Event
 * Injection"); what the processor leaves to software then is done here, and what an entry is refused for is
 * seen to ("Checks on VM-Entry Control Fields", "Checks on Guest Non-Register State").
 */
#pragma once

#include "vcpu/event.h"
#include "vmx/vmcs.h"

struct injection {
    uint32_t event;  /* vcpu/event.h; whether it has an error code is found out here */
    uint32_t error;  /* its code, if it has one */
    uint32_t length; /* of the instruction, bytes: of types 4 to 6 only */
    bool again;      /* its delivery had begun: RFLAGS is as it is to be pushed */
};

/* All but external interrupts. */
void vmx_inject_checked(const struct injection *i);

/* The caller has seen that it is not blocked. */
static inline void vmx_inject(struct injection i)
{
    if (EVENT_TYPE(i.event) == EVENT_EXTERNAL)
        vmcs_write(vmcs_entry_interruption_info, i.event);
    else
        vmx_inject_checked(&i);
}
