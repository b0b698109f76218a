/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/host/machine_setup.h"

#include "arch/x86/clock.h"
#include "arch/x86/cpu.h"
#include "arch/x86/display.h"
#include "arch/x86/features.h"
#include "arch/x86/isa_line.h"
#include "arch/x86/lapic.h"
#include "arch/x86/layout.h"
#include "arch/x86/misc_enable.h"
#include "arch/x86/msr.h"
#include "arch/x86/percpu.h"
#include "arch/x86/ps2_keyboard.h"
#include "arch/x86/string.h"
#include "arch/x86/uart16550.h"
#include "boot/host/bus_masters.h"
#include "boot/host/console_choice.h"
#include "boot/host/console_lines.h"
#include "boot/host/direct_map.h"
#include "boot/host/smp.h"
#include "boot/host/uncached_memory.h"
#include "core/base/blobs.h"
#include "core/base/console.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/panic.h"

#define MAX_MBI         (1 * MIB)
#define CALIBRATE_TICKS 1000000u /* TSC ticks to watch the local APIC timer for */

_Static_assert(MMIO_SIZE >= 2 * GIB, "the largest screen (arch/x86/multiboot2.c), and all else");
_Static_assert(STACKS_BASE - DIRECT_BASE == BIT(46), "64 TiB of physical memory");

static void *host_table_page(void *context UNUSED)
{
    return memory_alloc_zeroed(&memory_host, MEMORY_STATE, 1);
}

static unsigned leave_out_uncached(struct memory_range out[UNCACHED_MOST])
{
    unsigned count = uncached_memory(&machine.boot, &machine.mtrrs, out);

    for (unsigned i = 0; i < count; i++)
        machine.uncached += out[i].size;
    return count;
}

static void take_over_memory(void)
{
    static struct memory_range usable[BOOT_MAX_MEMORY],
        reserved[BOOT_MAX_MEMORY + BOOT_MAX_MODULES + 2 + UNCACHED_MOST];
    const struct boot_info *b = &machine.boot;
    unsigned used = 0, kept = 0;

    for (unsigned i = 0; i < b->memory_count; i++) {
        struct memory_range r = {b->memory[i].base, b->memory[i].size};

        if (b->memory[i].type == MEMORY_USABLE)
            usable[used++] = r;
        else
            reserved[kept++] = r;
    }
    for (unsigned i = 0; i < b->module_count; i++)
        reserved[kept++] = (struct memory_range){b->modules[i].start.value, b->modules[i].size};
    reserved[kept++] = (struct memory_range){image_phys_base, (uint64_t)image_end - KERNEL_BASE};
    reserved[kept++] = (struct memory_range){machine.information.value, machine.information_size};
    kept += leave_out_uncached(&reserved[kept]);
    ASSERT(kept <= ARRAY_SIZE(reserved));
    if (!memory_setup(usable, used, reserved, kept))
        panic("no usable memory in the boot loader's map of %u entries", b->memory_count);
}

/* What the boot loader left is read, whatever its memory map says of the place. */
void machine_map_memory(direct_map_piece_t *map, void *context)
{
    const struct boot_info *b = &machine.boot;

    direct_map_memory(b, &machine.mtrrs, map, context);
    for (unsigned i = 0; i < b->module_count; i++)
        direct_map_range(&machine.mtrrs, b->modules[i].start.value, b->modules[i].size, map, context);
    direct_map_range(&machine.mtrrs, machine.information.value, machine.information_size, map, context);
    direct_map_range(&machine.mtrrs, image_phys_base, (uint64_t)image_end - KERNEL_BASE, map, context);
}

static void map_direct(void *context UNUSED, uint64_t at, uint64_t size)
{
    machine_map(DIRECT_BASE + at, at, size, MAP_RW);
}

static void build_address_space(void)
{
    uint64_t text = (uint64_t)text_start, rodata = (uint64_t)text_end, data = (uint64_t)rodata_end;
    uint64_t end = (uint64_t)image_end, offset = image_phys_base - KERNEL_BASE;

    host_tables = (struct page_table){
        .root = host_table_page(NULL),
        .present = PTE_P,
        .table_flags = PTE_P | PTE_W,
        .max_leaf = feature_present(FEATURE_PAGE_1G) ? 3 : 2,
        .alloc = host_table_page,
    };
    if (!host_tables.root)
        panic("no memory for the hypervisor's page tables");
    if (machine_memory_top() > STACKS_BASE - DIRECT_BASE)
        panic("memory up to %llx, expected none above 64 TiB", (unsigned long long)machine_memory_top());
    machine_map_memory(map_direct, NULL);
    machine_map(DIRECT_BASE + text + offset, text + offset, data - text,
                MAP_RO); /* W^X holds for the alias too */
    machine_map(text, text + offset, rodata - text, MAP_RX);
    machine_map(rodata, rodata + offset, data - rodata, MAP_RO);
    machine_map(data, data + offset, end - data, MAP_RW);
    write_cr3(virt_to_phys(host_tables.root).value);
}

