/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/statistics.h"

#include "core/backend.h"
#include "core/log.h"

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
    backend.flush_counts(vm, &flushes, &ipis);
    log_info("[vm %s] second-level tables: %llu flushes, %llu IPIs for them", vm->config->name,
             (unsigned long long)flushes, (unsigned long long)ipis);
    if (vm->input_lost)
        log_error("[vm %s] %llu typed bytes lost: the guest did not read them", vm->config->name,
                  (unsigned long long)vm->input_lost);
}
