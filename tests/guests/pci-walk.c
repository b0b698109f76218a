/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI as a system without Linux's habits sees it: both ways to configuration space, which must agree in each
 * bit; each BAR is sized, moved and switched off, and must not cover what is not its own. What is on the bus,
 * it takes as it finds it. With the word "none" on its command line there must be no PCI.
 */
#include "lib/guest.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define ENABLE         0x80000000u
#define DEVICES        32
#define FUNCTIONS      8
#define WINDOW         0xd8000000u /* where BARs are moved to */
#define IO_WINDOW      0x9000u
#define RAM            0x00400000u /* that nothing else uses */
#define MARK           0x5ca1ab1eu

enum { COMMAND = 4, BARS = 0x10, CAPABILITIES = 0x34 };
enum { IO = 1, MEMORY = 2, MASTER = 4, NO_INTX = 0x400 };
enum { CAPABILITY_MSIX = 0x11, BAR_IO = 1, BAR_64 = 4 };

const char guest_name[] = "pci-walk";

static uint32_t ecam;

/* --- configuration space --- */

static uint32_t by_port(unsigned device, unsigned function, unsigned offset)
{
    outl(CONFIG_ADDRESS, ENABLE | device << 11 | function << 8 | offset);
    return inl(CONFIG_DATA);
}

static uint32_t ecam_at(unsigned device, unsigned function, unsigned offset)
{
    return ecam + (device << 15 | function << 12 | offset);
}

static uint32_t get(unsigned device, unsigned offset)
{
    return by_port(device, 0, offset);
}

/* By turns. */
static void set(unsigned device, unsigned offset, uint32_t value)
{
    static bool by_ecam;

    by_ecam = !by_ecam;
    if (by_ecam) {
        mmio_write(ecam_at(device, 0, offset), value);
        return;
    }
    outl(CONFIG_ADDRESS, ENABLE | device << 11 | offset);
    outl(CONFIG_DATA, value);
}

static void set_command(unsigned device, uint16_t bits)
{
    set(device, COMMAND, bits); /* the status in the upper half is read-only, or cleared by ones */
}

/* --- ACPI: where ECAM is --- */

static bool has_signature(uint32_t table, const char *signature)
{
    const char *p = (const char *)table;

    return p[0] == signature[0] && p[1] == signature[1] && p[2] == signature[2] && p[3] == signature[3];
}

static uint32_t find_table(const char *signature)
{
    for (uint32_t at = 0xe0000; at < 0x100000; at += 16) {
        uint32_t xsdt = mmio_read(at + 24);

        if (!has_signature(at, "RSD ") || !has_signature(at + 4, "PTR "))
            continue;
        for (uint32_t entry = xsdt + 36; entry < xsdt + mmio_read(xsdt + 4); entry += 8) {
            if (has_signature(mmio_read(entry), signature))
                return mmio_read(entry);
        }
    }
    return 0;
}

static bool is_reserved(const struct boot_info *info, uint32_t base, uint32_t size)
{
    for (unsigned i = 0; i < info->range_count; i++) {
        if (info->ranges[i].base == base && info->ranges[i].size == size && info->ranges[i].type == 2)
            return true;
    }
    return false;
}

/* --- mechanism 1, and what is beside it --- */

static void test_address_register(void)
{
    outl(CONFIG_ADDRESS, ENABLE | 0x1234);
    outb(0xcfb, 1);
    outw(CONFIG_ADDRESS, 0);
    outb(CONFIG_ADDRESS, 0);
    check(inl(CONFIG_ADDRESS) == (ENABLE | 0x1234), "the address is a register of 32 bits and nothing less");
    outl(CONFIG_ADDRESS, 0);
    check(inl(CONFIG_DATA) == 0xffffffff, "without the enable bit there is nobody");
    outl(CONFIG_ADDRESS, ENABLE);
    check(inw(CONFIG_DATA) == get(0, 0) % 0x10000 && inb(CONFIG_DATA + 3) == get(0, 0) >> 24 &&
              inw(CONFIG_DATA + 2) == get(0, 0) >> 16,
          "bytes and words of the data register");
}

static void test_agreement(void)
{
    unsigned present = 0, differ = 0;

    for (unsigned n = 0; n < DEVICES * FUNCTIONS; n++) {
        unsigned device = n / FUNCTIONS, function = n % FUNCTIONS;

        if (by_port(device, function, 0) != 0xffffffff)
            present++;
        for (unsigned offset = 0; offset < 256; offset += 4)
            differ += by_port(device, function, offset) != mmio_read(ecam_at(device, function, offset));
    }
    check(differ == 0, "both ways agree, of %u functions", present);
    check(get(0, 8) >> 16 == 0x0600, "a host bridge is device 0");
    check(mmio_read(ecam_at(0, 0, 256)) == 0xffffffff, "there is no extended configuration space");
}

/* --- BARs --- */

struct bar {
    unsigned device, offset;
    uint32_t type, size; /* size 0: there is none */
    uint32_t first;      /* value at the start */
    bool wide;           /* of 64 bits */
};

