/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM of four local APICs and an I/O APIC, with a clock and a host timer that the test looks at. Includes
 * apic/vlapic.c and the files beside it; link with apic/vioapic.c and apic/pid_table.c.
 */
#pragma once

#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "apic/ipi.c"
#include "apic/mailbox.c"
#include "apic/vioapic.h"
#include "apic/vlapic.c"
#include "apic/pv_eoi.c"
#include "apic/vlapic_timer.c"

#include <string.h>

struct machine machine; /* without a rate a periodic timer may be as fast as it likes */

#define CPUS    4
#define ENABLED 0x1ffu
#define TIMER   0x320u
#define LOGICAL 0x800u

static struct vlapic apics[CPUS];
static struct pid_table table;
static struct cpu physical[CPUS]; /* vCPU n is on CPU n */
static struct vcpu vcpus[CPUS];
static struct vcpu_statistics statistics[CPUS];
static struct vm_config config;
static struct vm vm;
static struct vioapic ioapic;
static uint64_t armed;
static unsigned kicks, broadcasts, ipis;
static uint32_t ipi_to, ipi_icr; /* the last one */
static bool physical_x2apic;

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind, uint64_t count)
{
    assert_ptr_equal(account, &vm.account);
    assert_int_equal(kind, MEMORY_STATE);
    if (!vm.pid_table) {
        memset(&table, 0, sizeof(table));
        return &table;
    }
    assert_true(count * PAGE_SIZE >= sizeof(struct vlapic));
    return &apics[vm.vcpu_count++];
}

void vcpu_ask(struct vcpu *v, uint32_t asked)
{
    vcpu_note(v, asked);
    kicks++;
}

static UNUSED bool nmi_pending(const struct vcpu *v)
{
    return v->asked & ASKED_NMI;
}

static UNUSED bool take_nmi(struct vcpu *v)
{
    bool pending = nmi_pending(v);

    vcpu_take(v, ASKED_NMI);
    return pending;
}

static void broadcast_eoi(struct vm *of, unsigned vector)
{
    broadcasts++;
    vioapic_eoi(of, &ioapic, vector);
}

void lapic_timer_set(enum timer_user user, uint64_t tsc)
{
    assert_int_equal(user, TIMER_GUEST);
    armed = tsc;
}

void lapic_ipi(uint32_t apic_id, uint32_t icr)
{
    ipi_to = apic_id;
    ipi_icr = icr;
    ipis++;
}

bool lapic_in_x2apic_mode(void)
{
    return physical_x2apic;
}

unsigned cpu_physical_bits(void)
{
    return 40;
}

static inline void write_reg(unsigned cpu, unsigned reg, uint32_t value)
{
    vlapic_mmio_write(&vcpus[cpu], reg, value);
}

static inline uint32_t read_reg(unsigned cpu, unsigned reg)
{
    return vlapic_mmio_read(&vcpus[cpu], reg);
}

static inline bool write_msr(unsigned cpu, uint32_t msr, uint64_t value)
{
    if (msr == IA32_APIC_BASE)
        return vlapic_write_base(&vcpus[cpu], value);
    if (msr != IA32_TSC_DEADLINE)
        return vlapic_write_x2apic(&vcpus[cpu], msr, value);
    vlapic_write_deadline(&vcpus[cpu], value);
    return true;
}

static inline uint64_t read_msr(unsigned cpu, uint32_t msr)
{
    uint64_t value;

    if (msr == IA32_APIC_BASE)
        return vlapic_read_base(&vcpus[cpu]);
    if (msr == IA32_TSC_DEADLINE)
        return vlapic_read_deadline(&vcpus[cpu]);
    assert_true(vlapic_read_x2apic(&vcpus[cpu], msr, &value));
    return value;
}

static inline bool can_read_msr(uint32_t msr)
{
    uint64_t value;

    return vlapic_read_x2apic(&vcpus[0], msr, &value);
}

static inline int set_up(void **state)
{
    (void)state;
    memset(apics, 0xee, sizeof(apics));
    memset(vcpus, 0, sizeof(vcpus));
    config = (struct vm_config){.x2apic = true, .vcpus = CPUS};
    vm = (struct vm){.config = &config};
    vm.eoi = broadcast_eoi;
    assert_true(apic_create(&vm, NULL));
    physical_x2apic = false;
    fake_tsc = 1000000;
    armed = kicks = broadcasts = ipis = 0;
    vioapic_reset(&ioapic);
    for (unsigned i = 0; i < CPUS; i++) {
        vcpus[i].vm = &vm;
        vcpus[i].stats = &statistics[i];
        vcpus[i].id = vcpus[i].apic_id = i;
        vm.vcpus[i] = &vcpus[i];
        assert_true(vlapic_create(&vcpus[i], NULL));
        vlapic_reset(&vcpus[i], NULL);
        physical[i].apic_id = i;
        fake_this_cpu = &physical[i];
        vlapic_schedule_in(&vcpus[i]);
        write_reg(i, LAPIC_SVR, ENABLED);
    }
    fake_this_cpu = &physical[0];
    return 0;
}

static inline void deliver_message(uint32_t destination, unsigned mode, unsigned vector)
{
    vm_deliver_msi(&vm, (struct msi){MSI_BASE | destination << 12, mode << 8 | vector});
}

static inline void set_tsc_offset(unsigned cpu, uint64_t offset)
{
    struct guest_tsc tsc = {apics[cpu].tsc.multiplier, offset};

    vlapic_set_tsc(&vcpus[cpu], &tsc);
}

static inline void to_x2apic(unsigned cpu)
{
    assert_true(write_msr(cpu, IA32_APIC_BASE, read_msr(cpu, IA32_APIC_BASE) | APIC_BASE_X2APIC));
}

static inline int set_up_x2apic(void **state)
{
    set_up(state);
    for (unsigned i = 0; i < CPUS; i++)
        to_x2apic(i);
    return 0;
}

static inline int pending(unsigned cpu)
{
    vlapic_update(&vcpus[cpu]);
    return vlapic_pending(&vcpus[cpu]);
}

static inline void accept(unsigned cpu, int vector)
{
    assert_int_equal(pending(cpu), vector);
    vlapic_accept(&vcpus[cpu], (unsigned)vector);
}

static inline void eoi(unsigned cpu)
{
    if (vlapic_mmio_enabled(&vcpus[cpu]))
        write_reg(cpu, LAPIC_EOI, 0);
    else
        assert_true(write_msr(cpu, IA32_X2APIC_BASE + LAPIC_EOI / 16, 0));
}

/* A bit per CPU that has vector pending; takes and ends it there. */
static inline unsigned who_gets(int vector)
{
    unsigned set = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        if (pending(i) < 0)
            continue;
        accept(i, vector);
        eoi(i);
        set |= 1u << i;
    }
    return set;
}

#define XAPIC(f)  cmocka_unit_test_setup(f, set_up)
#define X2APIC(f) cmocka_unit_test_setup(f, set_up_x2apic)
