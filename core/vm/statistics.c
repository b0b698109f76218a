/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/statistics.h"

#include "core/vm/backend.h"
#include "core/base/log.h"

static void print_paravirtual(const struct vm *vm, unsigned i)
{
    const uint64_t *counts = vm->vcpus[i]->stats->counts;
    uint64_t any = 0;

    for (enum vcpu_event kind = COUNT_PV_EOI; kind <= COUNT_DOORBELL; kind++)
        any |= counts[kind];
    if (any)
        log_info("[vm %s] vcpu %u: paravirtual: %llu EOIs, %llu kicks, %llu IPIs, %llu yields, %llu flushes, "
                 "%llu doorbells",
                 vm->config->name, i, (unsigned long long)counts[COUNT_PV_EOI],
                 (unsigned long long)counts[COUNT_PV_KICK], (unsigned long long)counts[COUNT_PV_IPI],
                 (unsigned long long)counts[COUNT_PV_YIELD], (unsigned long long)counts[COUNT_PV_FLUSH],
                 (unsigned long long)counts[COUNT_DOORBELL]);
}

void vm_print_statistics(const struct vm *vm)
{
    uint64_t flushes, ipis;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *v = vm->vcpus[i];
        uint64_t total = 0;

        for (unsigned r = 0; r < EXIT_REASONS; r++) {
            total += v->stats->exits[r];
            if (v->stats->exits[r])
                log_debug("[vm %s] vcpu %u: %llu exits: %s", vm->config->name, i,
                          (unsigned long long)v->stats->exits[r], backend.exit_name(r));
        }
        log_info("[vm %s] vcpu %u: %llu exits, %llu interrupts injected, %llu IPIs, %llu switches, "
                 "%llu migrations by %llu IPIs, %llu ports and %llu MSRs denied",
                 vm->config->name, i, (unsigned long long)total,
                 (unsigned long long)v->stats->counts[COUNT_INJECTED],
                 (unsigned long long)v->stats->counts[COUNT_IPI],
                 (unsigned long long)v->stats->counts[COUNT_SWITCH],
                 (unsigned long long)v->stats->counts[COUNT_MIGRATION],
                 (unsigned long long)v->stats->counts[COUNT_MIGRATION_IPI],
                 (unsigned long long)v->stats->counts[COUNT_PORT_DENIED],
                 (unsigned long long)v->stats->counts[COUNT_MSR_DENIED]);
    }
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        print_paravirtual(vm, i);
    backend.flush_counts(vm, &flushes, &ipis);
    log_info("[vm %s] second-level tables: %llu flushes, %llu IPIs for them", vm->config->name,
             (unsigned long long)flushes, (unsigned long long)ipis);
    if (vm->input_lost)
        log_error("[vm %s] %llu typed bytes lost: the guest did not read them", vm->config->name,
                  (unsigned long long)vm->input_lost);
}
