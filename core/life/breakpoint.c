/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/life/breakpoint.h"

#include "arch/x86/cpu.h"
#include "core/vm/backend.h"
#include "core/life/life.h"
#include "core/host/smp.h"

bool vm_break(struct vcpu *v, const char *what)
{
    struct vm *vm = v->vm;
    struct vcpu *none = NULL;

    if (!__atomic_compare_exchange_n(&vm->stopped_by, &none, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
        none != v) /* v itself steps, and meets one */
        return false;
    vm->stop_reason = what;
    vm->stop_told = none == v;
    vm->stopped_tsc = rdtsc();
    __atomic_store_n(&vm->paused, true, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (vm->vcpus[i] != v)
            vcpu_kick(vm->vcpus[i]);
    }
    cpus[0]->work = true;
    if (this_cpu() != cpus[0])
        smp_kick(cpus[0]);
    return true;
}

struct vm *vm_next_stop(void)
{
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        bool held;

        if (!vm->stopped_by || vm->stop_told || vm_hold(vm, &held) || !vm->stopped_by)
            continue; /* or it has ended meanwhile */
        if (vm->paused_at < vm->stopped_tsc)
            vm->paused_at = rdtsc();
        vm->stop_told = true;
        return vm;
    }
    return NULL;
}

const char *vm_continue(struct vm *vm)
{
    if (!vm->stopped_by)
        return vm->live && vm->paused ? "is paused: 'resume' it" : "has not stopped";
    vm->stopped_by = NULL;
    vm_let_go(vm, true);
    return NULL;
}

/* Hands a change on to its vCPUs. */
static const char *apply(struct vm *vm, const struct breakpoints *wanted)
{
    bool held;
    const char *why = vm_hold(vm, &held);

    if (!why) {
        vm->breakpoints = *wanted;
        backend.breakpoints_changed(vm);
    }
    vm_let_go(vm, held);
    return why;
}

const char *vm_break_at_int3(struct vm *vm, bool on)
{
    struct breakpoints wanted = vm->breakpoints;

    wanted.int3 = on;
    return apply(vm, &wanted);
}

const char *vm_break_at(struct vm *vm, uint64_t linear)
{
    struct breakpoints wanted = vm->breakpoints;
    unsigned n = 0;

    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if ((wanted.used & BIT(i)) && wanted.at[i] == linear)
            return "has this breakpoint already";
    }
    while (n < BREAKPOINTS && (wanted.used & BIT(n)))
        n++;
    if (n == BREAKPOINTS)
        return "has as many breakpoints as the processor: 'delete' one";
    wanted.at[n] = linear;
    wanted.used |= (unsigned)BIT(n);
    return apply(vm, &wanted);
}

const char *vm_break_delete(struct vm *vm, unsigned mask)
{
    struct breakpoints wanted = vm->breakpoints;

    if (!(wanted.used & mask))
        return "has no such breakpoint";
    wanted.used &= ~mask;
    return apply(vm, &wanted);
}

struct vcpu *vm_stopped_vcpu(const struct vm *vm)
{
    return vm->stopped_by ? vm->stopped_by : vm->vcpus[0];
}

/* Its clock goes on while the instruction does. The one that steps counts as running: it may end the VM. */
const char *vm_step(struct vm *vm)
{
    bool held;
    const char *why;

    if (!vm->live)
        return "does not run";
    if (!vm->paused)
        return "runs: pause it, or break into it";
    why = vm_hold(vm, &held);
    if (why)
        return why;
    backend.vm_shift_time(vm, rdtsc() - vm->paused_at);
    __atomic_add_fetch(&vm->running, 1, __ATOMIC_SEQ_CST);
    why = backend.step(vm_stopped_vcpu(vm));
    vm_end_run(vm);
    vm->paused_at = rdtsc();
    return why;
}
