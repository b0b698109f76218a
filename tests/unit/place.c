/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core/life/place.c: which CPUs VMs get on machines with one and two threads a core, each line that is
 * refused, and, for random configurations, that no two VMs are ever on threads of one core that do not both
 * say so.
 */
#include "tests/unit/unit.h"

#include "core/base/format.h"
#include "core/life/place.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS   8
#define MAX_VM 6

struct cpu *cpus[MAX_CPUS];
unsigned cpu_count;
struct vm *vms[CONFIG_MAX_VMS];
unsigned vm_count;
static struct cpu cpu_pool[CPUS];
static struct vm vm_pool[MAX_VM];
static struct vcpu vcpu_pool[MAX_VM][VM_MAX_VCPUS];
static struct vm_config configs[MAX_VM];
static char refused[256];

struct vm *vm_next(const struct vm *after)
{
    for (unsigned i = after ? after->id + 1 : 0; i < MAX_VM; i++) {
        if (vms[i])
            return vms[i];
    }
    return NULL;
}

void config_refuse(unsigned line, const char *fmt, ...)
{
    char text[240];
    va_list args;

    va_start(args, fmt);
    vformat(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(refused, sizeof(refused), "%u: %s", line, text);
}

/* CPU i has APIC ID i if neighbours are threads of a core, else cores come first, as in many MADTs. */
static void machine_of(unsigned thread_bits, bool neighbours)
{
    cpu_count = CPUS;
    vm_count = 0;
    memset(vms, 0, sizeof(vms));
    memset(configs, 0, sizeof(configs));
    for (unsigned i = 0; i < CPUS; i++) {
        cpu_pool[i] = (struct cpu){.id = i, .thread_bits = thread_bits};
        cpu_pool[i].apic_id = neighbours ? i : i % (CPUS / 2) * 2 + i / (CPUS / 2);
        cpus[i] = &cpu_pool[i];
    }
}

/* What vm_build() does with the CPUs. The ones that were picked in *set; false: refused. */
static bool build(unsigned id, uint64_t *set)
{
    struct cpu *picked[VM_MAX_VCPUS];
    struct vm *vm = &vm_pool[id];
    const struct vm_config *c = &configs[id];
    unsigned count = 0;

    refused[0] = '\0';
    *set = 0;
    if (!place_vm(c, picked, &count)) {
        assert_true(strlen(refused) > 0);
        return false;
    }
    assert_string_equal(refused, "");
    *vm = (struct vm){.id = id, .config = c, .vcpu_count = c->vcpus};
    for (unsigned i = 0; i < count; i++) {
        *set |= BIT(picked[i]->id);
        vcpu_pool[id][i].vm = vm;
        if (c->sched == SCHED_SHARED)
            picked[i]->shared = true;
        else
            picked[i]->owner = &vcpu_pool[id][i];
    }
    vms[id] = vm;
    return true;
}

static uint64_t built(unsigned id)
{
    uint64_t set;

    if (!build(id, &set))
        fail_msg("%s", refused);
    return set;
}

static void expect_refused(unsigned id, const char *text)
{
    uint64_t set;

    assert_false(build(id, &set));
    assert_string_equal(refused, text);
}

static struct vm_config *config_of(unsigned id, unsigned vcpus, uint64_t named_cpus)
{
    struct vm_config *c = &configs[id];

    *c = (struct vm_config){.line = 10 * id + 1,
                            .vcpus = vcpus,
                            .vcpus_line = 10 * id + 2,
                            .cpus_line = named_cpus ? 10 * id + 3 : 0,
                            .cpus.bits[0] = named_cpus,
                            .smt = SMT_OWN};
    c->name[0] = (char)('a' + id);
    return c;
}

static void one_thread_a_core(void **state)
{
    (void)state;
    machine_of(0, true);
    config_of(0, 1, 0);
    config_of(1, 2, 0);
    config_of(2, 1, 0)->sched = SCHED_SHARED;
    assert_int_equal(built(0), 0x01);
    assert_int_equal(built(1), 0x06);
    assert_int_equal(built(2), 0xf8);
}

static void siblings_are_skipped(void **state)
{
    (void)state;
    machine_of(1, true);
    config_of(0, 1, 0);
    config_of(1, 3, 0);
    config_of(2, 1, 0);
    config_of(3, 1, 0);
    assert_int_equal(built(0), 0x01);
    assert_int_equal(built(1), 0x1c);
    assert_int_equal(built(2), 0x40);
    expect_refused(
        3, "32: [vm d] needs 1 free CPU(s), expected at most 0: a CPU runs one vCPU, but with sched = "
           "shared, and a core one VM, but with smt = shared");
}

/* Where the firmware lists one thread of each core first, two VMs of four vCPUs still fit. */
static void cores_are_filled(void **state)
{
    (void)state;
    machine_of(1, false);
    config_of(0, 4, 0);
    config_of(1, 4, 0);
    assert_int_equal(built(0), 0x33);
    assert_int_equal(built(1), 0xcc);
}

static void named_cpus(void **state)
{
    (void)state;
    machine_of(1, true);
    config_of(0, 1, 0x02);
    config_of(1, 1, 0x01);
    assert_int_equal(built(0), 0x02);
    expect_refused(1,
                   "13: [vm b] wants CPU 0, on a core where [vm a] runs; expected a core without other VMs, "
                   "or smt = shared in both");
    configs[1].smt = SMT_SHARED; /* one alone does not decide it */
    expect_refused(1,
                   "13: [vm b] wants CPU 0, on a core where [vm a] runs; expected a core without other VMs, "
                   "or smt = shared in both");
    configs[0].smt = SMT_SHARED;
    assert_int_equal(built(1), 0x01);
}

static void own_siblings(void **state)
{
    (void)state;
    machine_of(1, true);
    config_of(0, 2, 0x03);
    assert_int_equal(built(0), 0x03);
}

static void run_queues(void **state)
{
    (void)state;
    machine_of(1, true);
    config_of(0, 1, 0);
    for (unsigned i = 1; i < 4; i++)
        config_of(i, 2, 0)->sched = SCHED_SHARED;
    assert_int_equal(built(0), 0x01);
    assert_int_equal(built(1), 0x54); /* one thread of each core that is left */
    assert_int_equal(built(2), 0x54);
    configs[3].smt = SMT_SHARED; /* the others have not said it */
    assert_int_equal(built(3), 0x54);
}

/* Both threads of cores have run queues: nobody who minds can come. */
static void queues_on_siblings(void **state)
{
    (void)state;
    machine_of(1, true);
    for (unsigned i = 0; i < 3; i++)
        config_of(i, 1, 0)->sched = SCHED_SHARED;
    configs[0].smt = configs[1].smt = SMT_SHARED;
    assert_int_equal(built(0), 0xff);
    assert_int_equal(built(1), 0xff);
    expect_refused(2,
                   "21: [vm c] may be moved to CPU 0, on a core where [vm a] runs; expected cpus = those of "
                   "other cores, or smt = shared in both");
}

static void check_neighbours(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        for (unsigned k = 0; k < cpu_count; k++) {
            if (i == k || !same_core(cpus[i], cpus[k]))
                continue;
            for (unsigned a = 0; a < MAX_VM; a++) {
                for (unsigned b = 0; b < a; b++) {
                    if (vms[a] && vms[b] && may_run_on(vms[a], cpus[i], cpus[i]->shared) &&
                        may_run_on(vms[b], cpus[k], cpus[k]->shared))
                        assert_true(configs[a].smt == SMT_SHARED && configs[b].smt == SMT_SHARED);
                }
            }
        }
    }
}

static void random_configurations(void **state)
{
    unsigned placed = 0;

    (void)state;
    srand(5);
    for (unsigned round = 0; round < 20000; round++) {
        machine_of((unsigned)rand() % 3, rand() & 1);
        for (unsigned i = 0; i < MAX_VM; i++) {
            struct vm_config *c = config_of(i, 1 + (unsigned)rand() % 3, rand() % 3 ? 0 : rand() & 0xff);
            uint64_t set;

            c->sched = rand() % 3 ? SCHED_DEDICATED : SCHED_SHARED;
            c->smt = rand() & 1 ? SMT_OWN : SMT_SHARED;
            placed += build(i, &set);
            check_neighbours();
        }
    }
    assert_in_range(placed, 40000, 120000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_a_core),  cmocka_unit_test(siblings_are_skipped),
        cmocka_unit_test(cores_are_filled),   cmocka_unit_test(named_cpus),
        cmocka_unit_test(own_siblings),       cmocka_unit_test(run_queues),
        cmocka_unit_test(queues_on_siblings), cmocka_unit_test(random_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
