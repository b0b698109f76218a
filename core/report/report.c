/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/report/report.h"

#include "arch/x86/cpu.h"
#include "core/vm/backend.h"
#include "core/base/log.h"

typedef unsigned long long number;

static const char *const counters[COUNT_KINDS] = {
    [COUNT_INJECTED] = "interrupts injected",
    [COUNT_SWITCH] = "switches to it",
    [COUNT_MIGRATION] = "migrations",
    [COUNT_MIGRATION_IPI] = "IPIs for migrations",
    [COUNT_IPI] = "IPIs sent that exited",
    [COUNT_PORT_DENIED] = "ports denied",
    [COUNT_MSR_DENIED] = "MSRs denied",
    [COUNT_STEAL] = "ticks of steal",
    [COUNT_CR3_LOAD] = "CR3 loads that exited",
    [COUNT_PV_EOI] = "EOIs without an exit (PV)",
    [COUNT_PV_KICK] = "kicks (PV)",
    [COUNT_PV_IPI] = "IPIs by a call (PV)",
    [COUNT_PV_YIELD] = "yields to a vCPU (PV)",
    [COUNT_PV_FLUSH] = "flushes for another vCPU (PV)",
    [COUNT_DOORBELL] = "doorbells rung",
    [COUNT_ROOT_TICKS] = "ticks in the hypervisor",
};

static uint64_t exits(const struct vcpu *v)
{
    uint64_t total = 0;

    for (unsigned r = 0; r < EXIT_REASONS; r++)
        total += v->stats->exits[r];
    return total;
}

/* part of whole in tenths of a percent, without overflow for any number of ticks. */
static unsigned permille(uint64_t part, uint64_t whole)
{
    if (part > UINT64_MAX / 1000) {
        part /= 1000;
        whole /= 1000;
    }
    return whole ? (unsigned)(part * 1000 / whole) : 0;
}

static void report_exits(const struct vcpu *v, uint64_t total)
{
    for (unsigned r = 0; r < EXIT_REASONS; r++) {
        unsigned share = permille(v->stats->exits[r], total);

        if (v->stats->exits[r])
            print("  %12llu %3u.%u%%  %s\n", (number)v->stats->exits[r], share / 10, share % 10,
                  backend.exit_name(r));
    }
}

/* What its time is counted to: it stands still for one that does not run. */
static uint64_t now_of(const struct vm *vm)
{
    return vm->stopped ? vm->stopped_at : vm->paused ? vm->paused_at : rdtsc();
}

/* Since its exits are looked at one by one; a pause is not counted (vm_shift_time). */
static void report_time(const struct vcpu *v, uint64_t total)
{
    uint64_t ticks = v->stats->counts[COUNT_ROOT_TICKS] - v->observed.ticks, n = total - v->observed.exits;
    unsigned share = permille(ticks, now_of(v->vm) - v->observed.since);

    if (v->observed.on)
        print("  in the hypervisor for %llu ticks in %llu exits, %llu each, %u.%u%% of the time\n",
              (number)ticks, (number)n, (number)(n ? ticks / n : 0), share / 10, share % 10);
    else
        print("  not traced: the time in the hypervisor is not known\n");
}

static void report_vcpu(const struct vcpu *v)
{
    uint64_t total = exits(v);

    print("[vm %s] vcpu %u: %llu exits\n", v->vm->config->name, v->id, (number)total);
    report_exits(v, total);
    report_time(v, total);
    for (unsigned i = 0; i < COUNT_KINDS; i++) {
        if (v->stats->counts[i])
            print("  %12llu %s\n", (number)v->stats->counts[i], counters[i]);
    }
}

void report_statistics(const struct vm *vm)
{
    uint64_t flushes, ipis;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        report_vcpu(vm->vcpus[i]);
    report_budgets(vm);
    backend.flush_counts(vm, &flushes, &ipis);
    print("[vm %s] second-level tables: %llu flushes, %llu IPIs for them; %llu typed bytes lost\n",
          vm->config->name, (number)flushes, (number)ipis, (number)vm->input_lost);
}

void report_budgets(const struct vm *vm)
{
    for (unsigned i = 0; vm->config->exit_budget_line && i < vm->vcpu_count; i++) {
        const struct budget *b = &vm->vcpus[i]->budget;

        log_info("[vm %s] vcpu %u: exit budget of %u/s: %llu exits over it, in %llu of %llu seconds; %llu by "
                 "the hypervisor not counted",
                 vm->config->name, i, b->limit, (number)b->over, (number)b->broken,
                 (number)budget_seconds(b, now_of(vm)), (number)b->not_counted);
    }
}
