/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/survey.h"

#include "arch/x86/identity.h"
#include "arch/x86/string.h"
#include "boot/efi/files.h"
#include "boot/efi/firmware.h"
#include "boot/efi/report.h"

#define ROOM        (64 * KIB)
#define MOST_CPUS   1024
#define MOST_LEAVES 64
#define RATE_US     100000

#define MSR_FEATURE_CONTROL   0x3a
#define MSR_MTRR_CAP          0xfe
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_MTRR_BASE0        0x200
#define MSR_MTRR_DEFAULT      0x2ff
#define MSR_VMX_BASIC         0x480
#define MSR_VMX_PROC          0x482
#define MSR_VMX_VMCS_ENUM     0x48a
#define MSR_VMX_PROC2         0x48b
#define MSR_VMX_EPT_VPID      0x48c
#define MSR_VMX_TRUE_PIN      0x48d
#define MSR_VMX_TRUE_ENTRY    0x490
#define MSR_VMX_PROC3         0x492
#define MSR_APIC_BASE         0x1b

/* One of each CPU, which alone writes it. */
struct stand_still {
    uint32_t apic_id;
    uint64_t longest; /* TSC ticks between two reads */
    uint64_t smis;    /* that came meanwhile */
};

static struct {
    struct stand_still cpus[MOST_CPUS];
    uint32_t count;
    bool counts_smis;
    uint64_t ticks; /* to look for */
} watch;

/* MP services (PI specification, volume 2, section 13.4); GNU-EFI's headers lack it. */
#define MP_SERVICES_GUID                                   \
    {                                                      \
        0x3fdda605, 0xa76e, 0x4f46,                        \
        {                                                  \
            0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 \
        }                                                  \
    }
struct mp_services {
    EFI_STATUS(EFIAPI *get_number)(struct mp_services *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_info)(struct mp_services *self, UINTN number, void *out);
    EFI_STATUS(EFIAPI *startup_all)
    (struct mp_services *self, void(EFIAPI *procedure)(void *), BOOLEAN one_by_one, EFI_EVENT wait,
     UINTN microseconds, void *argument, UINTN **failed);
};

bool survey_wanted(const char *options, unsigned *seconds)
{
    static const char word[] = "survey";
    size_t length = sizeof(word) - 1;

    *seconds = SURVEY_SECONDS;
    for (const char *at = options; *at; at++) {
        if ((at != options && at[-1] != ' ') || memcmp(at, word, strnlen(at, length)) != 0 ||
            strnlen(at, length) < length)
            continue;
        if (at[length] == '\0' || at[length] == ' ')
            return true;
        if (at[length] != '=')
            continue;
        *seconds = 0;
        for (at += length + 1; *at >= '0' && *at <= '9' && *seconds < 3600; at++)
            *seconds = *seconds * 10 + (unsigned)(*at - '0');
        return true;
    }
    return false;
}

/* --- what is there --- */

static void report_leaves(uint32_t first)
{
    uint32_t last = MIN(cpuid(first, 0).eax, first + MOST_LEAVES - 1);

    for (uint32_t leaf = first; leaf <= last && last >= first; leaf++) {
        unsigned subleaves = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd ? 4 : 1;

        for (uint32_t sub = 0; sub < subleaves; sub++) {
            struct cpuid c = cpuid(leaf, sub);

            report("cpuid %x %x %x %x %x %x\n", leaf, sub, c.eax, c.ebx, c.ecx, c.edx);
        }
    }
}

static uint64_t report_msr(uint32_t msr)
{
    uint64_t value = rdmsr(msr);

    report("msr %x %llx\n", msr, (unsigned long long)value);
    return value;
}

/* Each that is there by another's word: one that is not would fault, and the firmware would stop. */
static void report_vmx(void)
{
    uint64_t basic, proc, proc2 = 0;

    report_msr(MSR_FEATURE_CONTROL);
    basic = report_msr(MSR_VMX_BASIC);
    for (uint32_t msr = MSR_VMX_BASIC + 1; msr <= MSR_VMX_VMCS_ENUM; msr++)
        report_msr(msr);
    proc = rdmsr(MSR_VMX_PROC) >> 32;
    if (proc & BIT(31))
        proc2 = report_msr(MSR_VMX_PROC2) >> 32;
    if (proc2 & (BIT(1) | BIT(5))) /* EPT, VPID */
        report_msr(MSR_VMX_EPT_VPID);
    for (uint32_t msr = MSR_VMX_TRUE_PIN; (basic & BIT(55)) && msr <= MSR_VMX_TRUE_ENTRY; msr++)
        report_msr(msr);
    if (proc & BIT(17))
        report_msr(MSR_VMX_PROC3);
}

static void report_mtrrs(void)
{
    uint64_t cap = report_msr(MSR_MTRR_CAP);

    report_msr(MSR_MTRR_DEFAULT);
    for (unsigned i = 0; i < 2 * (cap & 0xff); i++)
        report_msr(MSR_MTRR_BASE0 + i);
}

