/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up write access to its own memory, on two CPUs of which one goes on writing: from the moment the call
 * has returned no write gets through, whatever translations the other CPU still has. So this VM ends in a
 * crash; started again it can write as before. With one CPU only the harmless part runs, and what the words
 * on the command line ask for, which ends in a crash, too: a write that the hypervisor does for it, or the
 * memory that firmware and images are loaded into.
 */
#include "lib/guest.h"

#include "hypercall/abi.h"
#include "lib/hypercall.h"
#include "lib/second_cpu.h"

#define PIECE   0x200000u
#define QUIET   0x600000u /* nobody writes there */
#define WRITTEN 0x800000u /* the other CPU does */
#define SECRET  0x600df00du
#define OPEN    0xa00000u /* nobody protects it */
#define SCRATCH 0x3ffu    /* the UART's register that gives back what it was given */
#define IOAPIC  0xfec00000u
/* KVM's */
#define MSR_WALL  0x4b564d00u
#define MSR_CLOCK 0x4b564d01u
#define MSR_STEAL 0x4b564d03u
#define MSR_EOI   0x4b564d04u

const char guest_name[] = "protect";

static volatile uint32_t *const counter = (volatile uint32_t *)WRITTEN;
static volatile uint32_t *const quiet = (volatile uint32_t *)QUIET;

static int protect(uint32_t at, uint32_t size)
{
    return hypercall(SKERRY_CALL_PROTECT, at, size, 0, 0);
}

static void write_for_ever(void)
{
    for (;;)
        ++*counter;
}

static bool writes_on(void)
{
    uint32_t seen = *counter;

    for (unsigned i = 0; i < 1000000 && *counter == seen; i++)
        __asm__ volatile("pause");
    return *counter != seen;
}

static void try_nonsense(const struct boot_info *info)
{
    uint32_t end = memory_end(info);
    bool refused = protect(QUIET, 0) == SKERRY_EINVAL && protect(QUIET + 0x1000, PIECE) == SKERRY_EINVAL &&
                   protect(QUIET, PIECE / 2) == SKERRY_EINVAL && protect(end, PIECE) == SKERRY_EINVAL &&
                   protect(end - PIECE, 2 * PIECE) == SKERRY_EINVAL &&
                   protect(0xfee00000, PIECE) == SKERRY_EINVAL && protect(QUIET, 0xffe00000) == SKERRY_EINVAL;

    *quiet = SECRET;
    check(refused && *quiet == SECRET, "calls that make no sense are refused, and do nothing");
}

/* What is written for it over and over stays where it may be written. */
static void share(void)
{
    static const uint32_t msrs[] = {MSR_CLOCK, MSR_STEAL, MSR_EOI};

    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        bool refused, kept;

        if (try_wrmsr(msrs[i], 0) != NO_TRAP)
            continue; /* it is not offered */
        check(try_wrmsr(msrs[i], (QUIET + PIECE - 64) | 1) == NO_TRAP, "%x is registered", (unsigned)msrs[i]);
        refused = protect(QUIET, PIECE) == SKERRY_EBUSY;
        *quiet = ~SECRET;
        kept = *quiet == ~SECRET;
        *quiet = SECRET;
        check(refused && kept, "with it, protecting is refused, and does nothing");
        wrmsr(msrs[i], OPEN | 1);
    }
}

static bool refused_and_quiet(int result, int expected)
{
    return result == expected && *quiet == SECRET;
}

/* Behind PROTECT. What a call or an MSR would have written. */
static void try_to_be_written_for(void)
{
    static const uint32_t msrs[] = {MSR_WALL, MSR_CLOCK, MSR_STEAL, MSR_EOI};
    uint32_t *before = (uint32_t *)(QUIET - 8);

    before[0] = before[1] = SECRET;
    check(
        refused_and_quiet(hypercall(SKERRY_CALL_VM_INFO, QUIET, sizeof(struct skerry_vm_info), 0, 0),
                          SKERRY_EFAULT) &&
            refused_and_quiet(hypercall(SKERRY_CALL_VM_INFO, QUIET - 8, sizeof(struct skerry_vm_info), 0, 0),
                              SKERRY_EFAULT) &&
            before[0] == SECRET && before[1] == SECRET,
        "no call writes there, nor a part");
    check(hypercall(SKERRY_CALL_VM_INFO, QUIET - 8, 8, 0, 0) == 8 && before[0] != SECRET, "but before it");
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++)
        check(refused_and_quiet(try_wrmsr(msrs[i], QUIET | (i > 0)), GP), "no clock or the like is written");
    check(try_wrmsr(MSR_WALL, OPEN) == NO_TRAP, "but elsewhere");
}

static void ins(void)
{
    uint32_t to = QUIET - 2, count = 4;

    outb(SCRATCH, 0x5a);
    __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(SCRATCH) : "memory");
}

static void movs(void)
{
    uint32_t to = QUIET, from = IOAPIC, count = 4;

    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void end_by(const struct boot_info *info, const char *word, void (*function)(void))
{
    if (!boot_word(info, word))
        return;
    uart_drain();
    function();
    check(*quiet == SECRET, "%s writes nothing, ", word);
    check(false, "and should have ended the VM");
}

/* Where firmware and this guest are: its next write is not. */
static void low(void)
{
    protect(0, PIECE);
    *(volatile uint32_t *)0x100ffc = 0;
}

void guest_main(const struct boot_info *info)
{
    bool others = boot_word(info, "others");
    uint32_t seen;

    apic_enable();
    try_nonsense(info);
    if (others) {
        check(second_cpu_run(write_for_ever), "the other CPU runs");
        check(writes_on(), "the other CPU writes");
    }
    share();
    check(protect(QUIET, PIECE) == 0 && *quiet == SECRET, "protected memory can be read");
    try_to_be_written_for();
    end_by(info, "ins", ins);
    end_by(info, "movs", movs);
    end_by(info, "low", low);
    if (!others)
        return;
    check(writes_on(), "the rest can be written");
    uart_drain();
    seen = (uint32_t)protect(WRITTEN, PIECE);
    for (seen = *counter;;) {
        if (*counter != seen)
            check(false, "a write gets through");
    }
}
