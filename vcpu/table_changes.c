/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations that a CPU may keep of a VM's second-level tables (SDM volume 3, "Caching translation
 * information"; APM volume 2, "TLB control"). Every change of the tables gives them a new generation. A CPU
 * notes the generation that it has flushed for, and flushes by itself when it is about to enter the VM with a
 * newer one; so only CPUs that run the VM at that moment are interrupted, and waited for. Generations are
 * never used twice: tables that are built where those of a destroyed VM were are new to every CPU.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "arch/x86/percpu.h"
#include "vcpu/second_level.h"

static uint64_t last_generation;

_Static_assert(ARRAY_SIZE(((struct cpu *)NULL)->tables_seen) == CONFIG_MAX_VMS, "one of each VM");

/* Two CPUs that change the same tables: the later number stays. */
uint64_t second_level_new_generation(struct second_level *t)
{
    uint64_t next = __atomic_add_fetch(&last_generation, 1, __ATOMIC_SEQ_CST),
             old = __atomic_load_n(&t->generation, __ATOMIC_SEQ_CST);

    while (old < next && !__atomic_compare_exchange_n(&t->generation, &old, next, false, __ATOMIC_SEQ_CST,
                                                      __ATOMIC_SEQ_CST))
        ;
    return next;
}

static bool lags_behind(const struct cpu *cpu, const struct vm *vm, uint64_t generation)
{
    const struct vcpu *v = __atomic_load_n(&cpu->active, __ATOMIC_SEQ_CST);

    return v && v->vm == vm && __atomic_load_n(&cpu->tables_seen[vm->id], __ATOMIC_SEQ_CST) < generation;
}

/* Who waits for us meanwhile, as we for him, gets his answer. */
static void answer(const struct vm *vm)
{
    struct vcpu *v = this_cpu()->active;

    if (v && v->vm == vm)
        backend.sync_tables(v);
}

/*
 * The others are in their guests, which they leave for the kick, or on the way to an entry, or halt, which
 * they do not without a look at ASKED_FLUSH (vcpu/prepare.c).
 */
static void wait_for_others(const struct vm *vm, uint64_t generation)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        while (cpus[i] != this_cpu() && lags_behind(cpus[i], vm, generation)) {
            answer(vm);
            cpu_pause();
        }
    }
}

/* A vCPU that becomes active after this has looked at its CPU finds the new generation: a run begins with a
 * locked instruction before prepare() asks for it. */
uint64_t second_level_tell(const struct vm *vm)
{
    uint64_t generation = second_level_new_generation(vm->tables);

    for (unsigned i = 0; i < cpu_count; i++) {
        struct vcpu *v = __atomic_load_n(&cpus[i]->active, __ATOMIC_SEQ_CST);

        if (!v || v->vm != vm)
            continue;
        vcpu_note(v, ASKED_FLUSH);
        if (cpus[i] == this_cpu())
            continue;
        cpu_kick(cpus[i]);
        __atomic_fetch_add(&vm->tables->ipis, 1, __ATOMIC_RELAXED);
    }
    return generation;
}

void second_level_changed(const struct vm *vm)
{
    wait_for_others(vm, second_level_tell(vm));
}
