/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which physical CPUs a VM gets. A CPU belongs to one dedicated vCPU, or to all that share. What a core's
 * threads have in common tells one about the other, so that no two VMs are ever on threads of one core,
 * unless both say smt = shared.
 */
#include "core/life/place.h"

#include "arch/x86/topology.h"
#include "core/base/panic.h"
#include "sched/sched.h"

/* The CPUs that the VM may have at all: those it names, else all. */
static bool named(const struct vm_config *c, unsigned cpu)
{
    return !c->cpus_line || cpu_set_has(&c->cpus, cpu);
}

static bool available(const struct vm_config *c, const struct cpu *cpu)
{
    return !cpu->owner && !cpu->polls && (c->sched == SCHED_SHARED || !cpu->shared);
}

/* --- threads of one core --- */

/* The scheduler takes a VM that shares to every CPU that has a queue and that the VM may have. */
static bool may_run_on(const struct vm *vm, const struct cpu *cpu, bool with_queue)
{
    if (vm->config->sched != SCHED_SHARED)
        return cpu->owner && cpu->owner->vm == vm;
    return with_queue && named(vm->config, cpu->id);
}

static bool get_along(const struct vm_config *a, const struct vm_config *b)
{
    return a == b || (a->smt == SMT_SHARED && b->smt == SMT_SHARED);
}

/* On the other threads of the core of cpu: the first VM that c must not be beside, or NULL. */
static const struct vm *stranger(const struct vm_config *c, const struct cpu *cpu)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] == cpu || !same_core(cpus[i], cpu))
            continue;
        for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
            if (may_run_on(vm, cpus[i], cpus[i]->shared) && !get_along(c, vm->config))
                return vm;
        }
    }
    return NULL;
}

/* Beside whom c cannot have this CPU: c itself, or those that then come here with it. */
static const struct vm *kept_away_by(const struct vm_config *c, const struct cpu *cpu)
{
    const struct vm *found = stranger(c, cpu);

    for (const struct vm *vm = vm_next(NULL); vm && !found; vm = vm_next(vm)) {
        if (may_run_on(vm, cpu, c->sched == SCHED_SHARED))
            found = stranger(vm->config, cpu);
    }
    return found;
}

static bool picked_beside(const struct cpu *cpu, struct cpu *const *picked, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (same_core(picked[i], cpu))
            return true;
    }
    return false;
}

/* --- the choice --- */

static bool can_have(const struct vm_config *c, const struct cpu *cpu)
{
    return named(c, cpu->id) && available(c, cpu) && !kept_away_by(c, cpu);
}

static bool is_picked(const struct cpu *cpu, struct cpu *const *picked, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (picked[i] == cpu)
            return true;
    }
    return false;
}

/* A core that others may want to share, too, gives one thread. */
static unsigned pick_shared(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS])
{
    bool one_each = !c->cpus_line && c->smt != SMT_SHARED;
    unsigned n = 0;

    for (unsigned i = 0; i < cpu_count && n < VM_MAX_VCPUS; i++) {
        if (can_have(c, cpus[i]) && !(one_each && picked_beside(cpus[i], picked, n)))
            picked[n++] = cpus[i];
    }
    return n;
}

/* In ascending order, but with all threads of a core one behind the other where c has the choice: nobody else
 * could use them. */
static unsigned pick_dedicated(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        for (unsigned k = i; k < cpu_count && n < c->vcpus; k++) {
            if ((k == i || (!c->cpus_line && is_picked(cpus[i], picked, n) && same_core(cpus[i], cpus[k]))) &&
                can_have(c, cpus[k]) && !is_picked(cpus[k], picked, n))
                picked[n++] = cpus[k];
        }
    }
    return n;
}

/* --- what is refused --- */

static bool refuse_core(const struct vm_config *c, unsigned cpu, const struct vm *beside)
{
    config_refuse(c->cpus_line ? c->cpus_line : c->line,
                  "[vm %s] %s CPU %u, on a core where [vm %s] runs; expected %s, or smt = shared in both",
                  c->name, c->cpus_line ? "wants" : "may be moved to", cpu, beside->config->name,
                  c->cpus_line ? "a core without other VMs" : "cpus = those of other cores");
    return false;
}

static bool check_named_cpus(const struct vm_config *c)
{
    for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
        const struct vm *beside;

        if (!cpu_set_has(&c->cpus, i))
            continue;
        if (i >= cpu_count) {
            config_refuse(c->cpus_line, "[vm %s] wants CPU %u, expected one of this machine's 0-%u", c->name,
                          i, cpu_count - 1);
            return false;
        }
        if (cpus[i]->owner) {
            config_refuse(c->cpus_line, "[vm %s] wants CPU %u, which runs [vm %s]; expected a CPU of its own",
                          c->name, i, cpus[i]->owner->vm->config->name);
            return false;
        }
        if (cpus[i]->polls) {
            config_refuse(c->cpus_line,
                          "[vm %s] wants CPU %u, which serves a network; expected a CPU of its own", c->name,
                          i);
            return false;
        }
        if (!available(c, cpus[i])) {
            config_refuse(c->cpus_line, "[vm %s] wants CPU %u, which others share; expected a CPU of its own",
                          c->name, i);
            return false;
        }
        beside = kept_away_by(c, cpus[i]);
        if (beside)
            return refuse_core(c, i, beside);
    }
    return true;
}

/* Without CPUs of its choice, it may be moved to any that is shared. */
static bool check_shared_cpus(const struct vm_config *c)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct vm *beside = cpus[i]->shared ? kept_away_by(c, cpus[i]) : NULL;

        if (beside)
            return refuse_core(c, i, beside);
    }
    return true;
}

static bool check_sharing(const struct vm_config *c)
{
    unsigned sharing = c->vcpus;

    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        sharing += vm->config->sched == SCHED_SHARED ? vm->vcpu_count : 0;
    if (sharing > SCHED_MAX_SHARED) {
        config_refuse(c->line, "[vm %s] makes %u vCPUs that share, expected at most %u in all VMs", c->name,
                      sharing, SCHED_MAX_SHARED);
        return false;
    }
    return c->cpus_line || check_shared_cpus(c);
}

/* A free CPU that c cannot have only because of who is on another thread of its core. */
static bool core_was_taken(const struct vm_config *c)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (named(c, i) && available(c, cpus[i]) && kept_away_by(c, cpus[i]))
            return true;
    }
    return false;
}

bool place_vm(const struct vm_config *c, struct cpu *picked[VM_MAX_VCPUS], unsigned *count)
{
    bool shared = c->sched == SCHED_SHARED;
    unsigned needed = shared ? 1 : c->vcpus;

    if (!check_named_cpus(c) || (shared && !check_sharing(c)))
        return false;
    *count = shared ? pick_shared(c, picked) : pick_dedicated(c, picked);
    if (*count >= needed)
        return true;
    config_refuse(c->vcpus_line ? c->vcpus_line : c->line,
                  "[vm %s] needs %u free CPU(s), expected at most %u: a CPU runs one vCPU, but with sched = "
                  "shared%s",
                  c->name, needed, *count,
                  core_was_taken(c) ? ", and a core one VM, but with smt = shared" : "");
    return false;
}