static void setup_display(void)
{
    const struct boot_framebuffer *f = &machine.boot.framebuffer;
    struct display_mode mode = {
        .text = f->type == FRAMEBUFFER_TEXT,
        .pitch = f->pitch,
        .width = f->width,
        .height = f->height,
        .bits_per_pixel = f->bpp,
    };

    if (!f->present || f->type == FRAMEBUFFER_INDEXED || f->bpp < 16 || f->bpp > 32)
        return;
    mode.memory = machine_map_device(f->address, (uint64_t)f->pitch * f->height, MAP_WC);
    display_setup(&mode, font);
    console_add_display();
}

void machine_setup(hpa_t mbi, uint64_t entry_tsc)
{
    const char *why;

    machine.entry_tsc = entry_tsc;
    misc_enable_show_features();
    console_start();
    if (!multiboot2_parse(phys_to_virt(mbi), MAX_MBI, &machine.boot, &why))
        panic("boot information: %s", why);
    if (machine.boot.memory_dropped)
        log_info("%u reserved pieces of the memory map are left out: more than %u",
                 machine.boot.memory_dropped, BOOT_MAX_MEMORY);
    if (!feature_present(FEATURE_NX))
        panic("this CPU has no NX, which Skerry needs for its own pages");
    machine.information = mbi;
    machine.information_size = (uint32_t)load_le(phys_to_virt(mbi), 4);
    mtrr_read(&machine.mtrrs);
    cpu_note_state(&machine.boot_cpu);
    take_over_memory();
    cpu_enable_protections();
    build_address_space();
    setup_display();
}

static const void *map_acpi_table(void *context UNUSED, hpa_t at, size_t n)
{
    return machine_table(at, n);
}

static void warn_table(void *context UNUSED, const char *table, const char *what)
{
    log_error("ACPI table %s: %s", table, what);
}

static void setup_console_interrupt(void)
{
    struct interrupt_line line;

    console_lines_setup();
    if (!machine.serial.address)
        return;
    if (!serial_line(&machine.acpi, &machine.serial, &line)) {
        log_info("nobody says which interrupt the serial port has: keys are polled");
        console_poll(true);
    } else if (console_line_open(line)) {
        uart16550_enable_interrupts();
    }
}

void machine_start_keyboard(bool wanted)
{
    if (!wanted && machine.serial.address)
        return;
    if (!ps2_keyboard_setup())
        log_error("no PS/2 keyboard: %s",
                  wanted ? "expected one with keyboard = ps2" : "nothing can be typed");
    else
        console_line_open(isa_line(&machine.acpi.madt, KEYBOARD_IRQ));
}

static void setup_clocks(void)
{
    uint32_t count;

    machine.tsc_hz = clock_measure_tsc(machine.acpi.fadt.pm_timer, &machine.tsc_source);
    if (!machine.tsc_hz)
        panic("the TSC's rate is not known: neither ACPI timer nor 8254 counts, and CPUID says nothing, "
              "expected one of them");
    machine.tsc_scale = tick_scale(machine.tsc_hz);
    machine.start_time = clock_read_cmos();
    machine.start_tsc = rdtsc();
    if (lapic_has_tsc_deadline())
        return;
    count = lapic_timer_count(UINT32_MAX, CALIBRATE_TICKS);
    lapic_timer_set_rate(((uint64_t)count << 32) / CALIBRATE_TICKS);
    this_cpu()->apic_id = lapic_enable();
}

void machine_start_devices(void)
{
    struct acpi_source source = {map_acpi_table, warn_table, NULL};
    hpa_t registers = hpa(rdmsr(IA32_APIC_BASE) & UINT64_C(0xffffff000));

    if (!machine.boot.rsdp_size ||
        !acpi_parse(&source, machine.boot.rsdp, machine.boot.rsdp_size, &machine.acpi))
        log_error("no usable ACPI tables: one CPU, no power off");
    console_choose();
    chipset_note_and_mask(!machine.acpi.madt.present || machine.acpi.madt.pcat_compat);
    lapic_setup(machine_map_device(registers, PAGE_SIZE, MAP_DEVICE));
    this_cpu()->apic_id = lapic_enable();
    setup_clocks();
    smp_open_nmi();
    setup_console_interrupt();
    bus_masters_switch_off();
}

/* What is pending is taken first, by handlers that find nothing to do: the next kernel has other vectors. */
void machine_put_back(void)
{
    console_set_input(NULL);
    console_lines_close();
    lapic_timer_arm(0);
    let_interrupts_in();
    uart16550_put_back();
    ps2_keyboard_put_back();
    console_lines_put_back();
    lapic_put_back();
    chipset_put_back();
    bus_masters_put_back();
    console_choice_put_back();
}
