/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/event.h"
#include "arch/x86/cpu.h"
#include "sched/vm_run.h"
#include "vcpu/state.h"

enum class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

_Static_assert(BENIGN < CONTRIBUTORY && CONTRIBUTORY < PAGE_FAULT && PAGE_FAULT < DOUBLE_FAULT,
               "by severity");

static enum class class_of(uint32_t event) {
    unsigned vector = EVENT_VECTOR(event);

    if (!(event & EVENT_VALID) || EVENT_TYPE(event) != EVENT_EXCEPTION) return BENIGN;
    if (vector == VECTOR_PF) return PAGE_FAULT;
    if (vector == VECTOR_DF) return DOUBLE_FAULT;
    return vector == 0 || (vector >= 10 && vector <= 13) ? CONTRIBUTORY : BENIGN;
}

/* "Conditions for generating a double fault": what a second exception during delivery of the first becomes.
 */
static void raise_event(struct vcpu *v, uint32_t event, uint32_t error)
{
    struct vcpu_state *x = state_of(v);
    enum class first = class_of(x->event), second = class_of(event);

    if (first == DOUBLE_FAULT && second != BENIGN) {
        const char *what;
        enum vm_end end = vm_triple_fault(v->vm, &what);

        vm_request_end(v->vm, end, "%s while an exception was injected, rip %llx", what,
                       (unsigned long long)backend.get(v, GUEST_RIP));
        return;
    }
    if ((first == CONTRIBUTORY && second == CONTRIBUTORY) ||
        (first == PAGE_FAULT && second >= CONTRIBUTORY)) {
        event = (uint32_t)(EVENT_VALID | EVENT_ERROR_CODE | EVENT_EXCEPTION << 8 | VECTOR_DF);
        error = 0;
    }
    x->event = event;
    x->event_again = false;
    x->event_error = error;
    v->due |= DUE_EVENT;
}

void vcpu_inject(struct vcpu *v, unsigned vector)
{
    raise_event(v, (uint32_t)EVENT_VALID | EVENT_EXCEPTION << 8 | vector, 0);
}

void vcpu_inject_int1(struct vcpu *v, unsigned length)
{
    raise_event(v, (uint32_t)EVENT_VALID | EVENT_PRIVILEGED_SOFTWARE << 8 | VECTOR_DB, 0);
    state_of(v)->event_length = length;
}

void vcpu_inject_error(struct vcpu *v, unsigned vector, uint32_t error)
{
    raise_event(v, (uint32_t)(EVENT_VALID | EVENT_ERROR_CODE) | EVENT_EXCEPTION << 8 | vector, error);
}

void vcpu_inject_page_fault(struct vcpu *v, uint64_t linear, uint32_t error)
{
    write_cr2(linear); /* the guest's, while it is on this CPU */
    vcpu_inject_error(v, VECTOR_PF, error);
}

enum next vcpu_protection_fault(struct vcpu *v)
{
    vcpu_inject_error(v, VECTOR_GP, 0);
    return NEXT_RESUME;
}
