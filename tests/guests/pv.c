/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's paravirtual interface as a guest knows it, on two CPUs: each feature that is offered does what it
 * says, and one that is not offered is not there. Command line: features=N, as they are expected in EAX of
 * leaf 40000101h; realtime, when the hint is; skerry, when there is no such interface but Skerry's; none,
 * when there is nothing at all; watch, to wait for a pause.
 */
#include "lib/guest.h"
#include "lib/hypercall.h"
#include "lib/second_cpu.h"

#define CLOCK        BIT(0)
#define CLOCK2       BIT(3)
#define STEAL_TIME   BIT(5)
#define PV_EOI       BIT(6)
#define PV_UNHALT    BIT(7)
#define SEND_IPI     BIT(11)
#define POLL_CONTROL BIT(12)
#define YIELD        BIT(13)
#define STABLE       BIT(24)

#define MSR_WALL_OLD  0x11u
#define MSR_CLOCK_OLD 0x12u
#define MSR_WALL      0x4b564d00u
#define MSR_CLOCK     0x4b564d01u
#define MSR_STEAL     0x4b564d03u
#define MSR_EOI       0x4b564d04u
#define MSR_POLL      0x4b564d05u

#define CALL_KICK  5u
#define CALL_IPI   10u
#define CALL_YIELD 11u
#define EINVAL     (-22)
#define ENOSYS     (-1000)

#define NOT_RAM  0xd0000000u
#define ROUNDS   2000
#define VECTOR   0x61u
#define STOPPED  2u          /* in the clock's flags */
#define AUTUMN   1700000000u /* 2023: it is later */
#define PATIENCE 50000000u

const char guest_name[] = "pv";

struct clock {
    uint32_t version, pad;
    uint64_t stamp, system_time;
    uint32_t mul;
    int8_t shift;
    uint8_t flags, more[2];
};

struct steal {
    uint64_t ns;
    uint32_t version, flags;
    uint8_t preempted, more[47];
};

static volatile struct clock clocks[2] ALIGNED(64);
static volatile struct steal steals[2] ALIGNED(64);
static volatile uint32_t eoi_word ALIGNED(4);
static volatile uint32_t wall[3] ALIGNED(4);
static uint32_t features;

/* --- MSRs --- */

/* Written as a guest would, not at all where it is not offered, and not with nonsense. */
static void check_msr(const char *name, uint32_t feature, uint32_t msr, const volatile void *at, bool enable)
{
    uint64_t good = (uint32_t)at | (enable ? 1 : 0), seen = 0;

    if (!(features & feature)) {
        check(try_wrmsr(msr, good) == GP && try_rdmsr(msr, &seen) == GP, "%s is not there", name);
        return;
    }
    check(try_wrmsr(msr, NOT_RAM | (enable ? 1 : 0)) == GP, "%s not outside of RAM", name);
    check(try_wrmsr(msr, good | 2) == GP, "%s not with a reserved bit", name);
    check(try_wrmsr(msr, good) == NO_TRAP && try_rdmsr(msr, &seen) == NO_TRAP && seen == good,
          "%s takes its address", name);
}

static void check_msrs(void)
{
    uint64_t none;

    check_msr("old wall clock", CLOCK, MSR_WALL_OLD, wall, false);
    check_msr("old clock", CLOCK, MSR_CLOCK_OLD, &clocks[0], true);
    check_msr("wall clock", CLOCK2, MSR_WALL, wall, false);
    check_msr("clock", CLOCK2, MSR_CLOCK, &clocks[0], true);
    check_msr("steal time", STEAL_TIME, MSR_STEAL, &steals[0], true);
    check_msr("EOI", PV_EOI, MSR_EOI, &eoi_word, true);
    check(try_rdmsr(0x4b564d02, &none) == GP && try_rdmsr(0x4b564d06, &none) == GP, "no other MSR there");
    if (features & POLL_CONTROL)
        check(try_rdmsr(MSR_POLL, &none) == NO_TRAP && none == 1 && try_wrmsr(MSR_POLL, 0) == NO_TRAP &&
                  try_rdmsr(MSR_POLL, &none) == NO_TRAP && none == 0 && try_wrmsr(MSR_POLL, 2) == GP,
              "polling is on at first, and can be switched off");
    else
        check(try_rdmsr(MSR_POLL, &none) == GP, "no control of polling");
}