static void size_bar(struct bar *b, unsigned device, unsigned number)
{
    uint32_t mask;

    *b = (struct bar){.device = device, .offset = BARS + 4 * number, .first = get(device, BARS + 4 * number)};
    set(device, b->offset, 0xffffffff);
    mask = get(device, b->offset);
    set(device, b->offset, b->first);
    b->type = mask & (mask & BAR_IO ? 3 : 15);
    b->size = mask ? -(mask & ~b->type) : 0;
    b->wide = !(b->type & BAR_IO) && (b->type & BAR_64);
}

static bool is_io(const struct bar *b)
{
    return b->type & BAR_IO;
}

static void test_size(const struct bar *b)
{
    uint32_t at = b->first & ~b->type;

    check((b->size & (b->size - 1)) == 0 && at % b->size == 0 && at && get(b->device, b->offset) == b->first,
          "device %u BAR at %x has %x bytes at %x", b->device, b->offset, (unsigned)b->size, (unsigned)at);
}

/* Reads what is there, anywhere; of devices that say all ones there, nothing can be told. */
static bool answers(const struct bar *b, uint32_t at)
{
    bool any = false;

    for (unsigned i = 0; i < b->size && i < 0x1000; i += 4)
        any |= (is_io(b) ? inl((uint16_t)(at + i)) : mmio_read(at + i)) != 0xffffffff;
    return any;
}

static void test_moves(const struct bar *b)
{
    uint32_t home = b->first & ~b->type,
             to = is_io(b) ? IO_WINDOW + b->device * 0x100 : WINDOW + b->device * 0x100000;

    to = (to + b->size - 1) & -b->size;
    set_command(b->device, IO | MEMORY);
    if (!answers(b, home)) {
        set_command(b->device, 0);
        return; /* it has nothing to say: a doorbell */
    }
    check(!answers(b, to), "device %u: nobody is at %x", b->device, (unsigned)to);
    set(b->device, b->offset, to);
    check(answers(b, to) && !answers(b, home), "device %u moves to %x", b->device, (unsigned)to);
    set_command(b->device, 0);
    check(!answers(b, to) && !answers(b, home), "device %u is switched off", b->device);
    set(b->device, b->offset, b->first);
    set_command(b->device, IO | MEMORY);
    check(answers(b, home) && !answers(b, to), "device %u comes back to %x", b->device, (unsigned)home);
    set_command(b->device, 0);
}

/* Over RAM, the local APIC, the I/O APIC and ECAM: they stay what they are. */
static void test_covers(const struct bar *b)
{
    static const uint32_t taken[] = {RAM, 0xfee00000, 0xfec00000};
    uint32_t version = apic_read(APIC_VERSION), bridge = mmio_read(ecam);
    bool same = true;

    if (is_io(b))
        return;
    mmio_write(RAM, MARK);
    set_command(b->device, MEMORY);
    for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
        set(b->device, b->offset, taken[i]);
        same &= get(b->device, b->offset) == ((taken[i] & -b->size) | b->type);
        same &= mmio_read(RAM) == MARK && apic_read(APIC_VERSION) == version;
        mmio_write(0xfec00000, 1);
        same &= (mmio_read(0xfec00010) >> 16 & 0xff) == 23;
    }
    set(b->device, b->offset, ecam);
    same &= mmio_read(ecam) == bridge && mmio_read(ecam + 8) >> 16 == 0x0600;
    check(same, "device %u covers nothing", b->device);
    set(b->device, b->offset, b->first);
    set_command(b->device, 0);
}

static void test_bars(unsigned device)
{
    struct bar b;

    for (unsigned number = 0; number < 6; number += b.wide ? 2 : 1) {
        size_bar(&b, device, number);
        if (!b.size)
            continue;
        test_size(&b);
        test_moves(&b);
        test_covers(&b);
    }
}

static void test_devices(void)
{
    for (unsigned device = 0; device < DEVICES; device++) {
        uint32_t id = get(device, 0);

        if (id == 0xffffffff)
            continue;
        say("device %u is %04x:%04x, class %04x", device, (unsigned)id & 0xffff, (unsigned)id >> 16,
            (unsigned)get(device, 8) >> 16);
        test_bars(device);
    }
}

/* --- without PCI --- */

static void expect_none(void)
{
    outl(CONFIG_ADDRESS, ENABLE);
    check(inl(CONFIG_ADDRESS) != ENABLE, "there is no mechanism 1");
    check(inl(CONFIG_DATA) == 0xffffffff, "and no data");
    check(!find_table("MCFG") && !find_table("SSDT"), "the tables say nothing of PCI");
    check(mmio_read(0xe0000000) == 0xffffffff, "nobody is where ECAM would be");
}

void guest_main(const struct boot_info *info)
{
    uint32_t mcfg = find_table("MCFG");

    apic_enable();
    if (boot_word(info, "none")) {
        expect_none();
        return;
    }
    check(mcfg && mmio_read(mcfg + 4) == 60 && mmio_read(mcfg + 48) == 0, "MCFG has one segment");
    ecam = mmio_read(mcfg + 44);
    check(ecam && ecam % 0x100000 == 0 && is_reserved(info, ecam, 0x100000), "ECAM at %x is reserved",
          (unsigned)ecam);
    test_address_register();
    test_agreement();
    test_devices();
}
