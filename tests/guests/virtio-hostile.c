/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that keeps no rule: two CPUs do random things to the registers, rings and configuration space of
 * the same devices, while each is in the middle of something. Now and then one brings a device up as it
 * should be, and gets it: a reset always helps. steps=N says how many operations each CPU does.
 */
#include "lib/second_cpu.h"
#include "lib/virtio.h"

#define ARENA     0x00800000u /* where rings and buffers are, and what devices write may land */
#define ARENA_END 0x00c00000u
#define STEPS     100000u

const char guest_name[] = "virtio-hostile";

static const unsigned slots[] = {1, 10, 11, 2};
enum { RNG, DISK, CHANGES, CARD };
enum { TRANSMIT = 1 };        /* the queue of a card that is used */
static unsigned count = CARD; /* with the word net: all of them */
static struct virtio devices[ARRAY_SIZE(slots)];
static uint32_t bars[ARRAY_SIZE(slots)][3];
static uint32_t steps;
static volatile uint32_t second_done;
static volatile uint32_t done[2], repairs;
static volatile uint32_t repairing; /* one at a time: what a good driver does is a sequence */

static uint32_t any(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Addresses that are right, at an edge, and wrong. */
static uint32_t any_address(uint32_t *seed)
{
    static const uint32_t edges[] = {0,          0x1ffffff,  0x2000000,  0x1fffff0,  0xfee00000,
                                     0xfec00000, 0xe0000000, 0xfffffff0, 0xffffffff, 0xc1000000};
    uint32_t r = any(seed);

    return r & 15 ? ARENA + (r >> 4) % (ARENA_END - ARENA) / 16 * 16 : edges[(r >> 4) % ARRAY_SIZE(edges)];
}

static uint32_t any_value(uint32_t *seed)
{
    static const uint32_t values[] = {0, 1, 2, 4, 8, 16, 0xffff, 0x8000, 0xffffffff, 0x7fffffff};
    uint32_t r = any(seed);

    return r & 1 ? values[(r >> 4) % ARRAY_SIZE(values)] : any(seed) >> (r >> 8) % 32;
}

/* --- operations --- */

static void touch_common(struct virtio *v, uint32_t *seed)
{
    static const uint8_t fields[][2] = {{0, 4},    {8, 4},    {0xc, 4},  {0x10, 2}, {0x16, 2}, {0x18, 2},
                                        {0x1a, 2}, {0x1c, 2}, {0x20, 4}, {0x24, 4}, {0x28, 4}, {0x2c, 4},
                                        {0x30, 4}, {0x34, 4}, {0x3a, 2}, {0x14, 1}, {0x14, 1}};
    uint32_t i = any(seed) % ARRAY_SIZE(fields), value = any_value(seed);

    if (fields[i][0] >= 0x20 && fields[i][0] < 0x38)
        value = fields[i][0] & 4 ? 0 : any_address(seed);
    else if (fields[i][0] == 0x16)
        value = any(seed) % 4 ? 0 : value;
    else if (fields[i][0] == 0x14)
        value = any(seed) % 32 ? 0xf & value : 0;
    virtio_set(&v->common, fields[i][0], fields[i][1], value);
    (void)virtio_get(&v->common, any(seed) % 0x40, 1u << any(seed) % 3);
}

static void touch_registers(struct virtio *v, uint32_t *seed)
{
    uint32_t offset = any(seed) % 0x4000, size = 1u << any(seed) % 3;

    if (any(seed) & 1)
        virtio_set(&v->common, offset, size, any_value(seed));
    else
        (void)virtio_get(&v->common, offset, size);
    (void)virtio_get(&v->isr, 0, 1);
}

static void touch_bells(struct virtio *v, uint32_t *seed)
{
    uint32_t r = any(seed);

    if (r & 7)
        virtio_set(&v->port_bell, 0, 2, v == &devices[CARD] ? r >> 8 & 1 : 0);
    else if (r & 8)
        virtio_set(&v->port_bell, r >> 8 & 3, 1u << (r >> 4) % 3, any_value(seed));
    else
        virtio_set(&v->memory_bell, r >> 8 & 0xff, 1u << (r >> 4) % 3, any_value(seed));
}

static void touch_config_space(struct virtio *v, uint32_t *seed)
{
    uint32_t offset = any(seed) % 64 * 4, value = any_value(seed);

    if (offset == 4)
        value = any(seed) % 8;
    else if (offset >= 0x10 && offset < 0x28)
        value = any(seed) & 1 ? any_address(seed) : bars[0][any(seed) % 3];
    pci_set(v->slot, offset, value);
    (void)pci_get(v->slot, any(seed) % 64 * 4);
}

static void touch_vectors(struct virtio *v, uint32_t *seed)
{
    uint32_t at = v->vectors + any(seed) % 0x200 * 4;

    mmio_write(at, any(seed) & 1 ? 0xfee00000 | any(seed) % 4 << 12 : any_value(seed));
    (void)mmio_read(at);
}

/* Descriptors, indices and events, one word at a time, as they come. */
static void touch_rings(struct virtio *v, uint32_t *seed)
{
    uint8_t *const areas[] = {v->desc, v->driver, v->device};
    uint8_t *area = areas[any(seed) % 3];
    uint32_t i = any(seed) % 16, r = any(seed);

    if (area == v->desc) {
        ((volatile uint32_t *)area)[4 * i] = any_address(seed);
        ((volatile uint32_t *)area)[4 * i + 1] = r % 256 ? 0 : any_value(seed);
        ((volatile uint32_t *)area)[4 * i + 2] = r & 0x38 ? r >> 8 & 0x3ff : any_value(seed);
        ((volatile uint32_t *)area)[4 * i + 3] = any(seed) & (r & 2 ? 0x000f0003 : 0xffff0087);
    } else {
        ((volatile uint16_t *)area)[i == 1 ? 4 : i] = (uint16_t)(r & 8 ? any(seed) % 16 : any_value(seed));
        ((volatile uint16_t *)area)[1]++;
    }
}

/* --- and what a good driver does --- */

static void put_back(unsigned i)
{
    pci_set(slots[i], 4, 0);
    for (unsigned bar = 0; bar < 3; bar++)
        pci_set(slots[i], 0x10 + 4 * bar, bars[i][bar]);
    pci_set(slots[i], 4, 7);
}

static bool works(unsigned i, uint32_t *seed)
{
    static uint8_t bytes[512];
    static uint32_t header[4];
    static volatile uint8_t status;
    static uint8_t frame[12 + 60];
    struct virtio *v = &devices[i];
    const struct virtio_buffer b[] = {
        {header, 16, 0}, {bytes, 512, DESC_WRITE}, {(const void *)&status, 1, DESC_WRITE}};
    uint32_t written;

    put_back(i);
    virtio_stop(v);
    if (!virtio_start(v, 0, any(seed) & 1, 0xffff))
        return false;
    status = 0xff;
    if (i == CARD) {
        virtio_set_up_queue(v, TRANSMIT, 0xffff);
        virtio_set(&v->common, COMMON_QUEUE, 2, 0);
        virtio_set(&v->common, COMMON_RESET, 2, 1);
        virtio_offer(v, &(struct virtio_buffer){frame, sizeof(frame), 0}, 1);
    } else {
        virtio_offer(v, i ? b : &b[1], i ? 3 : 1);
    }
    virtio_set(&v->port_bell, 0, 2, i == CARD ? TRANSMIT : 0);
    for (unsigned n = 0; n < 100000; n++) {
        if (virtio_take(v, &written))
            return i == RNG || i == CARD || status == 0;
    }
    return false;
}

static void one_step(uint32_t *seed)
{
    static void (*const operations[])(struct virtio *, uint32_t *) = {
        touch_common, touch_common, touch_registers, touch_bells,  touch_bells,
        touch_bells,  touch_rings,  touch_rings,     touch_vectors};
    uint32_t r = any(seed);
    struct virtio *v = &devices[(r >> 8) % count];

    if (r % 512 == 0)
        touch_config_space(v, seed);
    else
        operations[(r >> 16) % ARRAY_SIZE(operations)](v, seed);
    if (r % 128 == 1 && !__atomic_exchange_n(&repairing, 1, __ATOMIC_ACQUIRE)) {
        for (unsigned i = 0; i < count; i++)
            put_back(i);
        virtio_set(&v->common, COMMON_STATUS, 1, 0);
        if (virtio_start(v, VIRTIO_EVENTS | VIRTIO_INDIRECT, r >> 24 & 1, (uint16_t)(r >> 25 & 1)))
            repairs++; /* the other CPU may have been in between */
        if (v == &devices[CARD])
            virtio_set_up_queue(v, TRANSMIT, 0xffff);
        __atomic_store_n(&repairing, 0, __ATOMIC_RELEASE);
    }
}

static void run_steps(unsigned cpu)
{
    uint32_t seed = 0x12345678u + cpu * 0x9e3779b9u;

    for (uint32_t i = 0; i < steps; i++) {
        one_step(&seed);
        done[cpu]++;
    }
}

static void second_main(void)
{
    traps_load();
    apic_enable();
    run_steps(1);
    second_done = 1;
    stop();
}

static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
}

