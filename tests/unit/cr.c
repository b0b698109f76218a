/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MOV to CR0 that exits (SDM volume 2, "MOV—Move to/from Control Registers"): what faults changes nothing,
 * what turns paging on or off flushes, and the PDPTEs are loaded for PAE paging.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_cpu.h"
#include "tests/unit/fake_ram.h"

#include "core/vm/guest.c"
#include "vcpu/cr.c"

#include <string.h>

#define TABLE 0x2000u /* the PDPTEs */

static struct vm vm;
static struct vcpu vcpu;
static struct vcpu_state state;
static uint64_t registers[GUEST_REGISTERS];
static struct guest_mode mode;
static unsigned flushes, loads, faults;

static uint64_t get(const struct vcpu *v UNUSED, enum guest_register which)
{
    return registers[which];
}

static void set(struct vcpu *v UNUSED, enum guest_register which, uint64_t value)
{
    registers[which] = value;
}

static void get_mode(const struct vcpu *v UNUSED, struct guest_mode *out)
{
    *out = mode;
    out->cr3 = registers[GUEST_CR3];
}

static void set_pdptes(struct vcpu *v UNUSED, const uint64_t entries[4])
{
    assert_memory_equal(entries, fake_ram_at(&vm, TABLE), 32);
    loads++;
}

static void flush_linear(struct vcpu *v UNUSED)
{
    flushes++;
}

struct backend backend = {.get = get,
                          .set = set,
                          .get_mode = get_mode,
                          .set_pdptes = set_pdptes,
                          .flush_linear = flush_linear,
                          .pdpte_reserved = UINT64_C(0xfff00000000001e6)};

enum next vcpu_protection_fault(struct vcpu *v UNUSED)
{
    faults++;
    return NEXT_RESUME;
}

void vlapic_set_tpr_class(struct vcpu *v UNUSED, unsigned class UNUSED)
{
}

void vcpu_set_xcr0(uint64_t value UNUSED)
{
}

static int create(void **unused)
{
    (void)unused;
    return fake_ram_create() ? 0 : -1;
}

static int set_up(void **unused)
{
    (void)unused;
    vm = (struct vm){.memory = 8 * MIB, .ram = fake_pieces};
    vcpu = (struct vcpu){.vm = &vm, .backend = &state};
    memset(registers, 0, sizeof(registers));
    registers[GUEST_CR0] = CR0_PE | CR0_ET;
    registers[GUEST_CR3] = TABLE | 0x18; /* ignored bits */
    registers[GUEST_TR_RIGHTS] = 0x8b;
    mode = (struct guest_mode){.bits = 32};
    memset(fake_ram_at(&vm, TABLE), 0, 32);
    flushes = loads = faults = 0;
    return 0;
}

/* So many flushes and loads, and it is done. */
static void writes(uint64_t value, unsigned flush, unsigned load)
{
    flushes = loads = 0;
    assert_int_equal(vcpu_write_cr0(&vcpu, value), NEXT_SKIP_AND_RESUME);
    assert_int_equal(registers[GUEST_CR0], value | CR0_ET);
    assert_int_equal(flushes, flush);
    assert_int_equal(loads, load);
    assert_int_equal(faults, 0);
}

static void refuses(uint64_t value)
{
    uint64_t before[GUEST_REGISTERS];

    memcpy(before, registers, sizeof(before));
    flushes = loads = 0;
    assert_int_equal(vcpu_write_cr0(&vcpu, value), NEXT_RESUME);
    assert_memory_equal(before, registers, sizeof(before));
    assert_int_equal(flushes + loads, 0);
    assert_int_equal(faults--, 1);
}

static void bits_alone(void **unused)
{
    (void)unused;
    writes(CR0_PE | CR0_CD, 0, 0);
    writes(CR0_PE | CR0_CD | CR0_NW | CR0_WP, 0, 0);
    writes(CR0_PE, 0, 0);
    refuses(CR0_PE | CR0_NW);
    refuses(CR0_PG);
    refuses(CR0_PE | BIT(32));
}

