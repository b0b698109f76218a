/* SPDX-License-Identifier: BSD-2-Clause */
/* Nothing of the machine is open to a guest without an exit, but what VMLOAD and VMSAVE switch with it. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "svm/maps.c"

#include <string.h>

#define MAP_BYTES (MSR_MAP_PAGES * PAGE_SIZE)

struct account memory_host;
static bool barrier, rdtscp;

void *memory_alloc_zeroed(struct account *account, enum memory_kind kind UNUSED, uint64_t count)
{
    assert_ptr_equal(account, &memory_host);
    assert_int_equal(count, 2 * IO_MAP_PAGES);
    return memset(phys_to_virt(hpa(PAGE_SIZE)), 0, count * PAGE_SIZE);
}

bool guards_open_pred_cmd(const struct vm *vm UNUSED)
{
    return barrier;
}

static bool guest_may_use(enum guest_feature feature)
{
    return feature == GUEST_RDTSCP && rdtscp;
}

struct backend backend = {.guest_may_use = guest_may_use};

static int set_up(void **state UNUSED)
{
    return fake_memory_create((1 + 2 * IO_MAP_PAGES) * PAGE_SIZE) && svm_io_maps_create() ? 0 : -1;
}

/* Every port, and the bits behind the last one: an access there may begin below. */
static void ports(void **state UNUSED)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        const struct vm_config c = {.pass_io_delay = pass};
        const uint8_t *map = phys_to_virt(svm_io_map(&c));

        assert_int_equal((uintptr_t)map % PAGE_SIZE, 0);
        for (unsigned port = 0; port < 0x10000 + 3; port++) {
            bool is_open = !(map[port / 8] >> (port & 7) & 1);

            assert_int_equal(is_open, pass && (port == 0x80 || port == 0xed));
        }
    }
}

/* Two bits each, by the manual's three ranges. */
static unsigned rights(const uint8_t *map, uint32_t msr)
{
    unsigned at = (msr & 0x1fff) * 2 + (msr >> 16 == 0xc000 ? 0x4000 : msr >> 16 == 0xc001 ? 0x8000 : 0);

    return ~(map[at / 8] >> at % 8) & 3u;
}

static unsigned expected(uint32_t msr)
{
    switch (msr) {
    case IA32_SYSENTER_CS:
    case IA32_SYSENTER_ESP:
    case IA32_SYSENTER_EIP:
    case IA32_STAR:
    case IA32_LSTAR:
    case IA32_CSTAR:
    case IA32_FMASK:
    case IA32_FS_BASE:
    case IA32_GS_BASE:
    case IA32_KERNEL_GS_BASE: return MSR_BOTH;
    case IA32_TSC_AUX: return rdtscp ? MSR_READ : 0;
    case IA32_PRED_CMD: return barrier ? MSR_WRITE : 0;
    default: return 0;
    }
}

static void msrs(void **state UNUSED)
{
    static const uint32_t ranges[] = {0, 0xc0000000, 0xc0010000};
    static uint8_t map[MAP_BYTES];
    static const struct vm vm;

    for (unsigned i = 0; i < 4; i++) {
        barrier = i & 1;
        rdtscp = i & 2;
        svm_msr_map_init(map, &vm);
        for (unsigned r = 0; r < ARRAY_SIZE(ranges); r++) {
            for (uint32_t msr = ranges[r]; msr < ranges[r] + 0x2000; msr++)
                assert_int_equal(rights(map, msr), expected(msr));
        }
        for (unsigned k = 3 * MAP_RANGE; k < MAP_BYTES; k++)
            assert_int_equal(map[k], 0xff);
    }
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(ports), TEST(msrs)};

    return cmocka_run_group_tests(tests, set_up, NULL);
}
