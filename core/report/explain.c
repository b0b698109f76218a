/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/report/explain.h"

#include "arch/x86/features.h"
#include "arch/x86/lapic.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/percpu.h"
#include "arch/x86/string.h"
#include "core/base/format.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/machine_errors.h"
#include "core/base/memory.h"
#include "core/report/explain_found.h"
#include "core/vm/backend.h"

static void explain_row(const char *name, bool present, const char *text)
{
    print("  %-32s %-8s %s\n", name, present ? "present" : "absent", text);
}

static void explain_tsc_rate(void)
{
    const struct tsc_source *by = &machine.tsc_source;

    print("  TSC %llu.%03llu MHz by %s%s", (unsigned long long)(machine.tsc_hz / 1000000),
          (unsigned long long)(machine.tsc_hz / 1000 % 1000), by->cpuid ? "CPUID, as " : "",
          by->timer ? by->timer : "no timer counts");
    if (by->timer)
        print("%s, its samples within %u ppm", by->cpuid ? " agrees" : "", by->spread_ppm);
    print("\n");
}

static void explain_tsc_of_cpus(void)
{
    char text[80] = "every CPU's is the boot CPU's";

    if (machine.tsc_warp)
        format(text, sizeof(text), "%llu ticks apart: guests may see time go back",
               (unsigned long long)machine.tsc_warp);
    explain_row("one TSC", !machine.tsc_warp, text);
}

static void explain_cpu(void)
{
    char brand[49];

    cpu_brand(brand);
    print("CPU: %s, %u CPU(s), %u-bit physical addresses\n", brand, cpu_count, cpu_physical_bits());
    explain_tsc_rate();
    explain_found();
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        bool present = feature_present((enum cpu_feature)f);
        bool used = present && (f != FEATURE_TSC_DEADLINE || lapic_has_tsc_deadline());

        explain_row(feature_name((enum cpu_feature)f), present,
                    used ? "used" : feature_instead((enum cpu_feature)f));
    }
    explain_tsc_of_cpus();
}

static void explain_serial_port(const struct acpi_register *r)
{
    char text[48] = "screen only";

    if (r->address)
        format(text, sizeof(text), "console, at %s %llx", r->space == ACPI_PORT ? "port" : "address",
               (unsigned long long)r->address);
    explain_row("serial port", r->address, text);
}

static void explain_chipset(void)
{
    const struct acpi_info *a = &machine.acpi;

    print("Chipset: booted by %s, %llu MiB of memory, %llu MiB free for VMs\n", machine.boot.loader,
          (unsigned long long)(memory_total_pages() * PAGE_SIZE / MIB),
          (unsigned long long)(memory_free_pages() * PAGE_SIZE / MIB));
    explain_row("ACPI MADT", a->madt.present,
                a->madt.present ? "CPUs and I/O APICs from it" : "one CPU, no console interrupt");
    explain_row("ACPI FADT", a->fadt.present, a->fadt.present ? "power control from it" : "no power off");
    explain_row("ACPI \\_S5", a->s5.present, a->s5.present ? "power off" : "halt instead of power off");
    explain_row("ACPI MCFG", a->mcfg.present, a->mcfg.present ? "not used yet" : "ports CF8h and CFCh");
    explain_row("ACPI SPCR", a->spcr.present, a->spcr.present ? "console from it" : "console on COM1");
    explain_row("ACPI DMAR", a->dmar.value != 0, "not used: no device is passed through");
    explain_serial_port(&machine.serial);
    explain_row("machine checks", machine_check_banks() > 0,
                machine_check_banks() ? "all banks report" : "none are seen");
    machine_errors_explain();
    explain_row("screen", machine.boot.framebuffer.present,
                !machine.boot.framebuffer.present                   ? "serial only"
                : machine.boot.framebuffer.type == FRAMEBUFFER_TEXT ? "text"
                                                                    : "framebuffer");
}

static bool shares(const struct vm_config *c, unsigned i)
{
    return i < cpu_count && cpus[i]->queue && (!c->cpus_line || cpu_set_has(&c->cpus, i));
}

/* Three in a row and more as the first and the last. */
static void explain_shared_cpus(const struct vm_config *c)
{
    char list[64] = "";
    size_t n = 0;

    _Static_assert(MAX_CPUS <= 1000, "two numbers and a sign take 8 bytes with a space, three points 4");
    for (unsigned i = 0, end; i < cpu_count; i = end) {
        for (end = i; shares(c, end);)
            end++;
        if (end == i) {
            end++;
            continue;
        }
        if (n >= sizeof(list) - 13) {
            format(list + n, sizeof(list) - n, " ...");
            break;
        }
        end = end - i < 3 ? i + 1 : end;
        n += (size_t)format(list + n, sizeof(list) - n, end - i == 1 ? " %u" : " %u-%u", i, end - 1);
    }
    print("    vcpus share CPU%s, weight %u, slices of %u us\n", list, c->weight, c->slice_us);
}