void guest_main(const struct boot_info *info)
{
    uint32_t seed = 99;

    steps = boot_number(info, "steps", STEPS);
    count = boot_word(info, "net") ? ARRAY_SIZE(slots) : CARD;
    on_interrupt(NMI, on_nmi);
    apic_enable();
    for (unsigned i = 0; i < count; i++) {
        check(virtio_find(&devices[i], slots[i]), "device %u", slots[i]);
        devices[i].desc = (uint8_t *)(ARENA + 0x10000 * i);
        devices[i].driver = devices[i].desc + 0x1000;
        devices[i].device = devices[i].desc + 0x2000;
        for (unsigned bar = 0; bar < 3; bar++)
            bars[i][bar] = pci_get(slots[i], 0x10 + 4 * bar);
    }
    if (!second_cpu_run(second_main))
        check(false, "a second CPU");
    run_steps(0);
    while (!second_done)
        ;
    check(done[0] == steps && done[1] == steps, "%u operations of each CPU", (unsigned)steps);
    check(repairs > 0, "%u times a device was brought up meanwhile", (unsigned)repairs);
    for (unsigned i = 0; i < count; i++)
        put_back(i); /* one may be where another one belongs */
    for (unsigned i = 0; i < count; i++)
        check(works(i, &seed), "device %u works after a reset", slots[i]);
}
