/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio devices as a system without Linux's habits uses them: by port and by memory doorbell, polled, by
 * MSI-X and by INTx, in both formats. Devices: rng, a read-only disk of the pattern, the same copy-on-write.
 */
#include "lib/measure.h"
#include "lib/virtio.h"

#define IOAPIC      0xfec00000u
#define VECTOR      0x61
#define INTX_VECTOR 0x62
#define ROUNDS      200
#define SECTOR      512u
#define PAGE        4096u
#define LEVEL_LOW   0xa000u

enum { RNG = 1, DISK = 10, CHANGES = 11 };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, NOTHING = 99 };

const char guest_name[] = "virtio";

static volatile uint32_t interrupts;
static uint8_t data[2 * PAGE] ALIGNED(4096);
static struct request_header {
    uint32_t type, reserved, sector, sector_high;
} header;
static volatile uint8_t status;

static void on_message(struct trap_frame *frame)
{
    (void)frame;
    interrupts++;
    apic_write(APIC_EOI, 0);
}

/* --- requests --- */

static bool wait_for(struct virtio *v, uint32_t *written)
{
    for (unsigned i = 0; i < 100000; i++) {
        if (virtio_take(v, written))
            return true;
    }
    return false;
}

static void offer_request(struct virtio *v, unsigned type, uint32_t sector, uint32_t n)
{
    const struct virtio_buffer b[] = {{&header, 16, 0},
                                      {data, n, type == OUT || type == DISCARD ? 0 : DESC_WRITE},
                                      {(const void *)&status, 1, DESC_WRITE}};

    header = (struct request_header){type, 0, sector, 0};
    status = 0xff;
    if (n)
        virtio_offer(v, b, 3);
    else
        virtio_offer(v, (const struct virtio_buffer[]){b[0], b[2]}, 2);
}

static unsigned request(struct virtio *v, unsigned type, uint32_t sector, uint32_t n, bool by_port)
{
    uint32_t written;

    offer_request(v, type, sector, n);
    if (by_port)
        virtio_ring_port(v);
    else
        virtio_ring_memory(v);
    return wait_for(v, &written) ? status : 0xfe;
}

/* The pattern that the disks are made with. */
static bool is_pattern(uint32_t sector, uint32_t n)
{
    const uint32_t *words = (const uint32_t *)data;

    for (uint32_t i = 0; i < n / 4; i++) {
        if (words[i] != (sector * (SECTOR / 4) + i) * 2654435761u)
            return false;
    }
    return true;
}

/* --- tests --- */

static void test_random(void)
{
    struct virtio v;
    uint32_t written = 0, all = 0;
    bool good = true;

    check(virtio_find(&v, RNG) && virtio_start(&v, 0, false, 0xffff), "a source of random bytes");
    for (unsigned i = 0; i < 8; i++) {
        memset(data, 0, 64);
        virtio_offer(&v, &(struct virtio_buffer){data, 64, DESC_WRITE}, 1);
        if (i & 1)
            virtio_ring_port(&v);
        else
            virtio_ring_memory(&v);
        good &= wait_for(&v, &written) && written == 64;
        for (unsigned n = 0; n < 16; n++)
            all |= ((uint32_t *)data)[n];
    }
    check(good && all == 0xffffffff, "gives 64 bytes, each bit of which is set once at least");
    virtio_stop(&v);
}

static void test_reads(struct virtio *v, bool packed)
{
    uint32_t sectors = virtio_get(&v->config, 0, 4), wrong = 0;

    check(virtio_start(v, 0, packed, 0xffff), "disk of %u sectors, %s", (unsigned)sectors,
          packed ? "packed" : "split");
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t sector = i * 37 % (sectors - 16);

        wrong += request(v, IN, sector, PAGE, i & 1) != 0 || !is_pattern(sector, PAGE);
    }
    check(wrong == 0, "%u reads by port and by memory", ROUNDS);
    check(request(v, IN, sectors, SECTOR, true) == 1, "beyond the end is an I/O error");
    check(request(v, OUT, 0, SECTOR, true) == 1, "so is a write");
    check(request(v, 99, 0, SECTOR, true) == 2, "what is unknown is not supported");
    check(request(v, GET_ID, 0, 20, true) == 0 && data[0] == 's' && data[7] == '0', "its name is %s",
          (char *)data);
    virtio_stop(v);
}

