/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/release.h"
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/memory.h"
#include "core/base/panic.h"
#include "boot/host/machine_setup.h"
#include "boot/host/release_map.h"
#include "boot/host/release_stub.h"
#include "boot/host/smp.h"
#include "boot/guest/find.h"
#include "core/vm/vm.h"

#define LIST_PAGES 8
#define LIST_MAX   (LIST_PAGES * PAGE_SIZE / sizeof(struct release_copy))
#define SPARE      (1 * MIB) /* for tables, and what the host takes after the plan was made */
#define STUB_STACK 64        /* at the end of its page */
#define EFI_TABLES 104       /* in the UEFI system table: number and address of the configuration tables */

extern char release_stub[], release_data[], release_stub_end[];

/* Made at boot, and only where a kernel is named. */
struct release {
    const struct vm_config *config;
    struct image image;
    struct load_target target;
    struct piece ram[RELEASE_MAX_RAM];
    struct map_entry map[BOOT_MAX_MEMORY];
    uint64_t to_copy, to_keep_free; /* bytes, by the plan */
};

static struct release *release;
static enum when_done when_done;

static struct account account = {.owner = MEMORY_RELEASE};
static struct release_copy *list; /* what the stub does, in order */
static unsigned list_count;
static bool failed;

/* --- at boot --- */

/* Nothing tells where the root pointer is that the boot loader has copied: in the BIOS area, or where UEFI's
 * table says. 0: the kernel has to look for itself. */
static uint64_t find_rsdp(void)
{
    const struct boot_info *b = &machine.boot;
    const uint8_t *system =
        b->efi_system_table.value ? machine_table(b->efi_system_table, EFI_TABLES + 16) : NULL;
    uint64_t count = system ? MIN(load_le(system + EFI_TABLES, 8), 256) : 0;
    const uint8_t *tables =
        count ? machine_table(hpa(load_le(system + EFI_TABLES + 8, 8)), count * 24) : NULL;

    if (!b->rsdp_size)
        return 0;
    for (uint64_t i = 0; tables && i < count; i++) {
        uint64_t at = load_le(tables + i * 24 + 16, 8); /* behind its GUID */
        const void *there = machine_table(hpa(at), b->rsdp_size);

        if (there && !memcmp(there, b->rsdp, b->rsdp_size))
            return at;
    }
    for (uint64_t at = 0xe0000; at < MIB; at += 16) {
        if (!memcmp(phys_to_virt(hpa(at)), b->rsdp, 20))
            return at;
    }
    return 0;
}

/* Adds up what the kernel needs; nothing is written yet. */
static uint8_t *count_only(const struct loading *l, uint64_t at UNUSED, uint64_t n, uint64_t *got UNUSED)
{
    release->to_copy += ALIGN_UP(n, PAGE_SIZE);
    release->to_keep_free = 0;
    for (unsigned i = 0; i < l->taken_count; i++)
        release->to_keep_free += ALIGN_UP(l->taken[i].size, PAGE_SIZE);
    return NULL;
}

static uint8_t *keep_free(const struct loading *l, uint64_t at UNUSED, uint64_t n UNUSED,
                          uint64_t *got UNUSED)
{
    for (unsigned i = 0; i < l->taken_count; i++)
        memory_reserve(l->taken[i].base, l->taken[i].size);
    return NULL;
}

static bool load(uint8_t *(*reach)(const struct loading *l, uint64_t at, uint64_t n, uint64_t *got),
                 struct start_state *start, const char **why)
{
    release->target.reach = reach;
    return image_load_into(&release->target, &release->image, start, why);
}

static bool plan_release(const char **why)
{
    static const char not_that[] =
        "neither a Linux kernel nor a Multiboot2 one, expected a bzImage or a header";
    enum image_format format = image_recognise(release->image.kernel.data, release->image.kernel.size);
    struct start_state start;

    *why = not_that;
    if (format != IMAGE_LINUX && format != IMAGE_MULTIBOOT2)
        return false;
    if (!load(count_only, &start, why))
        return false;
    *why = "too little memory to start it from, expected twice its size";
    return release->to_copy + release->to_keep_free + SPARE <= memory_free_pages() * PAGE_SIZE;
}

static bool prepare(struct vm_config *c)
{
    const char *why;

    release =
        memory_alloc_zeroed(&memory_host, MEMORY_STATE, ALIGN_UP(sizeof(*release), PAGE_SIZE) / PAGE_SIZE);
    if (!release)
        return false;
    release->config = c;
    if (!image_find(c, &release->image))
        return false;
    release->image.acpi_rsdp = gpa(find_rsdp());
    release->target = (struct load_target){
        .ranges = release->ram,
        .range_count = release_ram(&machine.boot, release->ram),
        .map = release->map,
        .map_count = release_memory_map(&machine.boot, release->map),
        .rsdp = machine.boot.rsdp,
        .rsdp_size = machine.boot.rsdp_size,
        .machine = &machine.boot,
    };
    if (plan_release(&why))
        return true;
    print("skerry.cfg:%u: [host] %s: %s\n", c->kernel_line, c->kernel, why);
    return false;
}

