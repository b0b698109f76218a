/* SPDX-License-Identifier: BSD-2-Clause */
/* Skerry's own hypercalls (hypercall/abi.h, docs/hypercalls.md). */
#include "apic/vlapic.h"
#include "arch/x86/speculation.h"
#include "arch/x86/string.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"
#include "hypercall/abi.h"
#include "hypercall/hypercall.h"
#include "sched/sched.h"

_Static_assert(SKERRY_STATISTICS_BASE == GUEST_STATISTICS && SKERRY_CHANNEL_BASE == GUEST_CHANNELS,
               "where core/ maps them");
_Static_assert(SKERRY_STATISTICS_KINDS == EXIT_KINDS && SKERRY_STATISTICS_COUNTS >= COUNT_KINDS &&
                   offsetof(struct skerry_statistics, steal_ticks) ==
                       offsetof(struct vcpu_statistics, counts[COUNT_STEAL]) &&
                   offsetof(struct skerry_statistics, doorbells) ==
                       offsetof(struct vcpu_statistics, counts[COUNT_DOORBELL]),
               "the page is mapped as it is");

#define SAME(kind) _Static_assert(SKERRY_EXIT_##kind == KIND_##kind, "part of the ABI")
SAME(EXCEPTION);
SAME(HOST_INTERRUPT);
SAME(TRIPLE_FAULT);
SAME(INTERRUPT_WINDOW);
SAME(NMI_WINDOW);
SAME(PRIORITY);
SAME(TASK_SWITCH);
SAME(CPUID);
SAME(HLT);
SAME(PAUSE);
SAME(MWAIT);
SAME(CACHES);
SAME(RDPMC);
SAME(CALL);
SAME(VIRTUALIZATION);
SAME(CONTROL_REGISTER);
SAME(DEBUG_REGISTER);
SAME(IO);
SAME(RDMSR);
SAME(WRMSR);
SAME(XSETBV);
SAME(STEP);
SAME(MEMORY);
SAME(APIC_ACCESS);
SAME(APIC_WRITE);
SAME(EOI);
SAME(TIMER);
SAME(FAILED_ENTRY);
SAME(OTHER);
SAME(BUS_LOCK);
_Static_assert(SKERRY_EXIT_BUS_LOCK + 1 == KINDS_IN_USE, "all of them");
_Static_assert(sizeof(struct skerry_vm_info) == 72 && sizeof(struct skerry_channel) == 48,
               "fixed by the ABI");
_Static_assert(sizeof(struct skerry_statistics) ==
                   sizeof(uint64_t) * (SKERRY_STATISTICS_KINDS + SKERRY_STATISTICS_COUNTS),
               "no count is missing");
_Static_assert(SKERRY_CALL_CR3_CLEAR - SKERRY_CALL_NOP < CALL_ROWS, "the last call has a row");
_Static_assert(SKERRY_CALL_NOP % CALL_ROWS == 0 && SKERRY_CALL_NOP > CALL_ROWS, "KVM's numbers are others");

static int64_t nop(struct vcpu *v UNUSED, struct call *call UNUSED)
{
    return 0;
}

static int64_t protect(struct vcpu *v, struct call *call)
{
    switch (backend.protect(v->vm, gpa(call_argument(v, call, 0)), call_argument(v, call, 1))) {
    case CALL_DONE: return 0;
    case CALL_BUSY: return SKERRY_EBUSY;
    default: return SKERRY_EINVAL;
    }
}

/* As much of the answer as there is room for. */
static int64_t write_answer(struct vcpu *v, uint64_t at, uint64_t room, const void *data, size_t size)
{
    size = MIN(size, room);
    if (!size)
        return SKERRY_EINVAL;
    return guest_write(v->vm, gpa(at), data, size) ? (int64_t)size : SKERRY_EFAULT;
}

static int64_t write_console(struct vcpu *v, struct call *call)
{
    char bytes[64];
    uint64_t at = call_argument(v, call, 0), size = call_argument(v, call, 1), done = 0;

    if (!size || size > SKERRY_CONSOLE_MAX)
        return SKERRY_EINVAL;
    if (at + size < at || !guest_read(v->vm, gpa(at), bytes, 1) ||
        !guest_read(v->vm, gpa(at + size - 1), bytes, 1))
        return SKERRY_EFAULT;
    v->due |= DUE_TIMER; /* the backend may have another deadline to watch */
    for (unsigned step, taken; done < size; done += taken) {
        step = (unsigned)MIN(sizeof(bytes), size - done);
        if (!guest_read(v->vm, gpa(at + done), bytes, step))
            return SKERRY_EFAULT;
        taken = console_guest_write(&v->vm->console, bytes, step);
        if (taken < step)
            return (int64_t)(done + taken);
    }
    return (int64_t)done;
}