/* --- the clock --- */

static uint64_t nanoseconds(unsigned cpu)
{
    const volatile struct clock *c = &clocks[cpu];
    uint32_t version;
    uint64_t ns;

    do {
        uint64_t ticks;

        version = c->version;
        ticks = rdtsc() - c->stamp;
        ticks = c->shift < 0 ? ticks >> -c->shift : ticks << c->shift;
        ns = (ticks >> 32) * c->mul + ((uint64_t)(uint32_t)ticks * c->mul >> 32) + c->system_time;
    } while ((version & 1) || version != c->version);
    return ns;
}

static void check_rate(void)
{
    uint64_t from = nanoseconds(0), tsc = rdtsc(), ticks, ns;
    uint32_t khz = (uint32_t)tsc_hz() / 1000;

    while (rdtsc() - tsc < 20000000)
        ;
    ticks = rdtsc() - tsc;
    ns = nanoseconds(0) - from;
    /* A reading takes some instructions. */
    check(ns * khz > (ticks - 500) * 1000000 && ns * khz < (ticks + 500) * 1000000, "%llu ticks are %llu ns",
          ticks, ns);
}

static volatile uint32_t turn;
static volatile uint64_t latest;
static volatile uint32_t backwards;
static volatile bool clock_ready, quiet;

static void take_turns(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t now;

        while (turn != cpu)
            __asm__ volatile("pause");
        now = nanoseconds(cpu);
        if (now < latest)
            backwards++;
        latest = now;
        __atomic_store_n(&turn, 1 - cpu, __ATOMIC_SEQ_CST);
    }
}

static void second_clock(void)
{
    if (features & CLOCK2)
        wrmsr(MSR_CLOCK, (uint32_t)&clocks[1] | 1);
    clock_ready = true;
    take_turns(1);
    quiet = true;
    stop();
}

static void check_clock(void)
{
    if (!(features & CLOCK2))
        return;
    wrmsr(MSR_CLOCK, (uint32_t)&clocks[0] | 1);
    check((clocks[0].flags & 1) == !!(features & STABLE), "the clock says that it is one line");
    check_rate();
    check(wall[0] % 2 == 0 && wall[1] > AUTUMN && wall[2] < 1000000000, "switched on %u s after 1970",
          (unsigned)wall[1]);
    check(second_cpu_run(second_clock), "the other CPU runs");
    while (!clock_ready)
        __asm__ volatile("pause");
    take_turns(0);
    while (!quiet)
        __asm__ volatile("pause");
    check(clocks[0].stamp == clocks[1].stamp && clocks[0].system_time == clocks[1].system_time,
          "both CPUs have one line");
    check(!backwards, "%u readings in turns, none goes back", 2 * ROUNDS);
}

/* The guest moves its TSC: its clock does not move. */
static void check_moved_tsc(void)
{
    uint64_t before, after, tsc;

    if (!(features & CLOCK2))
        return;
    before = nanoseconds(0);
    tsc = rdtsc();
    wrmsr(0x10, tsc + 1000000000000);
    after = nanoseconds(0);
    check(after >= before && after - before < 100000 && !(clocks[0].flags & 1),
          "a TSC that was moved leaves the clock where it is");
    wrmsr(0x10, rdtsc() - 1000000000000);
    check(nanoseconds(0) >= after, "nor when it comes back");
}