static void report_cpu(void)
{
    struct cpuid one = cpuid(1, 0);

    report_leaves(0);
    report_leaves(0x80000000);
    report_msr(MSR_APIC_BASE);
    if (one.edx & BIT(12))
        report_mtrrs();
    if (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).edx & BIT(29)))
        report_msr(MSR_ARCH_CAPABILITIES);
    if (one.ecx & BIT(5))
        report_vmx();
}

/* --- tables and memory --- */

static void report_tables_of(const uint8_t *root)
{
    bool wide = memcmp(root, "XSDT", 4) == 0;
    uint32_t length = le32(root + 4);

    for (uint32_t at = 36; at + (wide ? 8 : 4) <= length; at += wide ? 8 : 4) {
        uint64_t place = load_le(root + at, wide ? 8 : 4);
        const uint8_t *table = (const uint8_t *)place;

        report("acpi %.4s %u\n", (const char *)table, le32(table + 4));
    }
}

static void report_acpi(void)
{
    const EFI_SYSTEM_TABLE *t = firmware.table;
    const EFI_GUID guid = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < t->NumberOfTableEntries; i++) {
        const uint8_t *rsdp = t->ConfigurationTable[i].VendorTable;

        if (memcmp(&t->ConfigurationTable[i].VendorGuid, &guid, sizeof(guid)) == 0 && load_le(rsdp + 24, 8))
            report_tables_of((const uint8_t *)load_le(rsdp + 24, 8));
    }
}

static void report_memory(void)
{
    uint64_t pages[EfiMaxMemoryType + 1] = {0};
    UINTN size = 16 * KIB, key, step;
    UINT32 version;
    uint8_t *map = memory_take(size, FOUR_GIB, false, "the memory map");

    if (!map ||
        EFI_ERROR(firmware.boot->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &step, &version)))
        return;
    for (UINTN at = 0; at + step <= size; at += step) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(map + at);

        pages[MIN(d->Type, (uint32_t)EfiMaxMemoryType)] += d->NumberOfPages;
    }
    for (unsigned type = 0; type <= EfiMaxMemoryType; type++)
        report("memory %u %llu\n", type, (unsigned long long)pages[type]);
}

static void report_screen(void)
{
    const EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE *mode = screen_mode();

    if (mode)
        report("screen %u %u %u\n", mode->Info->HorizontalResolution, mode->Info->VerticalResolution,
               mode->Info->PixelFormat);
}

/* --- a minute --- */

/* On each CPU; of the firmware nothing may be called here. */
static void EFIAPI watch_one(void *unused UNUSED)
{
    uint32_t number = __atomic_fetch_add(&watch.count, 1, __ATOMIC_RELAXED);
    struct stand_still here = {.apic_id = cpu_apic_id()};
    uint64_t smis = watch.counts_smis ? rdmsr(MSR_SMI_COUNT) : 0, first = rdtsc(), last = first;

    while (last - first < watch.ticks) {
        uint64_t now = rdtsc();

        here.longest = MAX(here.longest, now - last);
        last = now;
    }
    here.smis = watch.counts_smis ? rdmsr(MSR_SMI_COUNT) - smis : 0;
    if (number < MOST_CPUS)
        watch.cpus[number] = here;
}

/* The others first, then this one without the firmware's own interrupts. */
static void watch_all(unsigned seconds, uint64_t ticks_per_second)
{
    EFI_GUID guid = MP_SERVICES_GUID;
    struct mp_services *mp = protocol_anywhere(guid);
    EFI_TPL before;

    memset(&watch, 0, sizeof(watch));
    watch.counts_smis = cpu_counts_smis();
    watch.ticks = ticks_per_second * seconds / 2;
    if (mp)
        mp->startup_all(mp, watch_one, 0, NULL, 0, NULL, NULL);
    before = firmware.boot->RaiseTPL(TPL_HIGH_LEVEL);
    watch_one(NULL);
    firmware.boot->RestoreTPL(before);
}

static uint64_t tsc_rate(void)
{
    uint64_t start = rdtsc();

    firmware.boot->Stall(RATE_US);
    return (rdtsc() - start) * (1000000 / RATE_US);
}

static void report_watch(unsigned seconds)
{
    uint64_t rate = tsc_rate();

    say("watching each CPU for %u seconds", seconds / 2);
    watch_all(seconds, rate);
    report("tsc %llu\nseconds %u\nsmi-count %u\n", (unsigned long long)rate, seconds / 2, watch.counts_smis);
    for (unsigned i = 0; i < MIN(watch.count, MOST_CPUS); i++) {
        const struct stand_still *s = &watch.cpus[i];

        report("cpu %x %llu %llu\n", s->apic_id, (unsigned long long)s->longest, (unsigned long long)s->smis);
    }
}

bool survey(unsigned seconds)
{
    void *room = memory_take(ROOM, FOUR_GIB, false, "the report");

    if (!room)
        return false;
    report_begin(room, ROOM);
    report("skerry-survey 1\nversion " SKERRY_VERSION "\nfirmware %x\n", firmware.table->FirmwareRevision);
    report_cpu();
    report_acpi();
    report_memory();
    report_screen();
    report_watch(seconds);
    report("end\n");
    return report_write();
}
