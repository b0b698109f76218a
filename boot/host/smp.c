/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/smp.h"

#include "arch/x86/cpu.h"
#include "arch/x86/features.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/misc_enable.h"
#include "arch/x86/mtrr.h"
#include "arch/x86/nmi_line.h"
#include "arch/x86/string.h"
#include "arch/x86/topology.h"
#include "arch/x86/trap.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "boot/host/low_page.h"
#include "boot/host/smp_trampoline.h"
#include "boot/host/tsc_sync.h"

#define XAPIC_LAST_ID 254u

_Static_assert(STACKS_BASE + MAX_CPUS * STACK_SLOT <= MMIO_BASE, "a slot for each CPU");
_Static_assert(MAX_CPUS < UINT16_MAX, "a spinlock has a ticket for each CPU");

extern char trampoline_start[], trampoline_end[], trampoline_data[];

static bool (*ap_prepare)(const char **why);
static void (*ap_entry)(void);
static struct mtrrs mtrrs_there; /* of the one that starts */

static void map_stack(uint64_t base, uint64_t size)
{
    hpa_t pages = memory_alloc(&memory_host, MEMORY_STATE, size / PAGE_SIZE, 1);

    if (!pages.value || !paging_map(&host_tables, base, pages.value, size, MAP_RW))
        panic("no memory for the stack of CPU %u", cpu_count);
    memory_zero(phys_to_virt(pages), size / PAGE_SIZE);
}

/* A page for struct cpu and a slot of stacks, each with an unmapped page below it (arch/x86/layout.h). */
static struct cpu *make_cpu(void)
{
    struct cpu *cpu = memory_alloc_zeroed(&memory_host, MEMORY_STATE, 1);
    uint64_t slot = STACKS_BASE + cpu_count * STACK_SLOT;

    ASSERT(cpu_count < MAX_CPUS);
    if (!cpu)
        panic("no memory for CPU %u", cpu_count);
    cpu->id = cpu_count;
    cpu->stack_top = slot + PAGE_SIZE + STACK_SIZE;
    map_stack(slot + PAGE_SIZE, STACK_SIZE);
    for (unsigned ist = 1; ist <= 3; ist++)
        map_stack(cpu->stack_top + ist * PAGE_SIZE + (ist - 1) * IST_SIZE, IST_SIZE);
    return cpu;
}

void smp_setup_boot_cpu(void)
{
    struct cpu *cpu = make_cpu();

    ASSERT(cpu_count == 0);
    cpus[cpu_count++] = cpu;
    cpu->before = machine.boot_cpu;
    cpu->thread_bits = topology_thread_bits();
    cpu_load_tables(cpu);
    machine_check_enable();
    cpu->online = true;
}

/* A memory type is one on all CPUs, or caches are not coherent. */
static void take_mtrrs(struct cpu *cpu)
{
    mtrr_read(&mtrrs_there);
    if (mtrr_same(&machine.mtrrs, &mtrrs_there))
        return;
    cpu->mtrrs = MTRRS_DIFFER;
    if (mtrr_write(&machine.mtrrs)) {
        mtrr_read(&mtrrs_there);
        cpu->mtrrs = mtrr_same(&machine.mtrrs, &mtrrs_there) ? MTRRS_TAKEN : MTRRS_DIFFER;
    }
}

void smp_open_nmi(void)
{
    struct nmi_line line;

    if (nmi_line(&machine.acpi.madt, this_cpu()->apic_id, cpus[0]->apic_id, &line))
        lapic_open_nmi(line.pin, line.low);
}

static NORETURN void ap_main(struct cpu *cpu)
{
    const char *why;

    misc_enable_show_features();
    tsc_sync_adjust();
    cpu_note_state(&cpu->before);
    cpu_enable_protections();
    cpu_load_tables(cpu);
    cpu->apic_id = lapic_enable();
    smp_open_nmi();
    machine_check_enable();
    cpu->thread_bits = topology_thread_bits();
    take_mtrrs(cpu);
    if (ap_prepare && !ap_prepare(&why)) {
        __atomic_store_n(&cpu->unfit, why, __ATOMIC_RELEASE);
        halt_forever();
    }
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    tsc_sync_answer();
    ap_entry();
    panic("CPU %u: its loop ended", cpu->id);
}

static void wait_microseconds(uint64_t microseconds)
{
    uint64_t start = rdtsc(), ticks = machine.tsc_hz / 1000000 * microseconds;

    while (rdtsc() - start < ticks)
        cpu_pause();
}

static bool wait_for_answer(const struct cpu *cpu, uint64_t microseconds)
{
    for (uint64_t gone = 0; gone < microseconds && !cpu->online && !cpu->unfit; gone += 10)
        wait_microseconds(10);
    return cpu->online || cpu->unfit;
}

