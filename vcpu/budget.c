/* SPDX-License-Identifier: BSD-2-Clause */
#include "vcpu/budget.h"
#include "arch/x86/cpu.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/vm/backend.h"
#include "sched/vm_run.h"
#include "vcpu/walk.h"

#define SHOWN_UNTOLD 8 /* bytes, where the length of the instruction is not known */

_Static_assert(SHOWN_UNTOLD <= MAX_INSTRUCTION, "as many as can be fetched");

/* "wrmsr at rip ffffffff8100abcd (0f 30)"; where the processor does not tell the length, a few bytes. */
static void where(const struct vcpu *v, const struct trace_event *e, const char *name, unsigned told,
                  char *text, size_t size)
{
    uint8_t bytes[FETCH_SIZE] ALIGNED(8);
    struct guest_mode m;
    unsigned length;
    size_t n = (size_t)format(text, size, "%s%sat rip %llx", name ? name : "", name ? " " : "",
                              (unsigned long long)e->rip);

    backend.get_mode(v, &m);
    length = name ? MIN(guest_fetch(v->vm, &m, bytes), told ? told : SHOWN_UNTOLD) : 0;
    for (unsigned i = 0; i < length; i++)
        n += (size_t)format(text + n, size - n, i ? " %02x" : " (%02x", bytes[i]);
    if (length)
        format(text + n, size - n, told ? ")" : " ...)");
}

/* One line a second and VM. */
static bool may_tell(struct vm *vm, uint64_t now, uint64_t second)
{
    uint64_t told = __atomic_load_n(&vm->budget_told, __ATOMIC_RELAXED);

    return (!told || now - told >= second) && __atomic_compare_exchange_n(&vm->budget_told, &told, now, false,
                                                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

COLD void vcpu_budget_broken(struct vcpu *v, const struct trace_event *e, const char *instruction,
                             unsigned told, uint64_t now)
{
    char details[80], place[100];
    const char *what = backend.exit_words(e, details, sizeof(details));

    where(v, e, instruction, told, place, sizeof(place));
    if (v->vm->config->stop_on_budget)
        vm_request_end(v->vm, VM_END_CRASH, "vcpu %u broke its exit budget of %u/s: %s%s%s, %s", v->id,
                       v->budget.limit, what, details[0] ? " " : "", details, place);
    else if (may_tell(v->vm, now, v->budget.second))
        log_info("[vm %s] vcpu %u broke its exit budget of %u/s: %s%s%s, %s", v->vm->config->name, v->id,
                 v->budget.limit, what, details[0] ? " " : "", details, place);
}

COLD void vcpu_begin_observation(struct vcpu *v, bool on)
{
    uint64_t exits = 0;

    for (unsigned r = 0; r < EXIT_KINDS; r++)
        exits += v->stats->exits[r];
    v->observed = (struct observation){on, rdtsc(), exits, v->stats->counts[COUNT_ROOT_TICKS]};
}