static void explain_own_cpus(const struct vm *vm)
{
    for (unsigned k = 0, n; k < vm->vcpu_count; k += n) {
        unsigned cpu = vm->vcpus[k]->cpu->id;

        for (n = 1; k + n < vm->vcpu_count && vm->vcpus[k + n]->cpu->id == cpu + n;)
            n++;
        if (n == 1)
            print("    vcpu %u alone on CPU %u\n", k, cpu);
        else
            print("    vcpus %u-%u, each alone on one of CPUs %u-%u\n", k, k + n - 1, cpu, cpu + n - 1);
    }
}

/* The CPUs that were given to a VM, as far as it was built. */
static void explain_placement(const struct vm_config *c)
{
    if (c->sched == SCHED_SHARED) {
        explain_shared_cpus(c);
        return;
    }
    for (const struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (vm->config == c)
            explain_own_cpus(vm);
    }
}

static void explain_devices(const struct vm_config *c)
{
    if (c->rng)
        print("    rng: the processor's random bytes\n");
    for (unsigned i = 0; i < c->disk_count; i++) {
        const struct disk_config *disk = &c->disks[i];

        print("    disk %u: %s, ", i, disk->file);
        if (disk->budget)
            print("of which %llu MiB may be changed\n", (unsigned long long)(disk->budget / MIB));
        else
            print("read-only\n");
    }
    for (unsigned i = 0; i < c->shared_count; i++)
        print("    shared %s: %llu MiB%s, number %u\n", c->shared[i].name,
              (unsigned long long)(c->shared[i].size / MIB), c->shared[i].read_only ? ", read-only" : "",
              c->shared[i].peer);
    for (unsigned i = 0; i < c->port_count; i++)
        print("    %s %s: %u pair(s) of queues, MTU %u\n", c->ports[i].link ? "link" : "net", c->ports[i].net,
              c->ports[i].pairs, c->ports[i].mtu);
    if (c->console == CONSOLE_VIRTIO)
        print("    console: virtio, and the UART\n");
    if (c->serial[0])
        print("    serial %s: port 1 of that console\n", c->serial);
}

static const char *what_becomes_of(const struct vm_config *c, bool can_run)
{
    if (!c->valid)
        return "NOT started: see the errors above";
    return can_run ? "starts" : "NOT started: see [1] below";
}

static void explain_one_vm(const struct vm_config *c, bool can_run)
{
    print("  [vm %s] %s, %llu MiB, %u vcpu(s), %s%s%s\n", c->name, what_becomes_of(c, can_run),
          (unsigned long long)(c->memory / MIB), c->vcpus, c->kernel, c->initrd[0] ? " with " : "",
          c->initrd);
    if (!c->valid)
        return;
    explain_placement(c);
    explain_devices(c);
    if (can_run)
        backend.explain_vm(c);
}

static void explain_net(const struct config *c, const struct net_config *net)
{
    bool polled = false;

    print("  [net %s] a %s, %u card(s), served by", net->name, net->hops ? "chain" : "switch",
          config_count_cards(c, net->name, false));
    for (unsigned i = 1; i < cpu_count; i++) {
        if (cpu_set_has(&net->cpus, i)) {
            print("%s CPU %u", polled ? "," : "", i);
            polled = true;
        }
    }
    print("%s\n", polled ? " alone" : " whoever sends");
}

/* Numbered reasons, the same as in docs/explain.md. */
static void explain_reasons(const char *missing, const struct config *config)
{
    bool any = false;

    print("What cannot be had here:\n");
    if (missing) {
        print("  [1] guests: this CPU lacks %s\n", missing);
        any = true;
    }
    if (cpu_count < machine.acpi.madt.cpu_count) {
        print("  [2] %u CPU(s) that the firmware lists did not start\n",
              machine.acpi.madt.cpu_count - cpu_count);
        any = true;
    }
    if (!machine.acpi.s5.present) {
        print("  [3] power off: the firmware has no \\_S5\n");
        any = true;
    }
    if (!lapic_has_tsc_deadline()) {
        print("  [4] exact host timers: %s, the one-shot timer rounds\n",
              feature_present(FEATURE_TSC_DEADLINE)
                  ? "TSC-deadline mode has a flaw that newer microcode mends"
                  : "no TSC-deadline mode");
        any = true;
    }
    if (!machine.acpi.dmar.value) {
        print("  [5] device passthrough: no IOMMU (ACPI DMAR)\n");
        any = true;
    }
    if (!config || !config->vm_count) {
        print("  [6] VMs: %s\n",
              config ? "skerry.cfg has no [vm NAME] section" : "no module named skerry.cfg was loaded");
        any = true;
    }
    if (!any)
        print("  nothing\n");
}

void explain(const struct config *config, const char *missing)
{
    print("---- Skerry " SKERRY_VERSION " on this machine ----\n");
    explain_cpu();
    explain_chipset();
    if (!missing)
        backend.explain();
    print("VMs:%s\n", config && config->vm_count ? "" : " none");
    for (unsigned i = 0; config && i < config->vm_count; i++)
        explain_one_vm(&config->vms[i], !missing);
    for (unsigned i = 0; config && i < config->net_count; i++)
        explain_net(config, &config->nets[i]);
    explain_reasons(missing, config);
    print("----\n");
}
