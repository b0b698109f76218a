/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives up write access to its own memory, on two CPUs of which one goes on writing: from the moment the call
 * has returned no write gets through, whatever translations the other CPU still has. So this VM ends in a
 * crash; started again it can write as before. With one CPU only the harmless part runs.
 */
#include "lib/guest.h"

#include "hypercall/abi.h"
#include "lib/second_cpu.h"

#define PIECE   0x200000u
#define QUIET   0x600000u /* nobody writes there */
#define WRITTEN 0x800000u /* the other CPU does */
#define SECRET  0x600df00du

const char guest_name[] = "protect";

static volatile uint32_t *const counter = (volatile uint32_t *)WRITTEN;
static volatile uint32_t *const quiet = (volatile uint32_t *)QUIET;

static int protect(uint32_t at, uint32_t size)
{
    int result;

    __asm__ volatile("vmcall" : "=a"(result) : "a"(SKERRY_CALL_PROTECT), "b"(at), "c"(size) : "memory");
    return result;
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
    check(protect(QUIET, PIECE) == 0 && *quiet == SECRET, "protected memory can be read");
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
