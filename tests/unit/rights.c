/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest has closed to writes, byte by byte: what is written for it, and what its vCPUs register by
 * KVM's MSRs, against a map of bytes. And the other way round: what is registered is found before it is
 * closed.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "core/vm/guest.c"
#include "hypercall/kvm.c"
#include "hypercall/kvm_clock.c"
#include "hypercall/kvm_steal.c"

#include <string.h>

#define PLACES 256u
#define FIRST  (PAGE_2M - PLACES / 2) /* on both sides of a seam of the host's memory */

struct machine machine;
const struct choice config_kvm_features[] = {{NULL, 0}};
static struct vm_config config = {.tsc_khz = 1000};
static struct vm vm;
static struct vcpu vcpus[2];
static struct vcpu_statistics statistics;
static bool is_shut[PLACES];
static unsigned asked;

static bool any_shut(const struct vm *of, gpa_t at, size_t n)
{
    assert_ptr_equal(of, &vm);
    asked++;
    for (uint64_t i = at.value; i < at.value + n; i++) {
        if (i - FIRST < PLACES && is_shut[i - FIRST])
            return true;
    }
    return false;
}

void vlapic_pv_eoi_register(struct vcpu *v, uint32_t *word)
{
    v->pv.eoi = word;
}

uint64_t vlapic_tsc(const struct vcpu *v UNUSED)
{
    return 0;
}

uint64_t machine_time_ns(void)
{
    return 7 * NANOSECONDS;
}

void print(const char *fmt UNUSED, ...)
{
    fail_msg("words");
}

static int create(void **unused)
{
    (void)unused;
    return fake_ram_create() ? 0 : -1;
}

static int set_up(void **unused)
{
    (void)unused;
    vm = (struct vm){.config = &config,
                     .memory = FAKE_RAM_MAX,
                     .ram = fake_pieces,
                     .kvm_features = KVM_CLOCKSOURCE2 | KVM_STEAL_TIME | KVM_PV_EOI,
                     .vcpus = {&vcpus[0], &vcpus[1]},
                     .vcpu_count = 2,
                     .is_closed = any_shut};
    for (unsigned i = 0; i < 2; i++)
        vcpus[i] = (struct vcpu){.vm = &vm, .id = i, .stats = &statistics};
    memset(is_shut, 0, sizeof(is_shut));
    for (unsigned i = 0; i < PLACES; i++)
        *fake_ram_at(&vm, FIRST + i) = (uint8_t)i;
    asked = 0;
    return 0;
}

static bool unchanged(unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        if (*fake_ram_at(&vm, FIRST + i) != (uint8_t)i)
            return false;
    }
    return true;
}

/* Every range against two bytes that are closed. */
static void every_write(void **unused)
{
    static const uint8_t data[PLACES];

    (void)unused;
    is_shut[100] = is_shut[130] = true;
    for (unsigned from = 0; from < PLACES; from++) {
        for (unsigned n = 0; n <= 48 && from + n <= PLACES; n++) {
            gpa_t at = gpa(FIRST + from);
            bool open = !any_shut(&vm, at, n);

            assert_int_equal(guest_is_closed(&vm, at, n), !open);
            assert_int_equal(guest_write(&vm, at, data, n), open);
            assert_true(unchanged(0, from) && unchanged(from + n, PLACES - from - n));
            assert_true(open || unchanged(from, n));
            assert_true(!guest_map_open(&vm, at, n) || open);
            if (open && n)
                assert_ptr_equal(guest_map_open(&vm, at, n), guest_map(&vm, at, n));
            for (unsigned i = from; i < from + n; i++)
                *fake_ram_at(&vm, FIRST + i) = (uint8_t)i;
        }
    }
}

