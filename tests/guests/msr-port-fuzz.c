/* SPDX-License-Identifier: BSD-2-Clause */
/* MSRs and ports at random, the same ones in every run: a value or #GP, and nobody's port reads as all ones.
 */
#include "lib/guest.h"

#define ROUNDS 20000

const char guest_name[] = "msr-port-fuzz";

static uint64_t state = 0x5eed5eed5eed5eed;

static uint32_t random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static volatile uint32_t nmis;

static void count_nmi(struct trap_frame *frame)
{
    (void)frame;
    nmis++; /* an ICR write can send one */
}

/* --- MSRs --- */

static const struct {
    uint32_t first, count;
} msr_ranges[] = {
    {0x0, 0x2000},        {0x0, 0x200},       {0x800, 0x40}, {0x480, 0x20},
    {0xc0000000, 0x2000}, {0xc0000080, 0x10}, {0x6e0, 1},    {0x4b564d00, 16},
    {0x40000000, 0x100},  {0xc0000100, 4},    {0x200, 0x80}, {0x277, 1},
};

static uint32_t pick_msr(void)
{
    uint32_t i = random() % (ARRAY_SIZE(msr_ranges) + 1);

    if (i == ARRAY_SIZE(msr_ranges))
        return random();
    return msr_ranges[i].first + random() % msr_ranges[i].count;
}

static uint64_t pick_value(void)
{
    switch (random() % 4) {
    case 0: return 0;
    case 1: return UINT64_MAX;
    case 2: return (uint64_t)1 << (random() % 64);
    default: return (uint64_t)random() << 32 | random();
    }
}

static void fuzz_msrs(void)
{
    uint32_t values = 0, faults = 0, odd = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t msr = pick_msr();
        uint64_t value = pick_value();
        int vector = random() & 1 ? try_rdmsr(msr, &value) : try_wrmsr(msr, value);

        if (vector == NO_TRAP) {
            values++;
        } else if (vector == GP) {
            faults++;
        } else {
            odd++;
            say("MSR %x, vector %d", (unsigned)msr, vector);
        }
    }
    check(!odd, "%u MSR accesses: %u done, %u #GP, %u other", ROUNDS, (unsigned)values, (unsigned)faults,
          (unsigned)odd);
}

/* --- ports --- */

/* Devices of the virtual machine: what they answer is theirs to say. */
static const struct {
    uint16_t first, last;
} owned[] = {
    {0x40, 0x43}, {0x60, 0x61},   {0x64, 0x64},   {0x70, 0x71},   {0x80, 0x80},
    {0x92, 0x92}, {0x3f8, 0x3ff}, {0x600, 0x60b}, {0xcf8, 0xcff},
};

/* These reset or power off. */
static const uint16_t deadly[] = {0x64, 0x92, 0x600, 0xcf9};

/* Where devices are or could be: half of all accesses go there. */
static const uint16_t likely[] = {0x00,  0x20,  0x40,  0x60,  0x70,  0x80,   0xa0,   0xe8,  0x170,
                                  0x1f0, 0x2f8, 0x376, 0x3b0, 0x3c0, 0x3f8,  0x400,  0x510, 0x5f8,
                                  0x604, 0x608, 0xcf4, 0xcf8, 0xcfc, 0x8900, 0xb004, 0xffff};

static bool touches(uint16_t port, unsigned bytes, uint16_t first, uint16_t last)
{
    return port <= last && (uint32_t)port + bytes - 1 >= first;
}

static bool is_deadly(uint16_t port, unsigned bytes)
{
    for (unsigned i = 0; i < ARRAY_SIZE(deadly); i++) {
        if (touches(port, bytes, deadly[i], deadly[i]))
            return true;
    }
    return false;
}

static bool is_owned(uint16_t port, unsigned bytes)
{
    for (unsigned i = 0; i < ARRAY_SIZE(owned); i++) {
        if (touches(port, bytes, owned[i].first, owned[i].last))
            return true;
    }
    return false;
}

static bool all_ones(uint16_t port, unsigned bytes)
{
    switch (bytes) {
    case 1: return inb(port) == UINT8_MAX;
    case 2: return inw(port) == UINT16_MAX;
    default: return inl(port) == UINT32_MAX;
    }
}

static void out(uint16_t port, unsigned bytes, uint32_t value)
{
    switch (bytes) {
    case 1: outb(port, (uint8_t)value); break;
    case 2: outw(port, (uint16_t)value); break;
    default: outl(port, value);
    }
}

static void fuzz_ports(void)
{
    uint32_t nobodys = 0, reads = 0, writes = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned bytes = 1u << random() % 3;
        uint16_t port = (uint16_t)random();

        if (random() & 1)
            port = (uint16_t)(likely[random() % ARRAY_SIZE(likely)] + random() % 8);
        if (is_deadly(port, bytes))
            continue;
        if (random() & 1) {
            bool ones = all_ones(port, bytes);

            reads++;
            if (!ones && !is_owned(port, bytes)) {
                nobodys++;
                say("port %x does not read as all ones", port);
            }
        } else if (!touches(port, bytes, 0x3f8, 0x3f8)) { /* else the console fills with noise */
            out(port, bytes, random());
            writes++;
        }
    }
    uart_setup();
    check(!nobodys, "%u port reads, %u writes", (unsigned)reads, (unsigned)writes);
}

void guest_main(const struct boot_info *info)
{
    (void)info;
    on_interrupt(NMI, count_nmi);
    fuzz_msrs();
    fuzz_ports();
    say("%u NMIs", (unsigned)nmis);
}
