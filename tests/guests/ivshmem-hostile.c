/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two CPUs move and switch off the BARs of two devices with shared memory, while either reads and writes
 * wherever they may be, rings at everybody and at nobody, and has its vectors as they come; the second
 * memory is read-only. Then the devices work as if nothing had been. steps=N: operations of each CPU.
 */
#include "lib/second_cpu.h"
#include "lib/virtio.h"

#define FIRST   0x0d
#define DEVICES 2
#define BARS    4 /* registers; the last one is the upper half of the third */
#define STEPS   20000u
#define MARK    0x5ca1ab1eu

enum { COMMAND = 4, BAR0 = 0x10, MEMORY_ON = 2, MASTER = 4 };
enum { POSITION = 8, DOORBELL = 0xc };

const char guest_name[] = "ivshmem-hostile";

static uint32_t homes[DEVICES][BARS], steps;
static volatile uint32_t done[2], second_done;

static uint32_t any(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Where a BAR may be: at home, where another one is, elsewhere, and where none can be. */
static uint32_t any_place(uint32_t *seed)
{
    static const uint32_t places[] = {0xdc000000, 0xc0000000, 0xdfe00000, 0xcd000000, 0xd0000000, 0xd4000000,
                                      0xe0000000, 0xfee00000, 0x00200000, 0xffffffff, 0,          0xdfffff00};
    uint32_t r = any(seed);

    return r & 1 ? places[(r >> 4) % ARRAY_SIZE(places)] : homes[r >> 8 & 1][(r >> 9) % 3];
}

static void move_bar(uint32_t *seed)
{
    uint32_t r = any(seed), slot = FIRST + (r & 1);

    if (r & 2)
        pci_set(slot, COMMAND, r >> 8 & (MEMORY_ON | MASTER));
    else
        pci_set(slot, BAR0 + 4 * (r >> 4) % (4 * BARS), (r >> 4) % BARS == 3 ? r >> 12 & 1 : any_place(seed));
}

/* Where BARs can be, and nowhere else. */
static void touch(uint32_t *seed)
{
    uint32_t r = any(seed), at = homes[r & 1][(r >> 1) % 3] & ~15u;

    at = r & 8 ? at : 0xdc000000;
    at += (r >> 8) % 0x800 * 4;
    if (r & 16)
        mmio_write(at, any(seed));
    else
        (void)mmio_read(at);
}

static void ring(uint32_t *seed)
{
    uint32_t r = any(seed), at = homes[r >> 31][0] & ~15u;

    mmio_write(at + DOORBELL, r & 1 ? (r >> 4 & 3) << 16 | (r >> 8 & 15) : any(seed));
}

static void run_steps(unsigned cpu)
{
    static void (*const operations[])(uint32_t *) = {move_bar, touch, touch, ring};
    uint32_t seed = 0x12345678u + cpu * 0x9e3779b9u;

    for (uint32_t i = 0; i < steps; i++) {
        uint32_t r = any(&seed);

        operations[(r >> 8) % ARRAY_SIZE(operations)](&seed);
        done[cpu]++;
    }
}

static void second_main(void)
{
    traps_load();
    apic_enable();
    run_steps(1);
    second_done = 1;
    stop();
}

static void put_back(void)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        pci_set(FIRST + i, COMMAND, 0);
        for (unsigned bar = 0; bar < BARS; bar++)
            pci_set(FIRST + i, BAR0 + 4 * bar, homes[i][bar]);
    }
    for (unsigned i = 0; i < DEVICES; i++)
        pci_set(FIRST + i, COMMAND, MEMORY_ON | MASTER);
}

static bool holds(unsigned device, uint32_t value)
{
    volatile uint32_t *memory = (volatile uint32_t *)(homes[device][2] & ~15u);

    memory[0x1000] = value;
    return memory[0x1000] == value;
}

static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
}

void guest_main(const struct boot_info *info)
{
    steps = boot_number(info, "steps", STEPS);
    on_interrupt(NMI, on_nmi);
    apic_enable();
    for (unsigned i = 0; i < DEVICES * BARS; i++)
        homes[i / BARS][i % BARS] = pci_get(FIRST + i / BARS, BAR0 + 4 * (i % BARS));
    if (!second_cpu_run(second_main))
        check(false, "a second CPU");
    run_steps(0);
    while (!second_done)
        ;
    check(done[0] == steps && done[1] == steps, "%u operations of each CPU", (unsigned)steps);
    put_back();
    check(holds(0, MARK) && holds(0, ~MARK), "memory is memory");
    check(!holds(1, MARK) || !holds(1, ~MARK), "read-only memory is not");
    check(mmio_read((homes[0][0] & ~15u) + POSITION) == 1, "its number is its own");
}