static void test_access_by_configuration(const struct virtio *v)
{
    pci_set(v->slot, v->access + 4, 0); /* BAR 0 */
    pci_set(v->slot, v->access + 8, 0x2000);
    pci_set(v->slot, v->access + 12, 4);
    check(pci_get(v->slot, v->access + 16) == virtio_get(&v->config, 0, 4),
          "the capacity by configuration space");
    pci_set(v->slot, v->access + 12, 3);
    check(pci_get(v->slot, v->access + 16) == 0xffffffff, "three bytes are no access");
    pci_set(v->slot, v->access + 4, 5);
    pci_set(v->slot, v->access + 12, 4);
    check(pci_get(v->slot, v->access + 16) == 0xffffffff, "there is no such BAR");
    pci_set(v->slot, v->access + 4, 0);
    pci_set(v->slot, v->access + 8, 0x2001);
    check(pci_get(v->slot, v->access + 16) == 0xffffffff, "nor an access that is not aligned");
    pci_set(v->slot, v->access + 8, 0x4000);
    check(pci_get(v->slot, v->access + 16) == 0xffffffff, "or beyond its end");
}

static void interrupt_rounds(struct virtio *v, const char *how)
{
    uint32_t before = interrupts, written;
    unsigned lost = 0;

    interrupts_on();
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t seen = interrupts;

        offer_request(v, IN, i, SECTOR);
        virtio_ring_port(v);
        lost += !wait_for(v, &written);
        for (unsigned n = 0; n < 100000 && interrupts == seen; n++)
            ;
    }
    interrupts_off();
    check(!lost && interrupts - before == ROUNDS, "an interrupt by %s for each of %u requests", how, ROUNDS);
}

static void test_msix(struct virtio *v)
{
    uint32_t before, written;

    on_interrupt(VECTOR, on_message);
    virtio_set_vector(v, 1, VECTOR);
    virtio_use_msix(v, true);
    check(virtio_start(v, 0, false, 1), "disk with MSI-X");
    interrupt_rounds(v, "MSI-X");
    mmio_write(v->vectors + 16 + 12, 1); /* masked: it waits */
    before = interrupts;
    offer_request(v, IN, 0, SECTOR);
    virtio_ring_port(v);
    interrupts_on();
    check(wait_for(v, &written) && interrupts == before, "a vector that is masked is silent");
    mmio_write(v->vectors + 16 + 12, 0);
    for (unsigned n = 0; n < 100000 && interrupts == before; n++)
        ;
    interrupts_off();
    check(interrupts == before + 1, "and comes when it is not");
    before = interrupts;
    *(volatile uint16_t *)v->driver = 1; /* no interrupt wanted */
    check(request(v, IN, 0, SECTOR, true) == 0, "a request without");
    interrupts_on();
    interrupts_off();
    check(interrupts == before, "gives none");
    virtio_stop(v);
    virtio_use_msix(v, false);
}

static struct virtio *intx_device;

static void on_intx(struct trap_frame *frame)
{
    (void)frame;
    interrupts += virtio_get(&intx_device->isr, 0, 1) & 1;
    apic_write(APIC_EOI, 0);
}

static void io_write(unsigned reg, uint32_t value)
{
    mmio_write(IOAPIC, reg);
    mmio_write(IOAPIC + 0x10, value);
}