/* A VM that has closed nothing, reads, and what is no RAM: nobody is asked. */
static void not_asked(void **unused)
{
    static const uint64_t places[] = {3 * GIB, 4 * GIB - 8, UINT64_MAX - 3, BIT(48) | FIRST, 3 * GIB - 4};
    uint64_t value = 0;

    (void)unused;
    memset(is_shut, true, sizeof(is_shut));
    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        assert_false(guest_write(&vm, gpa(places[i]), &value, 8));
        assert_false(guest_is_closed(&vm, gpa(places[i]), 8));
        assert_null(guest_map_open(&vm, gpa(places[i]), 8));
    }
    assert_true(guest_read(&vm, gpa(FIRST), &value, 8));
    assert_non_null(guest_map(&vm, gpa(FIRST), 8));
    assert_int_equal(asked, 0);
    vm.is_closed = NULL;
    assert_true(guest_write(&vm, gpa(FIRST), &value, 8));
    assert_false(guest_is_closed(&vm, gpa(FIRST), 8));
}

/* --- KVM's MSRs --- */

static const struct shared {
    uint32_t msr;
    unsigned size;
} shared[] = {{MSR_KVM_SYSTEM_TIME_NEW, sizeof(struct pvclock)},
              {MSR_KVM_STEAL_TIME, sizeof(struct kvm_steal_time)},
              {MSR_KVM_PV_EOI, sizeof(uint32_t)}};

static void registered_where_open(void **unused)
{
    for (unsigned i = 0; i < ARRAY_SIZE(shared); i++) {
        uint64_t good = (FIRST - 1024) | 1, value;

        for (unsigned shut = 0; shut < PLACES; shut++) {
            uint64_t at = FIRST + 64;
            bool open = shut < 64 || shut >= 64 + shared[i].size;

            set_up(unused);
            is_shut[shut] = true;
            assert_true(kvm_write_msr(&vcpus[1], shared[i].msr, good));
            assert_int_equal(kvm_write_msr(&vcpus[1], shared[i].msr, at | 1), open);
            assert_true(open || unchanged(0, PLACES));
            assert_true(kvm_read_msr(&vcpus[1], shared[i].msr, &value));
            assert_int_equal(value, open ? at | 1 : good); /* what was there stays */
            assert_true(spin_try(&vm.sharing));
            vm.sharing = (struct spinlock){0, 0};
            assert_true(kvm_write_msr(&vcpus[1], shared[i].msr, at)); /* off: it may lie anywhere */
        }
    }
}

/* The wall clock is written once, and is nobody's place afterwards. */
static void wall_clock(void **unused)
{
    for (unsigned shut = 0; shut < PLACES; shut++) {
        bool open = shut < 64 || shut >= 64 + sizeof(struct pvclock_wall_clock);

        set_up(unused);
        is_shut[shut] = true;
        assert_int_equal(kvm_write_msr(&vcpus[0], MSR_KVM_WALL_CLOCK_NEW, FIRST + 64), open);
        assert_int_equal(unchanged(0, PLACES), !open);
        assert_false(kvm_writes_to(&vm, gpa(0), vm.memory));
    }
}

static void found_where_registered(void **unused)
{
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(shared); i++) {
        const struct shared *s = &shared[i / 2];
        uint64_t at = FIRST + 64, end = at + s->size;

        set_up(unused);
        assert_false(kvm_writes_to(&vm, gpa(0), vm.memory));
        assert_true(kvm_write_msr(&vcpus[i % 2], s->msr, at | 1));
        assert_true(kvm_writes_to(&vm, gpa(0), vm.memory));
        assert_true(kvm_writes_to(&vm, gpa(at), 1) && kvm_writes_to(&vm, gpa(end - 1), 1));
        assert_false(kvm_writes_to(&vm, gpa(at - 1), 1) || kvm_writes_to(&vm, gpa(end), PAGE_2M));
        assert_true(kvm_write_msr(&vcpus[i % 2], s->msr, 0));
        assert_false(kvm_writes_to(&vm, gpa(0), vm.memory));
        assert_true(kvm_write_msr(&vcpus[i % 2], s->msr, at | 1));
        kvm_reset(&vcpus[i % 2]);
        assert_false(kvm_writes_to(&vm, gpa(0), vm.memory));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_write, set_up),
        cmocka_unit_test_setup(not_asked, set_up),
        cmocka_unit_test_setup(registered_where_open, set_up),
        cmocka_unit_test_setup(wall_clock, set_up),
        cmocka_unit_test_setup(found_where_registered, set_up),
    };

    return cmocka_run_group_tests(tests, create, NULL);
}
