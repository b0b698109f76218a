/* SPDX-License-Identifier: BSD-2-Clause */
/* TSCs of two CPUs that differ either way, what is done about IA32_TSC_ADJUST, and what KVM's clock promises
 * then. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdarg.h>

#define cpu_pause real_cpu_pause
#define cpuid     real_cpuid
#define rdtsc     real_rdtsc
#include "arch/x86/cpu.h"
#undef cpu_pause
#undef cpuid
#undef rdtsc

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static uint64_t machine_tsc;           /* of the machine */
static _Thread_local uint64_t adjust;  /* this CPU's MSR, */
static _Thread_local int64_t distance; /* and what no MSR tells of */
static bool has_adjust, keeps_its_value;
static unsigned writes;

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    return (struct cpuid){leaf == 0 ? 7 : 0, leaf == 7 && has_adjust ? 2 : 0, 0, 0};
}

static uint64_t rdtsc(void)
{
    return __atomic_add_fetch(&machine_tsc, 3, __ATOMIC_SEQ_CST) + adjust + (uint64_t)distance;
}

/* Who waits here may keep the other from the host's CPU. */
static void cpu_pause(void)
{
    sched_yield();
}

bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    assert_true(msr == 0x3b && has_adjust);
    *value = adjust;
    return true;
}

bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    assert_true(msr == 0x3b && has_adjust);
    writes++;
    if (!keeps_its_value)
        adjust = value;
    return true;
}

#include "boot/host/tsc_sync.c"
#include "hypercall/kvm.c"

struct machine machine;
const struct choice config_kvm_features[] = {
    {"clock", CLOCK},
    {"all else", KVM_NOP_IO_DELAY | KVM_STEAL_TIME | KVM_PV_EOI | KVM_PV_UNHALT | KVM_PV_TLB_FLUSH |
                     KVM_PV_SEND_IPI | KVM_POLL_CONTROL | KVM_PV_SCHED_YIELD | KVM_MSI_EXT_DEST_ID},
    {NULL, 0},
};

void print(const char *fmt, ...)
{
    (void)fmt;
}

bool kvm_clock_write(struct vcpu *v UNUSED, uint64_t value UNUSED)
{
    return false;
}

bool kvm_wall_clock_write(struct vcpu *v UNUSED, uint64_t value UNUSED)
{
    return false;
}

bool kvm_steal_write(struct vcpu *v UNUSED, uint64_t value UNUSED)
{
    return false;
}

void vlapic_pv_eoi_register(struct vcpu *v UNUSED, uint32_t *place UNUSED)
{
}

void *guest_map_open(const struct vm *vm UNUSED, gpa_t at UNUSED, size_t n UNUSED)
{
    return NULL;
}

static int set_up(void **unused)
{
    (void)unused;
    machine_tsc = 1000000000;
    has_adjust = true;
    keeps_its_value = false;
    writes = 0;
    adjust = 77;
    machine.tsc_warp = 0;
    return 0;
}

struct other {
    uint64_t adjust;
    int64_t distance;
};

static void *other_cpu(void *context)
{
    const struct other *o = context;

    adjust = o->adjust;
    distance = o->distance;
    tsc_sync_adjust();
    tsc_sync_answer();
    return NULL;
}

static uint64_t start(struct other other, bool *adjusted)
{
    pthread_t thread;
    uint64_t worst;

    tsc_sync_expect();
    assert_int_equal(pthread_create(&thread, NULL, other_cpu, &other), 0);
    worst = tsc_sync_compare(adjusted);
    pthread_join(thread, NULL);
    return worst;
}

static void one_line(void **unused)
{
    bool adjusted;

    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(start((struct other){77, 0}, &adjusted), 0);
        assert_false(adjusted);
    }
    assert_int_equal(writes, 0);
}

/* Whoever of the two is behind; and the next CPU is judged by itself. */
static void either_way(void **unused)
{
    bool adjusted;

    (void)unused;
    assert_in_range(start((struct other){77, -5000000}, &adjusted), 4900000, 5000000);
    assert_int_equal(start((struct other){77, 0}, &adjusted), 0);
    assert_in_range(start((struct other){77, 5000000}, &adjusted), 4900000, 5000000);
    assert_int_equal(start((struct other){77, 0}, &adjusted), 0);
    assert_int_equal(writes, 0);
}

static void made_equal(void **unused)
{
    bool adjusted;

    (void)unused;
    assert_int_equal(start((struct other){0, 0}, &adjusted), 0);
    assert_true(adjusted);
    assert_int_equal(start((struct other){UINT64_C(1) << 40, 0}, &adjusted), 0);
    assert_true(adjusted);
    assert_int_equal(writes, 2);
    assert_int_equal(start((struct other){77, 0}, &adjusted), 0);
    assert_false(adjusted);
}

static void not_to_be_changed(void **unused)
{
    bool adjusted;

    (void)unused;
    keeps_its_value = true;
    assert_in_range(start((struct other){77 + 5000000, 0}, &adjusted), 4900000, 5000000);
    assert_false(adjusted);
    assert_int_equal(writes, 1);
    has_adjust = false;
    assert_in_range(start((struct other){77 + 5000000, 0}, &adjusted), 4900000, 5000000);
    assert_false(adjusted);
    assert_int_equal(writes, 1);
}

static void what_the_clock_promises(void **unused)
{
    const struct vm_config c = {.pv = PV_KVM};
    uint32_t all = kvm_features(&c, (struct kvm_needless){0});

    (void)unused;
    assert_true(all & KVM_CLOCKSOURCE_STABLE);
    machine.tsc_warp = 1;
    assert_int_equal(kvm_features(&c, (struct kvm_needless){0}), all & ~KVM_CLOCKSOURCE_STABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_line, set_up),
        cmocka_unit_test_setup(either_way, set_up),
        cmocka_unit_test_setup(made_equal, set_up),
        cmocka_unit_test_setup(not_to_be_changed, set_up),
        cmocka_unit_test_setup(what_the_clock_promises, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