static void test_intx(struct virtio *v)
{
    unsigned pin = 16 + (v->slot & 7);

    intx_device = v;
    on_interrupt(INTX_VECTOR, on_intx);
    io_write(0x11 + 2 * pin, 0);
    io_write(0x10 + 2 * pin, LEVEL_LOW | INTX_VECTOR);
    check(virtio_start(v, 0, false, 0xffff), "disk with INTx");
    interrupt_rounds(v, "INTx");
    check(virtio_get(&v->isr, 0, 1) == 0, "and the line is down");
    io_write(0x10 + 2 * pin, 0x10000);
    virtio_stop(v);
}

static void test_changes(void)
{
    struct virtio v;
    unsigned wrong = 0;

    check(virtio_find(&v, CHANGES) && virtio_start(&v, VIRTIO_EVENTS, true, 0xffff), "a disk to be changed");
    check(request(&v, IN, 3, PAGE, true) == 0 && is_pattern(3, PAGE), "it begins as the other one");
    for (unsigned i = 0; i < ROUNDS; i++) {
        memset(data, (int)i, PAGE);
        wrong += request(&v, OUT, 11 + i % 3, SECTOR * 5, i & 1) != 0;
        memset(data, 0, PAGE);
        wrong += request(&v, IN, 11 + i % 3, SECTOR * 5, i & 1) != 0;
        wrong += data[0] != (uint8_t)i || data[SECTOR * 5 - 1] != (uint8_t)i || data[SECTOR * 5] != 0;
    }
    check(wrong == 0, "what is written is read");
    check(request(&v, IN, 0, 11 * SECTOR, true) == 0 && is_pattern(0, 11 * SECTOR), "and nothing beside it");
    check(request(&v, FLUSH, 0, 0, true) == 0, "flushed");
    memset(data, 0, 16);
    data[0] = 8;
    data[8] = 8;
    check(request(&v, DISCARD, 0, 16, true) == 0, "a page is discarded");
    check(request(&v, IN, 8, PAGE, true) == 0 && data[0] == 0 && data[PAGE - 1] == 0, "and is zeroes");
    virtio_stop(&v);
}

/* --- what it costs --- */

static struct samples samples;

/* The OUT or the store alone. The event that the device waits for is far away: no interrupt is wanted. */
static uint32_t ring_once(const struct virtio *v, bool by_port)
{
    uint64_t from = rdtsc();

    if (by_port)
        virtio_ring_port(v);
    else
        virtio_ring_memory(v);
    return (uint32_t)(rdtsc() - from);
}

static void measure(struct virtio *v, const char *key, unsigned type, uint32_t n, bool by_port)
{
    uint32_t written;

    uint64_t look = rdtsc();
    uint32_t cost = (uint32_t)(rdtsc() - look);

    samples.count = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool asks = type != NOTHING;

        if (asks)
            offer_request(v, type, 0, n);
        samples_add_net(&samples, ring_once(v, by_port), cost);
        if (asks && !wait_for(v, &written))
            check(false, "%s: lost", key);
    }
    samples_report(&samples, "", key);
}

static void test_costs(struct virtio *v)
{
    on_interrupt(VECTOR, on_message);
    virtio_set_vector(v, 1, VECTOR);
    virtio_use_msix(v, true);
    check(virtio_start(v, VIRTIO_EVENTS, false, 1), "what it costs");
    measure(v, "kick_nothing", NOTHING, 0, true);
    measure(v, "kick_port", FLUSH, 0, true);
    measure(v, "kick_memory", FLUSH, 0, false);
    measure(v, "read_4k", IN, PAGE, true);
    measure(v, "read_512", IN, SECTOR, true);
    virtio_stop(v);
    virtio_use_msix(v, false);
}

void guest_main(const struct boot_info *info)
{
    struct virtio v;

    apic_enable();
    check(virtio_find(&v, DISK), "a disk");
    if (!boot_word(info, "bench")) {
        test_random();
        test_access_by_configuration(&v);
        test_reads(&v, false);
        test_reads(&v, true);
        test_msix(&v);
        test_intx(&v);
        test_changes();
    }
    test_costs(&v);
}
