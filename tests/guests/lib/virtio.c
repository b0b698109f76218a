/* SPDX-License-Identifier: BSD-2-Clause */
#include "virtio.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define ENABLE         0x80000000u
#define VENDOR         0x1af4
#define AVAIL          0x80u
#define USED           0x8000u

enum { COMMAND = 4, BAR0 = 0x10, CAPABILITIES = 0x34 };
enum { CAP_VENDOR = 9, CAP_MSIX = 0x11 };
enum { AREA_COMMON = 1, AREA_NOTIFY, AREA_ISR, AREA_DEVICE, AREA_ACCESS };

static uint8_t rings[4][3][4096] ALIGNED(4096); /* of four devices at most */
static unsigned rings_used;

uint32_t pci_get(unsigned slot, unsigned offset)
{
    outl(CONFIG_ADDRESS, ENABLE | slot << 11 | (offset & ~3u));
    return inl(CONFIG_DATA);
}

void pci_set(unsigned slot, unsigned offset, uint32_t value)
{
    outl(CONFIG_ADDRESS, ENABLE | slot << 11 | offset);
    outl(CONFIG_DATA, value);
}

static uint32_t byte_of(unsigned slot, unsigned offset)
{
    return pci_get(slot, offset) >> 8 * (offset & 3) & 0xff;
}

/* --- where its parts are --- */

static struct virtio_area area_of(unsigned slot, unsigned cap)
{
    uint32_t bar = pci_get(slot, BAR0 + 4 * byte_of(slot, cap + 4));
    bool io = bar & 1;

    return (struct virtio_area){io, (bar & (io ? ~3u : ~15u)) + pci_get(slot, cap + 8),
                                pci_get(slot, cap + 12)};
}

static void take_area(struct virtio *v, unsigned cap)
{
    struct virtio_area a = area_of(v->slot, cap);

    switch (byte_of(v->slot, cap + 3)) {
    case AREA_COMMON: v->common = a; break;
    case AREA_ISR: v->isr = a; break;
    case AREA_DEVICE: v->config = a; break;
    case AREA_ACCESS: v->access = cap; break;
    case AREA_NOTIFY: *(a.io ? &v->port_bell : &v->memory_bell) = a; break;
    default: break;
    }
}

static void take_msix(struct virtio *v, unsigned cap)
{
    uint32_t table = pci_get(v->slot, cap + 4);

    v->msix = cap;
    v->vectors = (pci_get(v->slot, BAR0 + 4 * (table & 7)) & ~15u) + (table & ~7u);
}

bool virtio_find(struct virtio *v, unsigned slot)
{
    unsigned cap = byte_of(slot, CAPABILITIES);

    *v = (struct virtio){.slot = slot};
    if ((pci_get(slot, 0) & 0xffff) != VENDOR)
        return false;
    for (unsigned i = 0; cap && i < 16; i++, cap = byte_of(slot, cap + 1)) {
        if (byte_of(slot, cap) == CAP_VENDOR)
            take_area(v, cap);
        else if (byte_of(slot, cap) == CAP_MSIX)
            take_msix(v, cap);
    }
    pci_set(slot, COMMAND, 7);
    if (rings_used < ARRAY_SIZE(rings)) {
        v->desc = rings[rings_used][0];
        v->driver = rings[rings_used][1];
        v->device = rings[rings_used++][2];
    }
    return v->common.at && v->port_bell.at && v->memory_bell.at;
}

uint32_t virtio_get(const struct virtio_area *a, unsigned offset, unsigned size)
{
    uint32_t at = a->at + offset;

    switch (size) {
    case 1: return a->io ? inb((uint16_t)at) : *(volatile uint8_t *)at;
    case 2: return a->io ? inw((uint16_t)at) : *(volatile uint16_t *)at;
    default: return a->io ? inl((uint16_t)at) : *(volatile uint32_t *)at;
    }
}

