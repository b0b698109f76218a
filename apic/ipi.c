/* SPDX-License-Identifier: BSD-2-Clause */
#include "apic/ipi.h"

#include "apic/vlapic_state.h"
#include "sched/sched.h"

#define ICR_VECTOR(x)    ((unsigned)(x)&0xff)
#define ICR_MODE(x)      ((unsigned)((x) >> 8) & 7)
#define ICR_ASSERTED     BIT(14)
#define ICR_SHORTHAND(x) ((unsigned)((x) >> 18) & 3)
enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

_Static_assert(TO_SELF == 1 && TO_ALL == 2 && TO_OTHERS == 3, "as the ICR has them");
_Static_assert(MSI_BASE == VLAPIC_BASE && MSI_ASSERT == ICR_ASSERTED && MSI_LEVEL == ICR_LEVEL,
               "a message says it as the ICR does");

static bool matches_xapic_logical(const struct vlapic *a, uint32_t destination)
{
    uint32_t id = get(a, REG_LDR) >> 24;

    if ((destination & 0xff) == 0xff) /* in both models */
        return true;
    if (get(a, REG_DFR) >> 28 == 0xf)
        return id & destination & 0xff;
    return (id & 0xf0) == (destination & 0xf0) && (id & destination & 0xf);
}

bool vlapic_matches(const struct vcpu *v, uint32_t destination, bool logical)
{
    const struct vlapic *a = v->lapic;
    uint32_t ldr;

    if (!(a->base & APIC_BASE_ENABLE))
        return false;
    if (!x2apic_mode(a)) {
        if (!logical)
            return destination == 0xff || destination == UINT32_MAX || destination == v->apic_id;
        return matches_xapic_logical(a, destination);
    }
    if (destination == UINT32_MAX)
        return true;
    if (!logical)
        return destination == v->apic_id;
    ldr = get(a, REG_LDR);
    return ldr >> 16 == destination >> 16 && (ldr & destination & 0xffff);
}

/* What travels between APICs. */
struct message {
    const struct vcpu *sender; /* of an IPI */
    enum shorthand shorthand;
    uint32_t destination; /* without shorthand */
    bool logical, level;
    unsigned mode, vector;
};

/* A local APIC that is off hears nothing at all. */
static bool hears(const struct vcpu *v, const struct message *m)
{
    switch (m->shorthand) {
    case TO_DESTINATION: return vlapic_matches(v, m->destination, m->logical);
    case TO_SELF: return v == m->sender;
    default: return (v->lapic->base & APIC_BASE_ENABLE) && (m->shorthand == TO_ALL || v != m->sender);
    }
}

/* INIT and SIPI leave a note in the target (SDM volume 3, "MP initialization protocol"). */
static void send_init(struct vcpu *v)
{
    vcpu_take(v, ASKED_STARTUP_BITS);
    vcpu_ask(v, ASKED_INIT);
}

