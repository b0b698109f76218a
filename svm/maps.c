/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permission maps (APM volume 2, "MSR intercepts" and "I/O intercepts"): closed, but for what only concerns
 * the guest and is switched with it. VMLOAD and VMSAVE switch the bases of FS and GS and the MSRs of system
 * calls, so the guest has them for itself. IA32_TSC is read by software, as not every host adds the offset to
 * it; EFER has a bit that is not the guest's.
 */
#include "arch/x86/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/string.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "core/vm/backend.h"
#include "svm/msr.h"
#include "vcpu/guards.h"

#define IO_MAP_PAGES 3 /* a bit for each port, and a few behind for accesses across the end */
#define MAP_RANGE    2048u
#define MSR_READ     1u
#define MSR_WRITE    2u
#define MSR_BOTH     (MSR_READ | MSR_WRITE)

_Static_assert(MAP_RANGE * 4 == 0x2000, "two bits for each MSR of a range");

static uint8_t *closed, *delayed;

static void open_msr(uint8_t *map, uint32_t msr, unsigned rights)
{
    unsigned range = msr >> 16 == 0xc000 ? 1 : msr >> 16 == 0xc001 ? 2 : 0, index = msr & 0x1fff;

    ASSERT((msr & ~0x1fffu) == 0 || range); /* others always exit */
    map[range * MAP_RANGE + index / 4] &= (uint8_t) ~(rights << 2 * (index % 4));
}

void svm_msr_map_init(uint8_t *map, const struct vm *vm)
{
    static const uint32_t open[] = {IA32_SYSENTER_CS, IA32_SYSENTER_ESP,  IA32_SYSENTER_EIP, IA32_STAR,
                                    IA32_LSTAR,       IA32_CSTAR,         IA32_FMASK,        IA32_FS_BASE,
                                    IA32_GS_BASE,     IA32_KERNEL_GS_BASE};

    memset(map, 0xff, MSR_MAP_PAGES * PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(open); i++)
        open_msr(map, open[i], MSR_BOTH);
    if (backend.guest_may_use(GUEST_RDTSCP))
        open_msr(map, IA32_TSC_AUX, MSR_READ);
    if (guards_open_pred_cmd(vm))
        open_msr(map, IA32_PRED_CMD, MSR_WRITE);
}

static void open_port(uint8_t *map, unsigned port)
{
    map[port / 8] &= (uint8_t)~BIT(port % 8);
}

bool svm_io_maps_create(void)
{
    closed = memory_alloc_zeroed(&memory_host, MEMORY_CONTROL, 2 * IO_MAP_PAGES);
    if (!closed)
        return false;
    memset(closed, 0xff, 2 * IO_MAP_PAGES * PAGE_SIZE);
    delayed = closed + IO_MAP_PAGES * PAGE_SIZE;
    open_port(delayed, 0x80);
    open_port(delayed, 0xed);
    return true;
}

hpa_t svm_io_map(const struct vm_config *c)
{
    return virt_to_phys(c->pass_io_delay ? delayed : closed);
}
