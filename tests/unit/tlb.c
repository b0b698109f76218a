/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-level tables change while CPUs, a thread each, enter and leave the VM that uses them: when the
 * change has returned, nobody is in the VM with what was there before. Any of them changes them, also several
 * at once.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#define this_cpu  real_this_cpu
#define cpu_pause real_cpu_pause
#include "arch/x86/cpu.h"
#include "arch/x86/percpu.h"
#undef this_cpu
#undef cpu_pause

#include <pthread.h>
#include <sched.h>

static __thread struct cpu *ours;

static inline struct cpu *this_cpu(void)
{
    return ours;
}

static inline void cpu_pause(void)
{
    sched_yield();
}

#include "vmx/caps.h"
#include "vmx/tlb.h"

static uint64_t version;       /* of the tables, */
static __thread uint64_t kept; /* and of what this CPU keeps of them */

static void keep_nothing(void)
{
    kept = __atomic_load_n(&version, __ATOMIC_SEQ_CST);
}

/* INVEPT, which the host does not have. */
#define __asm__
#define volatile(...) keep_nothing()
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "vcpu/table_changes.c"
#include "vmx/tlb.c"
#undef __asm__
#undef volatile

#define CPUS    4u
#define ROUNDS  4000u
#define OUTSIDE UINT64_MAX

struct vmx_caps vmx_caps;

static void sync_tables(struct vcpu *v)
{
    vmx_ept_sync(v->vm);
}

struct backend backend = {.sync_tables = sync_tables};
struct cpu *cpus[MAX_CPUS];
unsigned cpu_count = CPUS;
static struct cpu cpu_of[CPUS];
static struct vmx_vm tables;
static struct vm vm = {.id = 3, .backend = &tables, .tables = &tables.ept}, other_vm = {.id = 4};
static struct vcpu vcpus[CPUS], others[CPUS];
static bool kicked[CPUS];
static uint64_t used[CPUS]; /* version that a guest is using now */
static unsigned stale;

void cpu_kick(const struct cpu *cpu)
{
    __atomic_store_n(&kicked[cpu->id], true, __ATOMIC_SEQ_CST);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void change(void)
{
    uint64_t mine = __atomic_add_fetch(&version, 1, __ATOMIC_SEQ_CST);

    second_level_changed(&vm);
    for (unsigned i = 0; i < CPUS; i++)
        if (__atomic_load_n(&used[i], __ATOMIC_SEQ_CST) < mine)
            __atomic_fetch_add(&stale, 1, __ATOMIC_RELAXED);
}

static void in_guest(unsigned id, unsigned for_long)
{
    __atomic_store_n(&used[id], kept, __ATOMIC_SEQ_CST);
    while (for_long-- > 0 && !__atomic_exchange_n(&kicked[id], false, __ATOMIC_SEQ_CST))
        cpu_pause();
    __atomic_store_n(&used[id], OUTSIDE, __ATOMIC_SEQ_CST);
}

/* Entries and exits, of which one in eight changes the tables. */
static void run(struct vcpu *v, uint32_t *seed)
{
    __atomic_store_n(&ours->active, v, __ATOMIC_SEQ_CST);
    vmx_ept_sync(&vm);
    for (unsigned exits = next_random(seed) % 16; exits > 0; exits--) {
        in_guest(ours->id, next_random(seed) % 8);
        if (next_random(seed) % 8 == 0)
            change();
        if (__atomic_load_n(&v->asked, __ATOMIC_SEQ_CST) & ASKED_FLUSH) {
            vcpu_take(v, ASKED_FLUSH);
            vmx_ept_sync(&vm);
        }
    }
    __atomic_store_n(&ours->active, NULL, __ATOMIC_SEQ_CST);
}

static void *one_cpu(void *argument)
{
    unsigned id = (unsigned)(uintptr_t)argument;
    uint32_t seed = id + 1;

    ours = &cpu_of[id];
    for (unsigned i = 0; i < ROUNDS; i++) {
        run(&vcpus[id], &seed);
        __atomic_store_n(&ours->active, &others[id], __ATOMIC_SEQ_CST); /* nobody waits for those */
        cpu_pause();
        __atomic_store_n(&ours->active, NULL, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void nobody_is_behind(void **unused)
{
    pthread_t threads[CPUS];

    (void)unused;
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i] = &cpu_of[i];
        cpu_of[i].id = i;
        used[i] = OUTSIDE;
        vcpus[i].vm = &vm;
        others[i].vm = &other_vm;
    }
    for (uintptr_t i = 0; i < CPUS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_cpu, (void *)i), 0);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(stale, 0);
    assert_true(version > ROUNDS && tables.ept.ipis > 0 && tables.ept.flushes > 0);
}

/* The numbers do not end with 32 bits, and the later of two stays. */
static void generations(void **unused)
{
    uint64_t first, second;

    (void)unused;
    ours = &cpu_of[0];
    last_generation = UINT32_MAX;
    first = second_level_new_generation(&tables.ept);
    assert_true(first > UINT32_MAX);
    second = second_level_new_generation(&tables.ept);
    assert_int_equal(tables.ept.generation, second);
    last_generation = first - 1;
    assert_int_equal(second_level_new_generation(&tables.ept), first);
    assert_int_equal(tables.ept.generation, second);
    vmx_ept_sync(&vm);
    assert_int_equal(ours->tables_seen[vm.id], second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_behind),
        cmocka_unit_test(generations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