/* Until somebody has paused the VM: the clock says so, and nothing else in it shows. */
static void check_pause(void)
{
    uint64_t last = nanoseconds(0), now, gap = 0;

    clocks[0].flags &= (uint8_t)~STOPPED;
    say("watches its clock");
    uart_drain();
    for (last = nanoseconds(0); !(clocks[0].flags & STOPPED); last = now) {
        now = nanoseconds(0);
        gap = now - last > gap ? now - last : gap;
    }
    now = nanoseconds(0);
    gap = now - last > gap ? now - last : gap;
    check(gap < 1000000, "it was stopped, and jumps by %llu ns at most", gap);
    check(clocks[0].flags & clocks[1].flags & STOPPED, "both CPUs are told");
}

/* --- kick --- */

static volatile uint32_t woken;

static void sleep_deeply(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" ::: "memory");
        woken++;
    }
}

static bool wait_for(const volatile uint32_t *counter, uint32_t before)
{
    for (uint32_t i = 0; i < PATIENCE && *counter == before; i++)
        __asm__ volatile("pause");
    return *counter != before;
}

static void check_kick(void)
{
    unsigned i = 0;

    if (!(features & PV_UNHALT)) {
        check(hypercall(CALL_KICK, 0, 1, 0, 0) == ENOSYS, "no kick");
        return;
    }
    check(hypercall(CALL_KICK, 0, 7, 0, 0) == EINVAL && hypercall(CALL_KICK, 0, 0xffffffff, 0, 0) == EINVAL,
          "nobody to kick");
    check(second_cpu_run(sleep_deeply), "the other CPU sleeps");
    for (bool came = true; i < ROUNDS && came; i++) {
        uint32_t before = woken;

        came = hypercall(CALL_KICK, 0, 1, 0, 0) == 0 && wait_for(&woken, before);
    }
    check(i == ROUNDS && woken >= ROUNDS, "%u kicks out of HLT with interrupts off", i);
}

/* --- IPIs --- */

static volatile uint32_t taken[2], eois_by_word;

/* In one instruction: between a look and a store the offer may be taken back, and the interrupt would never
 * end. */
static bool take_offer(void)
{
    bool offered;

    __asm__ volatile("btrl $0, %1" : "=@ccc"(offered), "+m"(eoi_word));
    return offered;
}

static void end_interrupt(void)
{
    if (this_cpu() == 0 && take_offer()) {
        eois_by_word++;
        return;
    }
    apic_write(APIC_EOI, 0);
}

static void count(struct trap_frame *frame)
{
    (void)frame;
    taken[this_cpu()]++;
    end_interrupt();
}

static void listen(void)
{
    apic_enable();
    interrupts_on();
    taken[1] = 1;
    for (;;)
        __asm__ volatile("pause");
}

static void check_ipis(void)
{
    unsigned i = 0;

    if (!(features & SEND_IPI)) {
        check(hypercall(CALL_IPI, 1, 0, 0, VECTOR) == ENOSYS, "no IPIs by a call");
        return;
    }
    check(hypercall(CALL_IPI, 3, 0, 0, 0x80000000 | VECTOR) == EINVAL &&
              hypercall(CALL_IPI, 3, 0, 0, 0x500) == EINVAL && hypercall(CALL_IPI, 0, 0, 0, VECTOR) == 0 &&
              hypercall(CALL_IPI, 3, 0, 7, VECTOR) == 0 && hypercall(CALL_IPI, 3, 0, 0, 3) == 0,
          "IPIs of other kinds, or to nobody");
    check(second_cpu_run(listen), "the other CPU listens");
    wait_for_wire();
    while (!taken[1])
        __asm__ volatile("pause");
    interrupts_on();
    for (bool came = true; i < ROUNDS && came; i++) {
        uint32_t mine = taken[0], other = taken[1];

        came = hypercall(CALL_IPI, 3, 0, 0, VECTOR) == 2 && wait_for(&taken[0], mine) &&
               wait_for(&taken[1], other);
    }
    check(i == ROUNDS && taken[0] == ROUNDS && taken[1] == ROUNDS + 1, "%u calls, an IPI to each CPU", i);
    interrupts_off();
}

/* --- the rest --- */