static int64_t vm_info(struct vcpu *v, struct call *call)
{
    const struct vm *vm = v->vm;
    struct skerry_vm_info info = {
        .abi_version = SKERRY_ABI_VERSION,
        .vcpus = vm->vcpu_count,
        .memory = vm->memory,
        .tsc_khz = vm_tsc_hz(vm) / 1000,
        .resets = vm->resets,
        .channels = vm->config->channel_count,
        .cr3_targets = backend.cr3_targets(vm),
        .kvm_features = vm->kvm_features,
    };

    _Static_assert(sizeof(info.name) == CONFIG_NAME_SIZE, "any name fits");
    memcpy(info.name, vm->config->name, sizeof(info.name));
    return write_answer(v, call_argument(v, call, 0), call_argument(v, call, 1), &info, sizeof(info));
}

static int64_t yield_to(struct vcpu *v, struct call *call)
{
    struct vcpu *target = hypercall_target(v, call_argument(v, call, 0));

    if (!target)
        return SKERRY_ENOENT;
    if (!sched_yield_to(v, target))
        return 0;
    call->next = NEXT_GIVE_WAY;
    return 1;
}

static int64_t statistics(struct vcpu *v, struct call *call)
{
    return hypercall_target(v, call_argument(v, call, 0))
               ? (int64_t)(SKERRY_STATISTICS_BASE + call_argument(v, call, 0) * PAGE_SIZE)
               : SKERRY_ENOENT;
}

/* --- channels --- */

/* The first argument of a call. False: the VM has no such channel. */
static bool find_channel(const struct vcpu *v, const struct call *call, unsigned *number)
{
    uint64_t asked = call_argument(v, call, 0);

    *number = (unsigned)index_nospec(asked, v->vm->config->channel_count);
    return asked < v->vm->config->channel_count;
}

static int64_t channel(struct vcpu *v, struct call *call)
{
    struct skerry_channel answered = {0};
    unsigned number;

    if (!find_channel(v, call, &number))
        return SKERRY_ENOENT;
    answered.page = SKERRY_CHANNEL_BASE + number * PAGE_SIZE;
    answered.listening = channel_is_heard(v->vm, number);
    memcpy(answered.name, v->vm->config->channels[number], sizeof(answered.name));
    return write_answer(v, call_argument(v, call, 1), call_argument(v, call, 2), &answered, sizeof(answered));
}

static int64_t listen(struct vcpu *v, struct call *call)
{
    uint64_t vector = call_argument(v, call, 1);
    unsigned number;

    if (!find_channel(v, call, &number) || !hypercall_target(v, call_argument(v, call, 2)))
        return SKERRY_ENOENT;
    if (vector > 255 || (vector && vector < FIRST_VECTOR))
        return SKERRY_EINVAL;
    channel_listen(v->vm, number, (struct listener){(uint8_t)vector, (uint8_t)call_argument(v, call, 2)});
    return 0;
}

static void ring(struct vcpu *v, unsigned vector)
{
    __atomic_fetch_add(&v->stats->counts[COUNT_DOORBELL], 1, __ATOMIC_RELAXED);
    vlapic_post(v, vector, false);
}

static int64_t doorbell(struct vcpu *v, struct call *call)
{
    unsigned number;

    if (!find_channel(v, call, &number))
        return SKERRY_ENOENT;
    return channel_ring(v->vm, number, ring) ? 0 : SKERRY_EPIPE;
}

/* --- CR3 targets --- */

static int64_t set_cr3_target(struct vcpu *v, uint64_t slot, const uint64_t *value)
{
    unsigned slots = backend.cr3_targets(v->vm);

    if (!slots)
        return SKERRY_ENODEV;
    if (slot >= slots)
        return SKERRY_EINVAL;
    backend.set_cr3_target(v, (unsigned)index_nospec(slot, slots), value);
    return 0;
}

static int64_t cr3_target(struct vcpu *v, struct call *call)
{
    uint64_t value = call_argument(v, call, 1);

    return set_cr3_target(v, call_argument(v, call, 0), &value);
}

static int64_t cr3_clear(struct vcpu *v, struct call *call)
{
    return set_cr3_target(v, call_argument(v, call, 0), NULL);
}

#define CALL(name, handler) [SKERRY_CALL_##name % CALL_ROWS] = {handler, SKERRY_CALL_##name, 0}

const struct call_row skerry_calls[CALL_ROWS] = {
    CALL(NOP, nop),
    CALL(PROTECT, protect),
    CALL(CONSOLE_WRITE, write_console),
    CALL(VM_INFO, vm_info),
    CALL(YIELD_TO, yield_to),
    CALL(STATISTICS, statistics),
    CALL(CHANNEL, channel),
    CALL(LISTEN, listen),
    CALL(DOORBELL, doorbell),
    CALL(CR3_TARGET, cr3_target),
    CALL(CR3_CLEAR, cr3_clear),
};
