/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/life/life.h"

#include "arch/x86/cpu.h"
#include "arch/x86/string.h"
#include "core/vm/backend.h"
#include "core/vm/channel.h"
#include "core/base/log.h"
#include "core/host/machine.h"
#include "core/host/smp.h"

#define PAUSE_SECONDS 2

/* The requester is one more to leave: when no vCPU runs, it is the last one out. */
static const char *end(struct vm *vm, enum vm_end why, const char *text)
{
    if (!vm->live)
        return "does not run";
    __atomic_add_fetch(&vm->running, 1, __ATOMIC_SEQ_CST);
    vm_request_end(vm, why, "%s", text);
    vm_end_run(vm);
    return NULL;
}

const char *vm_stop(struct vm *vm)
{
    return end(vm, VM_END_STOP, "is stopped from outside");
}

const char *vm_reset(struct vm *vm)
{
    return end(vm, VM_END_RESET, "is reset from outside");
}

const char *vm_pause(struct vm *vm)
{
    uint64_t start = rdtsc();

    if (!vm->live)
        return "does not run";
    if (vm->paused)
        return "is paused already";
    vm->paused = true;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(vm->vcpus[i]);
    while (__atomic_load_n(&vm->running, __ATOMIC_SEQ_CST)) {
        if (rdtsc() - start > machine.tsc_hz * PAUSE_SECONDS) {
            vm->paused = false;
            sched_start(vm);
            return "has a vCPU that does not give its CPU up";
        }
        cpu_pause();
    }
    vm->paused_at = rdtsc();
    return NULL;
}

/* What counts a guest's time in host ticks. */
static void shift_counts(struct vm *vm, uint64_t ticks)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        budget_shift(&vm->vcpus[i]->budget, ticks);
        vm->vcpus[i]->observed.since += ticks;
    }
}

/* Nothing of a paused VM is active anywhere, and nobody but the boot CPU can end that. */
const char *vm_resume(struct vm *vm)
{
    uint64_t gone = rdtsc() - vm->paused_at;

    if (!vm->live)
        return "does not run";
    if (!vm->paused)
        return "is not paused";
    if (vm->stopped_by)
        return "has stopped at a breakpoint: 'continue' it";
    if (__atomic_load_n(&vm->running, __ATOMIC_SEQ_CST))
        return "is not at rest yet";
    backend.vm_shift_time(vm, gone);
    shift_counts(vm, gone);
    __atomic_store_n(&vm->paused, false, __ATOMIC_SEQ_CST);
    sched_start(vm);
    return NULL;
}

static bool at_rest(const struct vm *vm)
{
    return vm->stopped || (vm->live && vm->paused && vm->ending == VM_END_NONE &&
                           !__atomic_load_n(&vm->running, __ATOMIC_SEQ_CST));
}

/* One that is about to end may start again before it comes to rest. */
const char *vm_hold(struct vm *vm, bool *held)
{
    uint64_t start = rdtsc();

    *held = false;
    while (!at_rest(vm)) {
        const char *why = rdtsc() - start > machine.tsc_hz * PAUSE_SECONDS ? "does not come to rest" : NULL;

        if (vm->live && !vm->paused && vm->ending == VM_END_NONE) {
            why = vm_pause(vm);
            *held = !why;
        }
        if (why)
            return why;
        cpu_pause();
    }
    return NULL;
}

/* A CPU that is just finding out that it must not run it holds it up for a moment. */
void vm_let_go(struct vm *vm, bool held)
{
    while (held && vm->live && vm->paused && !vm->stopped_by && vm_resume(vm))
        cpu_pause();
}

static void give_cpus_back(const struct vm *vm)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i]->owner && cpus[i]->owner->vm == vm)
            cpus[i]->owner = NULL;
    }
}

const char *vm_destroy(struct vm *vm)
{
    struct account account = vm->account;

    if (!vm->stopped)
        return "runs: stop it first";
    if (sched_holds(vm))
        return "is not at rest yet";
    give_cpus_back(vm);
    channel_detach(vm);
    backend.vm_destroy(vm);
    vms[vm->id] = NULL;
    vm_count--;
    memory_release(&account);
    return NULL;
}

const char *vm_create(const struct config *config, unsigned id)
{
    if (vms[id])
        return "is there already";
    if (!config->vms[id].valid)
        return "has errors in the configuration";
    return vm_build(&config->vms[id], id) ? NULL : "cannot be built";
}

bool vm_account_is_as_built(const struct vm *vm)
{
    static const char *const names[MEMORY_KINDS] = {"RAM", "EPT", "VMCS", "state"};
    const uint64_t *now = vm->account.pages, *then = vm->built.pages;
    bool right = true;

    for (unsigned kind = 0; kind < MEMORY_KINDS; kind++) {
        if (now[kind] == then[kind])
            continue;
        log_error("[vm %s] holds %llu pages of %s, expected the %llu it was built with", vm->config->name,
                  (unsigned long long)now[kind], names[kind], (unsigned long long)then[kind]);
        right = false;
    }
    return right;
}

bool vm_audit(const struct vm *vm)
{
    bool right = vm_account_is_as_built(vm);

    if (!memory_audit(&vm->account)) {
        log_error("[vm %s] the page map is not what the account says", vm->config->name);
        right = false;
    }
    if (vm->running) {
        log_error("[vm %s] still runs on %u CPUs", vm->config->name, vm->running);
        right = false;
    }
    return right;
}
