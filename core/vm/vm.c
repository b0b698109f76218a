/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/vm.h"

#include "arch/x86/cpu.h"
#include "core/vm/backend.h"
#include "core/base/blackbox.h"
#include "core/base/format.h"
#include "core/life/life.h"
#include "core/base/log.h"
#include "core/host/machine.h"
#include "core/report/report.h"
#include "core/report/trace_show.h"

#define TOLD_ALWAYS 10 /* restarts */
#define TOLD_EACH   100

#define SHOWN_OF_CRASH 16 /* events */

struct vm *vms[CONFIG_MAX_VMS];
unsigned vm_count;

static unsigned live_count;

static void start_budgets(struct vm *vm)
{
    const struct exit_budget *budget = &vm->config->exit_budget;
    uint64_t from = rdtsc() + machine.tsc_hz / 1000 * budget->after_ms;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        budget_start(&vm->vcpus[i]->budget, budget->exits, machine.tsc_hz, from);
}

static void go_live(struct vm *vm)
{
    start_budgets(vm);
    trace_note(TRACE_START, 0, TRACE_WHO(vm->id, 0));
    __atomic_store_n(&vm->live, true, __ATOMIC_SEQ_CST);
    sched_start(vm);
}

const char *vm_start(struct vm *vm)
{
    if (!vm->stopped)
        return "has been started";
    if (vm->ending != VM_END_NONE) { /* not the first time */
        vm->resets++;
        if (!vm_load(vm))
            return "cannot be loaded";
        vm->ending = VM_END_NONE;
    }
    vm->stopped = vm->paused = false;
    __atomic_add_fetch(&live_count, 1, __ATOMIC_RELAXED);
    go_live(vm);
    return NULL;
}

struct vm *vm_next(const struct vm *after)
{
    for (unsigned i = after ? after->id + 1 : 0; i < CONFIG_MAX_VMS; i++) {
        if (vms[i])
            return vms[i];
    }
    return NULL;
}

bool vm_all_ended(void)
{
    return !__atomic_load_n(&live_count, __ATOMIC_ACQUIRE);
}

static bool wants_restart(const struct vm *vm)
{
    switch (vm->ending) {
    case VM_END_RESET: return true;
    case VM_END_STOP: return false;
    case VM_END_CRASH: return vm->config->on_crash == ENDING_RESTART;
    default: return vm->config->on_exit == ENDING_RESTART;
    }
}

/* A VM that restarts for ever does not flood the console. */
static bool is_told(const struct vm *vm)
{
    return !wants_restart(vm) || vm->resets <= TOLD_ALWAYS || vm->resets % TOLD_EACH == 0;
}

void vm_request_end(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
    enum vm_end none = VM_END_NONE;
    char text[200];
    va_list args;

    if (!__atomic_compare_exchange_n(&vm->ending, &none, end, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    trace_note(TRACE_END, end, TRACE_WHO(vm->id, 0));
    if (end == VM_END_CRASH) {
        blackbox_note_crash(vm->id);
        log_error("[vm %s] stopped: %s", vm->config->name, text);
    }
    if (end != VM_END_CRASH && is_told(vm))
        log_info("[vm %s] %s", vm->config->name, text);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_kick(vm->vcpus[i]);
}

static void give_focus_away(const struct vm *from)
{
    if (console_focused() != &from->console)
        return;
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (vm->live) {
            console_focus(&vm->console);
            log_info("console: %s", vm->config->name);
            return;
        }
    }
}

static void stop(struct vm *vm)
{
    console_guest_end(&vm->console);
    vm_audit(vm);
    vm->stopped_at = rdtsc();
    vm_print_statistics(vm);
    report_budgets(vm);
    give_focus_away(vm);
    __atomic_store_n(&vm->stopped, true, __ATOMIC_RELEASE);
    __atomic_sub_fetch(&live_count, 1, __ATOMIC_ACQ_REL);
}

static bool may_restart(const struct vm *vm)
{
    if (!vm->config->max_restarts || vm->resets < vm->config->max_restarts)
        return true;
    log_info("[vm %s] has been started again %u times, its max-restarts", vm->config->name, vm->resets);
    return false;
}

static enum ending what_follows(const struct vm *vm)
{
    if (vm->ending == VM_END_STOP)
        return ENDING_STOP;
    return vm->ending == VM_END_CRASH ? vm->config->on_crash : vm->config->on_exit;
}

static void finish(struct vm *vm)
{
    enum ending after = what_follows(vm);

    if (vm->ending == VM_END_CRASH && is_told(vm))
        trace_show_vm(vm->id, SHOWN_OF_CRASH);
    if (wants_restart(vm) && may_restart(vm)) {
        vm->resets++;
        vm_account_is_as_built(vm);
        if (vm_load(vm)) {
            if (is_told(vm))
                log_info("[vm %s] starts again (%u)", vm->config->name, vm->resets);
            vm->ending = VM_END_NONE;
            go_live(vm);
            return;
        }
    }
    stop(vm);
    if (after == ENDING_POWEROFF)
        __atomic_store_n(&live_count, 0, __ATOMIC_RELEASE);
}

bool vm_wants_cpu(const struct vm *vm)
{
    return vm->live && (!vm->paused || vm->ending != VM_END_NONE);
}

/* live is the token of who finishes: with it gone no vCPU begins, and one that just had is waited for. */
void vm_last_out(struct vm *vm)
{
    if (!__atomic_exchange_n(&vm->live, false, __ATOMIC_SEQ_CST))
        return;
    while (__atomic_load_n(&vm->running, __ATOMIC_SEQ_CST))
        cpu_pause();
    sched_stop(vm);
    if (vm->stopped_by) { /* what it has met is no matter any more */
        vm->stopped_by = NULL;
        vm->paused = false;
    }
    finish(vm);
}

void vm_print_costs(const struct vm *vm)
{
    const uint64_t *pages = vm->account.pages;

    log_info("[vm %s] costs %llu KiB beside its %llu MiB: EPT %llu, VMCS %llu, state %llu pages",
             vm->config->name,
             (unsigned long long)((pages[MEMORY_EPT] + pages[MEMORY_VMCS] + pages[MEMORY_STATE]) * 4),
             (unsigned long long)(vm->memory / MIB), (unsigned long long)pages[MEMORY_EPT],
             (unsigned long long)pages[MEMORY_VMCS], (unsigned long long)pages[MEMORY_STATE]);
}

void vcpu_kick(struct vcpu *v)
{
    __atomic_store_n(&v->kicked, true, __ATOMIC_SEQ_CST);
    sched_kick(v);
}

void vcpu_dead(struct vcpu *v)
{
    struct vm *vm = v->vm;

    v->dead = true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *other = vm->vcpus[i];

        if (!other->dead || other->request || other->pv.unhalted)
            return;
    }
    vm_request_end(vm, VM_END_OFF, "has halted with interrupts off");
}

void vcpu_send_init(struct vcpu *v)
{
    __atomic_store_n(&v->request, REQUEST_INIT, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

void vcpu_send_startup(struct vcpu *v, unsigned vector)
{
    unsigned old = v->request;

    while (!__atomic_compare_exchange_n(&v->request, &old, (old & REQUEST_INIT) | REQUEST_STARTUP | vector,
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    vcpu_kick(v);
}

void vm_input(struct vm *vm, uint8_t byte)
{
    spin_lock(&vm->lock);
    if (vm->input_head - vm->input_tail < VM_INPUT)
        vm->input[vm->input_head++ % VM_INPUT] = byte;
    else
        vm->input_lost++;
    pc_input_ready(vm);
    spin_unlock(&vm->lock);
}