static bool start_one(struct cpu *cpu, uint64_t page)
{
    struct trampoline_data *data = phys_to_virt(hpa(page + (uint64_t)(trampoline_data - trampoline_start)));

    *data = (struct trampoline_data){
        .cr3 = virt_to_phys(host_tables.root).value,
        .stack = cpu->stack_top,
        .cpu = (uint64_t)cpu,
        .entry = (uint64_t)ap_main,
    };
    tsc_sync_expect();
    lapic_ipi(cpu->apic_id, ICR_INIT);
    wait_microseconds(10000);
    for (unsigned i = 0; i < 2; i++) {
        lapic_ipi(cpu->apic_id, ICR_STARTUP | (uint32_t)(page >> PAGE_SHIFT));
        if (wait_for_answer(cpu, i ? 1000000 : 200))
            break;
    }
    return cpu->online;
}

/* Not even one that is late comes after that. */
static void leave_out(struct cpu *cpu)
{
    lapic_ipi(cpu->apic_id, ICR_INIT);
    if (cpu->unfit)
        log_error("CPU with APIC ID %u is left out: %s", cpu->apic_id, cpu->unfit);
    else
        log_error("CPU with APIC ID %u did not start", cpu->apic_id);
    wait_microseconds(10000);
    cpu->unfit = NULL; /* behind the wait: what it still said in it is not the next one's */
    cpu->online = false;
    cpu->mtrrs = MTRRS_SAME;
}

static bool can_address(uint32_t apic_id)
{
    if (apic_id <= XAPIC_LAST_ID || lapic_in_x2apic_mode())
        return true;
    log_error("CPU with APIC ID %u did not start: the firmware left xAPIC mode on, which has 8 bits for it",
              apic_id);
    return false;
}

/* A line for the first of a kind: there may be hundreds. */
static void compare_tsc(const struct cpu *cpu)
{
    static bool told;
    bool adjusted;
    uint64_t warp = tsc_sync_compare(&adjusted);

    if (adjusted && !told)
        log_info(
            "the firmware left another TSC on CPU with APIC ID %u: IA32_TSC_ADJUST is the boot CPU's now",
            cpu->apic_id);
    if (warp && !machine.tsc_warp)
        log_error("the TSC of CPU with APIC ID %u is not the boot CPU's: %llu ticks apart", cpu->apic_id,
                  (unsigned long long)warp);
    told |= adjusted;
    machine.tsc_warp = MAX(machine.tsc_warp, warp);
}

static void accept(struct cpu *cpu)
{
    compare_tsc(cpu);
    if (cpu->mtrrs == MTRRS_DIFFER)
        log_error("CPU with APIC ID %u has other MTRRs than the boot CPU, and cannot take them over: "
                  "memory may be slower there, or not what it was",
                  cpu->apic_id);
    cpus[cpu_count++] = cpu;
}

/* What was made for one that is left out is the next one's. */
static void start_each(const struct acpi_madt *madt, uint64_t page)
{
    struct cpu *cpu = NULL;
    unsigned taken = 0;

    for (unsigned i = 0; i < madt->cpu_count && cpu_count < MAX_CPUS; i++) {
        if (madt->cpus[i].apic_id == cpus[0]->apic_id || !can_address(madt->cpus[i].apic_id))
            continue;
        cpu = cpu ? cpu : make_cpu();
        cpu->apic_id = madt->cpus[i].apic_id;
        if (start_one(cpu, page)) {
            accept(cpu);
            taken += cpu->mtrrs == MTRRS_TAKEN;
            cpu = NULL;
        } else {
            leave_out(cpu);
        }
    }
    if (taken)
        log_info("%u CPUs had other MTRRs than the boot CPU: they have its own now", taken);
}

void smp_start_others(bool (*prepare)(const char **why), void (*entry)(void))
{
    const struct acpi_madt *madt = &machine.acpi.madt;
    uint64_t page = low_page_find(&machine.boot, machine.information, machine.information_size);

    ap_prepare = prepare;
    ap_entry = entry;
    if (madt->cpu_count <= 1)
        return;
    if (!page || virt_to_phys(host_tables.root).value >= 4 * GIB) {
        log_error("no page below 640 KiB to start the other CPUs from");
        return;
    }
    ASSERT(trampoline_end - trampoline_start <= (long)PAGE_SIZE);
    memcpy(phys_to_virt(hpa(page)), trampoline_start, (size_t)(trampoline_end - trampoline_start));
    if (!paging_map(&host_tables, page, page, PAGE_SIZE, PTE_P))
        panic("no memory for page tables");
    start_each(madt, page);
    paging_map(&host_tables, page, page, PAGE_SIZE, 0);
    write_cr3(read_cr3());
}

void smp_reset_others(void)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i] != this_cpu())
            lapic_ipi(cpus[i]->apic_id, ICR_INIT);
    }
    wait_microseconds(10000);
}