static void paging_of_32_bits(void **unused)
{
    (void)unused;
    writes(CR0_PE | CR0_PG | CR0_CD, 1, 0);
    writes(CR0_PE | CR0_PG | CR0_WP, 0, 0);
    writes(CR0_PE | CR0_CD, 1, 0);
}

static void paging_with_pae(void **unused)
{
    (void)unused;
    registers[GUEST_CR4] = CR4_PAE;
    writes(CR0_PE | CR0_CD, 0, 0); /* not yet */
    writes(CR0_PE | CR0_PG | CR0_CD, 1, 1);
    writes(CR0_PE | CR0_PG, 0, 1);
    writes(CR0_PE | CR0_PG | CR0_WP, 0, 0); /* NE alone exits, too */
    store_le(fake_ram_at(&vm, TABLE + 8), 1 | 2, 8);
    refuses(CR0_PE | CR0_PG | CR0_CD);
    writes(CR0_PE | CR0_CD, 1, 0);
    refuses(CR0_PE | CR0_PG);
    registers[GUEST_CR3] = 16 * MIB; /* no RAM */
    refuses(CR0_PE | CR0_PG);
}

static void long_mode(void **unused)
{
    (void)unused;
    registers[GUEST_EFER] = EFER_LME;
    refuses(CR0_PE | CR0_PG | CR0_CD); /* without PAE */
    registers[GUEST_CR4] = CR4_PAE;
    mode.code_l = true;
    refuses(CR0_PE | CR0_PG | CR0_CD);
    mode.code_l = false;
    registers[GUEST_TR_RIGHTS] = 0x83; /* a 16-bit TSS */
    refuses(CR0_PE | CR0_PG | CR0_CD);
    refuses(CR0_PE | CR0_PG);
    registers[GUEST_TR_RIGHTS] = 0x8b;
    writes(CR0_PE | CR0_PG | CR0_CD, 1, 0);
    assert_int_equal(registers[GUEST_EFER], EFER_LME | EFER_LMA);
    writes(CR0_PE | CR0_PG, 0, 0);
    mode.bits = 64;
    refuses(CR0_PE | CR0_CD);
    mode.bits = 32;
    registers[GUEST_CR4] |= CR4_PCIDE;
    refuses(CR0_PE | CR0_CD);
    registers[GUEST_CR4] = CR4_PAE;
    writes(CR0_PE | CR0_CD, 1, 0);
    assert_int_equal(registers[GUEST_EFER], EFER_LME);
}

/* Bits 8:5, as a host that sets accessed bits there leaves them: a fault only where MOV loads the entries. */
static void entries_that_nobody_loads(void **unused)
{
    (void)unused;
    registers[GUEST_CR4] = CR4_PAE;
    memcpy(fake_ram_at(&vm, TABLE), &(const uint64_t){0x5021}, 8);
    refuses(CR0_PE | CR0_PG);
    backend.pdpte_reserved = 0;
    writes(CR0_PE | CR0_PG, 1, 1);
    state.cr4_allowed = CR4_PAE | CR4_PGE;
    assert_int_equal(vcpu_write_cr4(&vcpu, CR4_PAE | CR4_PGE), NEXT_SKIP_AND_RESUME);
    assert_int_equal(registers[GUEST_CR4], CR4_PAE | CR4_PGE);
    backend.pdpte_reserved = UINT64_C(0xfff00000000001e6);
    registers[GUEST_CR4] = CR4_PAE;
    assert_int_equal(vcpu_write_cr4(&vcpu, CR4_PAE | CR4_PGE), NEXT_RESUME);
    assert_int_equal(registers[GUEST_CR4], CR4_PAE);
    assert_int_equal(faults--, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bits_alone, set_up),
        cmocka_unit_test_setup(paging_of_32_bits, set_up),
        cmocka_unit_test_setup(paging_with_pae, set_up),
        cmocka_unit_test_setup(long_mode, set_up),
        cmocka_unit_test_setup(entries_that_nobody_loads, set_up),
    };

    return cmocka_run_group_tests(tests, create, NULL);
}