static void send_startup(struct vcpu *v, unsigned vector)
{
    uint32_t old = v->asked, startup = ASKED_STARTUP | (uint32_t)vector << 24;

    while (!__atomic_compare_exchange_n(&v->asked, &old, (old & ~ASKED_STARTUP_BITS) | startup, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    vcpu_ask(v, 0);
}

/* True when the target took it. */
static inline bool deliver_to(struct vcpu *target, const struct message *m)
{
    switch (m->mode) {
    case FIXED:
    case LOWEST:
        if (m->vector < FIRST_VECTOR)
            target->lapic->esr_pending |= ESR_RECEIVE_VECTOR;
        else if (software_enabled(target->lapic))
            vlapic_post(target, m->vector, m->level);
        return m->vector >= FIRST_VECTOR && software_enabled(target->lapic);
    case NMI: vlapic_post_nmi(target); return true;
    case INIT: send_init(target); return true;
    case STARTUP: send_startup(target, m->vector); return true;
    default: return false; /* SMI and ExtINT have no source here */
    }
}

/* Among several, the one with the lowest processor priority. */
static struct vcpu *lowest_priority(struct vm *vm, const struct message *m)
{
    struct vcpu *best = NULL;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *v = vm->vcpus[i];

        if (!hears(v, m) || !software_enabled(v->lapic))
            continue;
        if (!best || processor_priority(v->lapic) < processor_priority(best->lapic))
            best = v;
    }
    return best;
}

static bool deliver_to_set(struct vm *vm, const struct message *m)
{
    bool taken = false;

    if (m->mode == LOWEST) {
        struct vcpu *target = lowest_priority(vm, m);

        return target && deliver_to(target, m);
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (hears(vm->vcpus[i], m))
            taken |= deliver_to(vm->vcpus[i], m);
    }
    return taken;
}

static struct message read_msi(struct msi msi)
{
    return (struct message){
        .destination = (msi.address >> 12 & 0xff) | (msi.address >> 5 & 0x7f) << 8,
        .logical = msi.address & MSI_LOGICAL,
        .mode = ICR_MODE(msi.data),
        .vector = ICR_VECTOR(msi.data),
        .level = msi.data & MSI_LEVEL,
    };
}

bool vm_deliver_msi(struct vm *vm, struct msi msi)
{
    const struct message m = read_msi(msi);

    return deliver_to_set(vm, &m);
}

COLD union msi_route vm_find_route(const struct vm *vm, struct msi msi)
{
    const struct message m = read_msi(msi);
    union msi_route none = {.word = 0},
                    route = {.vector = (uint8_t)m.vector,
                             .made = __atomic_load_n(&vm->apic_changes, __ATOMIC_ACQUIRE)};

    if ((m.mode != FIXED && m.mode != LOWEST) || m.vector < FIRST_VECTOR || m.level)
        return none;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (!hears(vm->vcpus[i], &m))
            continue;
        if (route.direct)
            return none;
        route.direct = true;
        route.apic_id = (uint16_t)vm->vcpus[i]->apic_id;
    }
    return route.direct ? route : none;
}

bool vm_post_route(const struct vm *vm, union msi_route route)
{
    struct pid *pid;

    if (!route.direct || route.made != __atomic_load_n(&vm->apic_changes, __ATOMIC_RELAXED))
        return false;
    pid = pid_table_find(vm->pid_table, route.apic_id);
    if (pid)
        vlapic_post_edge(pid, route.vector);
    return pid;
}

/* Of the addressed ones those that took it. */
COLD unsigned vlapic_send_to_set(struct vcpu *sender, const uint64_t set[2], uint32_t first, uint32_t icr)
{
    const struct message m = {.sender = sender, .mode = ICR_MODE(icr), .vector = ICR_VECTOR(icr)};
    const struct vm *vm = sender->vm;
    unsigned taken = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        uint32_t id = vm->vcpus[i]->apic_id, bit = id - first;

        if (id >= first && bit < 128 && (set[bit / 64] >> bit % 64 & 1) &&
            (vm->vcpus[i]->lapic->base & APIC_BASE_ENABLE))
            taken += deliver_to(vm->vcpus[i], &m);
    }
    return taken;
}

/* --- the ICR --- */

bool icr_is_virtualized(bool x2apic, uint64_t icr)
{
    if (!x2apic && (icr & ICR_PENDING))
        return false;
    return !(icr & ICR_NOT_PLAIN) && ICR_VECTOR(icr) >= FIRST_VECTOR;
}

static void send_general(struct vcpu *v, uint64_t icr, uint32_t destination)
{
    struct message m = {
        .sender = v,
        .shorthand = (enum shorthand)ICR_SHORTHAND(icr),
        .destination = destination,
        .logical = icr & ICR_LOGICAL,
        .mode = ICR_MODE(icr),
        .vector = ICR_VECTOR(icr),
    };

    if (m.mode == INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERTED))
        return; /* "INIT level de-assert" does nothing on processors of today */
    if ((m.mode == FIXED || m.mode == LOWEST) && m.vector < FIRST_VECTOR) {
        vlapic_error(v->lapic, ESR_SEND_VECTOR);
        return;
    }
    if (m.shorthand == TO_SELF)
        m.mode = FIXED;
    deliver_to_set(v->vm, &m);
}

/* By the table where the processor would do so; else by looking at every local APIC. */
void vlapic_send_ipi(struct vcpu *v, uint64_t icr)
{
    bool x2apic = x2apic_mode(v->lapic);
    uint32_t destination = (uint32_t)(icr >> (x2apic ? 32 : 56));
    struct pid *pid = icr_is_virtualized(x2apic, icr) ? pid_table_find(v->vm->pid_table, destination) : NULL;

    v->stats->counts[COUNT_IPI]++;
    if (pid)
        vlapic_post_edge(pid, ICR_VECTOR(icr));
    else
        send_general(v, icr, destination);
}