void virtio_set(const struct virtio_area *a, unsigned offset, unsigned size, uint32_t value)
{
    uint32_t at = a->at + offset;

    if (a->io && size == 2)
        outw((uint16_t)at, (uint16_t)value);
    else if (a->io)
        outl((uint16_t)at, value);
    else if (size == 1)
        *(volatile uint8_t *)at = (uint8_t)value;
    else if (size == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        *(volatile uint32_t *)at = value;
}

/* --- its life --- */

void virtio_negotiate(const struct virtio *v, uint32_t features, bool packed)
{
    const struct virtio_area *c = &v->common;

    for (unsigned status = 0; status < 4; status = 2 * status + 1) /* 0, 1, 3 */
        virtio_set(c, COMMON_STATUS, 1, status);
    virtio_set(c, 8, 4, 0);
    virtio_set(c, 0xc, 4, features);
    virtio_set(c, 8, 4, 1);
    virtio_set(c, 0xc, 4, VIRTIO_VERSION | (packed ? VIRTIO_PACKED : 0));
    virtio_set(c, COMMON_STATUS, 1, 0xb);
}

void virtio_set_up_queue(const struct virtio *v, unsigned queue, uint16_t vector)
{
    const struct virtio_area *c = &v->common;

    virtio_set(c, COMMON_QUEUE, 2, queue);
    virtio_set(c, COMMON_SIZE, 2, VIRTIO_SIZE);
    virtio_set(c, 0x20, 4, (uint32_t)v->desc);
    virtio_set(c, 0x28, 4, (uint32_t)v->driver);
    virtio_set(c, 0x30, 4, (uint32_t)v->device);
    virtio_set(c, 0x1a, 2, vector);
    virtio_set(c, COMMON_ENABLE, 2, 1);
}

bool virtio_start(struct virtio *v, uint32_t features, bool packed, uint16_t vector)
{
    memset(v->desc, 0, 4096);
    memset(v->driver, 0, 4096);
    memset(v->device, 0, 4096);
    v->packed = packed;
    v->next = v->seen = 0;
    v->wrap = true;
    virtio_negotiate(v, features, packed);
    if (!(virtio_get(&v->common, COMMON_STATUS, 1) & 8))
        return false;
    virtio_set_up_queue(v, 0, vector);
    virtio_set(&v->common, COMMON_STATUS, 1, 0xf);
    return virtio_get(&v->common, COMMON_STATUS, 1) == 0xf;
}

void virtio_stop(struct virtio *v)
{
    virtio_set(&v->common, COMMON_STATUS, 1, 0);
    while (virtio_get(&v->common, COMMON_STATUS, 1))
        ;
}

/* --- chains: one at a time, from the first descriptor on; packed: from the next --- */

static void put_descriptor(uint8_t *d, const struct virtio_buffer *b, uint16_t third, uint16_t fourth)
{
    ((volatile uint32_t *)d)[0] = (uint32_t)b->at;
    ((volatile uint32_t *)d)[1] = 0;
    ((volatile uint32_t *)d)[2] = b->size;
    ((volatile uint16_t *)d)[6] = third;
    __asm__ volatile("" ::: "memory");
    ((volatile uint16_t *)d)[7] = fourth;
}

static void offer_split(struct virtio *v, const struct virtio_buffer *b, unsigned n)
{
    volatile uint16_t *avail = (volatile uint16_t *)v->driver;

    for (unsigned i = 0; i < n; i++)
        put_descriptor(v->desc + 16 * i, &b[i], (uint16_t)(b[i].flags | (i + 1 < n ? DESC_NEXT : 0)),
                       (uint16_t)(i + 1));
    avail[2 + v->next % VIRTIO_SIZE] = 0;
    __asm__ volatile("" ::: "memory");
    avail[1] = ++v->next;
}

static void offer_packed(struct virtio *v, const struct virtio_buffer *b, unsigned n)
{
    uint8_t *head = v->desc + 16 * v->next;
    uint16_t head_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        uint8_t *d = v->desc + 16 * v->next;
        uint16_t flags = (uint16_t)(b[i].flags | (i + 1 < n ? DESC_NEXT : 0) | (v->wrap ? AVAIL : USED));

        if (!i)
            head_flags = flags;
        put_descriptor(d, &b[i], 0, i ? flags : ((volatile uint16_t *)d)[7]);
        if (++v->next == VIRTIO_SIZE) {
            v->next = 0;
            v->wrap = !v->wrap;
        }
    }
    __asm__ volatile("" ::: "memory");
    ((volatile uint16_t *)head)[7] = head_flags;
}

void virtio_offer(struct virtio *v, const struct virtio_buffer *b, unsigned n)
{
    if (v->packed)
        offer_packed(v, b, n);
    else
        offer_split(v, b, n);
}

void virtio_ring_port(const struct virtio *v)
{
    __asm__ volatile("outw %0, %1" : : "a"((uint16_t)0), "d"((uint16_t)v->port_bell.at) : "memory");
}

void virtio_ring_memory(const struct virtio *v)
{
    *(volatile uint16_t *)v->memory_bell.at = 0;
}

/* With one chain at a time, what comes back in the packed format stands where the chain began. */
static bool take_packed(struct virtio *v, uint32_t *written)
{
    volatile uint16_t *d = (volatile uint16_t *)(v->desc + 16 * v->seen);
    bool wrapped = v->next <= v->seen;
    uint16_t both = v->wrap != wrapped ? AVAIL | USED : 0;

    if (v->next == v->seen || (d[7] & (AVAIL | USED)) != both)
        return false;
    *written = ((volatile uint32_t *)d)[2];
    v->seen = v->next;
    return true;
}

bool virtio_take(struct virtio *v, uint32_t *written)
{
    volatile uint16_t *used = (volatile uint16_t *)v->device;

    if (v->packed)
        return take_packed(v, written);
    if (used[1] == v->seen)
        return false;
    *written = ((volatile uint32_t *)v->device)[2 + 2 * (v->seen % VIRTIO_SIZE)];
    v->seen++;
    return true;
}

/* --- MSI-X --- */

void virtio_set_vector(const struct virtio *v, unsigned entry, uint8_t vector)
{
    mmio_write(v->vectors + 16 * entry, 0xfee00000);
    mmio_write(v->vectors + 16 * entry + 4, 0);
    mmio_write(v->vectors + 16 * entry + 8, vector);
    mmio_write(v->vectors + 16 * entry + 12, 0);
}

void virtio_use_msix(const struct virtio *v, bool on)
{
    pci_set(v->slot, v->msix, (on ? 0x80000000u : 0) | (pci_get(v->slot, v->msix) & 0x7fffffffu));
}