static void check_eoi(void)
{
    uint32_t before = taken[0];

    if (!(features & PV_EOI)) {
        check(!eois_by_word, "no EOIs in memory");
        return;
    }
    wait_for_wire();
    wrmsr(MSR_EOI, (uint32_t)&eoi_word | 1);
    eois_by_word = 0;
    interrupts_on();
    for (unsigned i = 0; i < ROUNDS; i++)
        apic_send_icr(0, ICR_TO_SELF | VECTOR);
    wait_for(&taken[0], before + ROUNDS - 1);
    check(taken[0] == before + ROUNDS && eois_by_word > ROUNDS / 2, "%u of %u EOIs in memory",
          (unsigned)eois_by_word, ROUNDS);
    check(!(apic_read(APIC_ISR + VECTOR / 32 * 16) >> VECTOR % 32 & 1), "nothing is left in service");
    interrupts_off();
    wrmsr(MSR_EOI, 0);
}

static void check_yield(void)
{
    if (!(features & YIELD)) {
        check(hypercall(CALL_YIELD, 1, 0, 0, 0) == ENOSYS, "no yield");
        return;
    }
    check(hypercall(CALL_YIELD, 0, 0, 0, 0) == 0 && hypercall(CALL_YIELD, 1, 0, 0, 0) == 0, "yields");
    check(hypercall(CALL_YIELD, 2, 0, 0, 0) == EINVAL, "nobody to yield to");
}

static void check_steal(void)
{
    if (!(features & STEAL_TIME))
        return;
    check(steals[0].version && steals[0].version % 2 == 0 && steals[0].preempted == 0, "%llu ns stolen",
          (unsigned long long)steals[0].ns);
}

static void do_nop(void *argument)
{
    (void)argument;
    hypercall(0x534b0000, 0, 0, 0, 0);
}

/* A machine that does not say that it is virtual. */
static void check_nothing(void)
{
    bool zeros = true;

    for (uint32_t leaf = 0x40000000; leaf < 0x40000200; leaf++) {
        struct cpuid r = cpuid(leaf, 0);

        zeros = zeros && !(r.eax | r.ebx | r.ecx | r.edx);
    }
    check(zeros && !(cpuid(1, 0).ecx & BIT(31)), "no leaf of a hypervisor");
    check(trap_call(do_nop, NULL) == UD, "VMCALL is undefined");
    check_msrs();
}

static void check_leaves(const struct boot_info *info)
{
    struct cpuid kvm = cpuid(0x40000100, 0), offered = cpuid(0x40000101, 0), own = cpuid(0x40000000, 0);
    struct cpuid timing = cpuid(0x40000010, 0);

    check(own.ebx == 0x72656b53 && own.eax >= 0x40000010, "Skerry's signature");
    check(timing.eax == (uint32_t)tsc_hz() / 1000 && timing.ebx == timing.eax, "TSC and APIC timer at %u kHz",
          (unsigned)timing.eax);
    if (boot_word(info, "skerry"))
        check(!(kvm.eax | kvm.ebx | kvm.ecx | kvm.edx), "no signature of KVM's");
    else
        check(kvm.eax == 0x40000101 && kvm.ebx == 0x4b4d564b && kvm.ecx == 0x564b4d56 && kvm.edx == 0x4d,
              "KVM's signature");
    features = offered.eax;
    check(features == boot_number(info, "features", 0), "features %x", (unsigned)features);
    check(offered.edx == (boot_word(info, "realtime") ? 1 : 0), "hints %x", (unsigned)offered.edx);
}

void guest_main(const struct boot_info *info)
{
    apic_enable();
    if (has_x2apic())
        wrmsr(APIC_BASE_MSR, rdmsr(APIC_BASE_MSR) | APIC_BASE_X2APIC);
    apic_enable();
    on_interrupt(VECTOR, count);
    if (boot_word(info, "none")) {
        check_nothing();
        return;
    }
    check_leaves(info);
    check_msrs();
    check_clock();
    if (boot_word(info, "watch"))
        check_pause();
    check_moved_tsc();
    check_kick();
    check_ipis();
    check_eoi();
    check_yield();
    check_steal();
}
