/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/report/report.h"

#include "arch/x86/cpu.h"
#include "core/base/log.h"
#include "core/vm/backend.h"

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

_Static_assert(COUNT_ROOT_TICKS + 1 == COUNT_KINDS, "each has its words");

static uint64_t exits(const struct vcpu *v)
{
    uint64_t total = 0;

    for (unsigned r = 0; r < EXIT_KINDS; r++)
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
    for (unsigned r = 0; r < EXIT_KINDS; r++) {
        unsigned share = permille(v->stats->exits[r], total);

        if (v->stats->exits[r])
            print("  %12llu %3u.%u%%  %s\n", (number)v->stats->exits[r], share / 10, share % 10,
                  backend.exit_name(r));
    }
}

/* Since its exits are looked at one by one; a pause is not counted (vm_shift_time). */
static void report_time(const struct vcpu *v, uint64_t total)
{
    uint64_t ticks = v->stats->counts[COUNT_ROOT_TICKS] - v->observed.ticks, n = total - v->observed.exits;
    unsigned share = permille(ticks, vm_time(v->vm) - v->observed.since);

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
    if (vm->print_devices)
        vm->print_devices(vm);
    if (vm->print_shared)
        vm->print_shared(vm);
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
                 (number)budget_seconds(b, vm_time(vm)), (number)b->not_counted);
    }
}

/* --- at its end --- */

static void print_paravirtual(const struct vm *vm, unsigned i)
{
    const uint64_t *counts = vm->vcpus[i]->stats->counts;
    uint64_t any = 0;

    _Static_assert(COUNT_DOORBELL == COUNT_PV_EOI + 5, "six, one behind the other: each is printed");
    for (enum vcpu_event kind = COUNT_PV_EOI; kind <= COUNT_DOORBELL; kind++)
        any |= counts[kind];
    if (any)
        log_info("[vm %s] vcpu %u: paravirtual: %llu EOIs, %llu kicks, %llu IPIs, %llu yields, %llu flushes, "
                 "%llu doorbells",
                 vm->config->name, i, (number)counts[COUNT_PV_EOI], (number)counts[COUNT_PV_KICK],
                 (number)counts[COUNT_PV_IPI], (number)counts[COUNT_PV_YIELD], (number)counts[COUNT_PV_FLUSH],
                 (number)counts[COUNT_DOORBELL]);
}

static void report_vcpu_end(const struct vcpu *v)
{
    const struct vm *vm = v->vm;
    const uint64_t *counts = v->stats->counts;

    for (unsigned r = 0; r < EXIT_KINDS; r++) {
        if (v->stats->exits[r])
            log_debug("[vm %s] vcpu %u: %llu exits: %s", vm->config->name, v->id, (number)v->stats->exits[r],
                      backend.exit_name(r));
    }
    log_info("[vm %s] vcpu %u: %llu exits, %llu interrupts injected, %llu IPIs, %llu switches, "
             "%llu migrations by %llu IPIs, %llu ports and %llu MSRs denied",
             vm->config->name, v->id, (number)exits(v), (number)counts[COUNT_INJECTED],
             (number)counts[COUNT_IPI], (number)counts[COUNT_SWITCH], (number)counts[COUNT_MIGRATION],
             (number)counts[COUNT_MIGRATION_IPI], (number)counts[COUNT_PORT_DENIED],
             (number)counts[COUNT_MSR_DENIED]);
}

void report_end(const struct vm *vm)
{
    uint64_t flushes, ipis;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        report_vcpu_end(vm->vcpus[i]);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        print_paravirtual(vm, i);
    backend.flush_counts(vm, &flushes, &ipis);
    log_info("[vm %s] second-level tables: %llu flushes, %llu IPIs for them", vm->config->name,
             (number)flushes, (number)ipis);
    if (vm->print_devices)
        vm->print_devices(vm);
    if (vm->print_shared)
        vm->print_shared(vm);
    if (vm->console.lost)
        log_error("[vm %s] %llu bytes of its output lost: the guest did not wait for its transmitter",
                  vm->config->name, (number)vm->console.lost);
    if (vm->input_lost)
        log_error("[vm %s] %llu typed bytes lost: the guest did not read them", vm->config->name,
                  (number)vm->input_lost);
    report_budgets(vm);
}

void report_costs(const struct vm *vm)
{
    const uint64_t *pages = vm->account.pages;

    _Static_assert(MEMORY_KINDS == 4, "each is printed");
    log_info("[vm %s] costs %llu KiB beside its %llu MiB: %s %llu, %s %llu, state %llu pages",
             vm->config->name,
             (number)((pages[MEMORY_TABLES] + pages[MEMORY_CONTROL] + pages[MEMORY_STATE]) * 4),
             (number)(vm->memory / MIB), backend.tables, (number)pages[MEMORY_TABLES], backend.control,
             (number)pages[MEMORY_CONTROL], (number)pages[MEMORY_STATE]);
}