void release_prepare(struct config *config)
{
    struct host_config *h = &config->host;

    when_done = h->when_done;
    if (h->release.kernel_line && !(h->release.valid && prepare(&h->release))) {
        release = NULL;
        config->errors++;
    }
    if (when_done == DONE_RELEASE && !release) {
        log_error("nothing to release the machine to: power off when all VMs have ended");
        when_done = DONE_POWER_OFF;
    }
}

bool release_possible(void)
{
    return release;
}

enum when_done release_when_done(void)
{
    return when_done;
}

/* --- at the end --- */

/* What guests have had is free by now, or was before. Memory that was never given out may be firmware's:
 * UEFI's tables.
 */
static void scrub_memory(void)
{
    uint64_t page = 0, count, end = memory_used_end();

    for (unsigned i = 0; i < CONFIG_MAX_VMS; i++) {
        if (vms[i])
            memory_release(&vms[i]->account);
    }
    for (; page < end && memory_next_run(MEMORY_FREE, &page, &count); page += count)
        memory_zero(phys_to_virt(hpa(page * PAGE_SIZE)), MIN(count, end - MIN(page, end)));
}

static void add_copy(uint64_t to, uint64_t from, uint64_t size)
{
    ASSERT(list && size > 0); /* 0 ends the list */
    if (list_count < LIST_MAX - 1)
        list[list_count++] = (struct release_copy){to, from, size};
    else
        failed = true;
}

/* Pages for what goes to a claimed place, in as few pieces as there are. */
static uint8_t *stage(const struct loading *l UNUSED, uint64_t at, uint64_t n, uint64_t *got)
{
    uint64_t pages = ALIGN_UP(n, PAGE_SIZE) / PAGE_SIZE;
    hpa_t to = memory_alloc(&account, MEMORY_STATE, pages, 1);

    while (!to.value && pages > 1) {
        pages = (pages + 1) / 2;
        to = memory_alloc(&account, MEMORY_STATE, pages, 1);
    }
    if (!to.value) {
        failed = true;
        return NULL;
    }
    *got = MIN(n, pages * PAGE_SIZE);
    add_copy(at, to.value, *got);
    return phys_to_virt(to);
}

static void *release_table_page(void *context UNUSED)
{
    return memory_alloc_zeroed(&account, MEMORY_STATE, 1);
}

static void map_identity(void *tables, uint64_t at, uint64_t size)
{
    failed = failed || !paging_map(tables, at, at, size, PTE_P | PTE_W);
}

/* All memory at its physical address: sources may lie anywhere in it. */
static uint64_t *identity_tables(void)
{
    struct page_table t = {
        .root = release_table_page(NULL),
        .present = PTE_P,
        .table_flags = PTE_P | PTE_W,
        .max_leaf = host_tables.max_leaf,
        .alloc = release_table_page,
    };

    if (t.root)
        machine_map_memory(map_identity, &t);
    return failed ? NULL : t.root;
}

/* What the hypervisor's own memory still knows of its guests: stacks, console, registers. */
static void clear_ourselves(void)
{
    uint64_t page = 0, count;

    add_copy(image_phys_base, 0, (uint64_t)image_end - KERNEL_BASE);
    for (; memory_next_run(MEMORY_HOST, &page, &count); page += count)
        add_copy(page * PAGE_SIZE, 0, count * PAGE_SIZE);
}

/* The stub's page, filled in, or NULL. It is not where anything goes, nor is what it needs. */
static void *build_stub(void)
{
    struct start_state start;
    struct release_data *data;
    uint64_t *tables;
    const char *why;
    void *stub;

    ASSERT((size_t)(release_stub_end - release_stub) + STUB_STACK <= PAGE_SIZE);
    load(keep_free, &start, &why);
    stub = release_table_page(NULL);
    tables = identity_tables();
    list = memory_alloc_zeroed(&account, MEMORY_STATE, LIST_PAGES);
    if (!stub || !tables || !list || virt_to_phys(stub).value >= 4 * GIB ||
        !paging_map(&host_tables, virt_to_phys(stub).value, virt_to_phys(stub).value, PAGE_SIZE, PTE_P))
        return NULL;
    clear_ourselves();
    if (!load(stage, &start, &why) || failed)
        return NULL;
    memcpy(stub, release_stub, (size_t)(release_stub_end - release_stub));
    data = (struct release_data *)((char *)stub + (release_data - release_stub));
    *data = (struct release_data){virt_to_phys(tables).value, virt_to_phys(list).value, start};
    return stub;
}

void release_start(void)
{
    void *stub;

    ASSERT(release);
    scrub_memory();
    stub = build_stub();
    if (!stub) {
        log_error("not released: no memory to start %s from", release->config->kernel);
        return;
    }
    log_info("released: VMX off on %u CPUs, starting %s", cpu_count, release->config->kernel);
    console_flush();
    smp_reset_others();
    machine_put_back();
    ((void (*)(uint64_t))virt_to_phys(stub).value)(virt_to_phys(stub).value);
}
