/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Skerry's own calls, with good and bad arguments: what they return, and that a refused one does nothing.
 * Command line: targets=N, slots for CR3 targets.
 */
#include "lib/guest.h"

#include "hypercall/abi.h"
#include "lib/hypercall.h"

#define NOT_RAM 0xd0000000u

const char guest_name[] = "calls";

static int32_t call(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    return hypercall(number, a, b, c, 0);
}

static void check_info(const struct boot_info *boot)
{
    static struct skerry_vm_info info;

    memset(&info, 0xee, sizeof(info));
    check(call(SKERRY_CALL_VM_INFO, (uint32_t)&info, 8, 0) == 8 && info.abi_version == SKERRY_ABI_VERSION &&
              info.vcpus == 1 && info.memory == 0xeeeeeeeeeeeeeeee,
          "as much of the answer as there is room for");
    check(call(SKERRY_CALL_VM_INFO, (uint32_t)&info, 4096, 0) == (int32_t)sizeof(info), "all of it");
    check(info.memory == 16 << 20 && info.tsc_khz == (uint32_t)tsc_hz() / 1000 && info.resets == 0 &&
              info.channels == 0 && info.cr3_targets == boot_number(boot, "targets", 0) &&
              info.kvm_features == cpuid(0x40000101, 0).eax && info.name[0] == 'c' && info.name[5] == 0,
          "[vm %s] has %u MiB", info.name, (unsigned)(info.memory >> 20));
    check(call(SKERRY_CALL_VM_INFO, NOT_RAM, sizeof(info), 0) == SKERRY_EFAULT &&
              call(SKERRY_CALL_VM_INFO, (16u << 20) - 4, sizeof(info), 0) == SKERRY_EFAULT &&
              call(SKERRY_CALL_VM_INFO, SKERRY_STATISTICS_BASE, sizeof(info), 0) == SKERRY_EFAULT &&
              call(SKERRY_CALL_VM_INFO, (uint32_t)&info, 0, 0) == SKERRY_EINVAL,
          "nowhere else");
}

static void check_console(void)
{
    static const char text[] = "calls: ok written by a call\n";

    uint32_t done = 0;

    while (done < sizeof(text) - 1) {
        int32_t taken = call(SKERRY_CALL_CONSOLE_WRITE, (uint32_t)text + done, sizeof(text) - 1 - done, 0);

        if (taken < 0)
            break;
        done += (uint32_t)taken;
    }
    check(done == sizeof(text) - 1, "all bytes are taken");
    check(call(SKERRY_CALL_CONSOLE_WRITE, (uint32_t)text, 0, 0) == SKERRY_EINVAL &&
              call(SKERRY_CALL_CONSOLE_WRITE, (uint32_t)text, SKERRY_CONSOLE_MAX + 1, 0) == SKERRY_EINVAL &&
              call(SKERRY_CALL_CONSOLE_WRITE, NOT_RAM, 4, 0) == SKERRY_EFAULT &&
              call(SKERRY_CALL_CONSOLE_WRITE, (16u << 20) - 4, 8, 0) == SKERRY_EFAULT &&
              call(SKERRY_CALL_CONSOLE_WRITE, 0xfffffffc, 8, 0) == SKERRY_EFAULT,
          "no text, too much, or not in RAM");
}

/* Counters move while the guest reads them, and reading is no exit. */
static void check_statistics(void)
{
    const volatile struct skerry_statistics *s = (void *)(uint32_t)call(SKERRY_CALL_STATISTICS, 0, 0, 0);
    uint64_t calls, cpuids, all = 0, before = 0;

    check((uint32_t)s == SKERRY_STATISTICS_BASE, "counters at %x", (unsigned)s);
    check(call(SKERRY_CALL_STATISTICS, 1, 0, 0) == SKERRY_ENOENT, "of no other vCPU");
    calls = s->exits[SKERRY_EXIT_CALL];
    cpuids = s->exits[SKERRY_EXIT_CPUID];
    for (unsigned i = 0; i < 10; i++)
        call(SKERRY_CALL_NOP, 0, 0, 0);
    cpuid(0, 0);
    check(s->exits[SKERRY_EXIT_CALL] == calls + 10 && s->exits[SKERRY_EXIT_CPUID] == cpuids + 1,
          "10 calls and a CPUID are counted");
    wait_for_wire();
    for (unsigned i = 0; i < SKERRY_STATISTICS_KINDS; i++)
        before += s->exits[i];
    for (unsigned i = 0; i < SKERRY_STATISTICS_KINDS; i++)
        all += s->exits[i];
    check(all == before, "reading is no exit");
}

static void check_rest(uint32_t targets)
{
    check(call(SKERRY_CALL_NOP, 1, 2, 3) == 0, "nothing");
    check(call(SKERRY_CALL_YIELD_TO, 0, 0, 0) == 0 && call(SKERRY_CALL_YIELD_TO, 1, 0, 0) == SKERRY_ENOENT,
          "nobody to yield to");
    check(call(SKERRY_CALL_CHANNEL, 0, 0x1000, 64) == SKERRY_ENOENT &&
              call(SKERRY_CALL_LISTEN, 0, 0x50, 0) == SKERRY_ENOENT &&
              call(SKERRY_CALL_DOORBELL, 0, 0, 0) == SKERRY_ENOENT,
          "no channel");
    check(call(SKERRY_CALL_CR3_TARGET, targets, 0x1000, 0) == (targets ? SKERRY_EINVAL : SKERRY_ENODEV) &&
              call(SKERRY_CALL_CR3_CLEAR, targets, 0, 0) == (targets ? SKERRY_EINVAL : SKERRY_ENODEV),
          "no slot %u for CR3 targets", (unsigned)targets);
    check(call(SKERRY_CALL_CR3_CLEAR + 1, 0, 0, 0) == SKERRY_ENOSYS && call(0, 0, 0, 0) == SKERRY_ENOSYS,
          "no such call");
}

void guest_main(const struct boot_info *info)
{
    check(cpuid(SKERRY_CPUID_ABI, 0).eax == SKERRY_ABI_VERSION, "version %u of the ABI", SKERRY_ABI_VERSION);
    check_info(info);
    check_console();
    check_statistics();
    check_rest(boot_number(info, "targets", 0));
    if (boot_word(info, "write")) {
        say("writes to its counters");
        uart_drain();
        *(volatile uint32_t *)SKERRY_STATISTICS_BASE = 0;
        check(false, "a write to its counters gets through");
    }
}
