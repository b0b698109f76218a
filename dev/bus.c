/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/bus.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"

#define ADDRESS_BITS   52 /* of guest-physical addresses, at most */
#define KEY(width, at) ((uint64_t)(width) << BUS_WIDTH_SHIFT | (at))
#define ONES(size)     (UINT64_MAX >> (64 - 8 * (size)))

_Static_assert(BUS_QWORD < 16 && ADDRESS_BITS <= BUS_WIDTH_SHIFT, "a key holds width and address");
#define HINT_WINDOW (BUS_MAX_RANGES + 1)
_Static_assert(HINT_WINDOW <= UINT8_MAX, "a hint holds any place + 1");
_Static_assert(KEY(BUS_BYTE, 0) == WINDOW_PORTS, "behind any address");

/* --- lookup --- */

/* The slot that takes all of an access. */
static const struct bus_slot *find_slot(const struct bus_table *t, uint64_t key)
{
    const struct bus_slot *s = t->slots;

    /* Halves what is left: the last slot that does not begin behind the access. */
    for (unsigned n = t->count; n > 1; n -= n / 2)
        s += s[n / 2].key <= key ? n / 2 : 0;
    return key - s->key <= s->last ? s : NULL;
}

/* Mostly there is but one among these 256 ports. */
static const struct bus_slot *find_port(const struct bus *bus, unsigned port, unsigned size)
{
    const struct bus_slot *s = &bus->ports.slots[bus->hint[port >> 8] - 1];
    uint64_t key = KEY(size, port);

    if (likely(key - s->key <= s->last))
        return s;
    return s == &bus->ports.slots[BUS_MAX_RANGES] ? NULL : find_slot(&bus->ports, key);
}

static uint32_t read_port(const struct bus_slot *s, unsigned port, unsigned size)
{
    struct device *d = s->device;
    uint32_t value;

    spin_lock(&d->lock);
    value = d->ops->port_read(d->context, port + s->delta, size);
    spin_unlock(&d->lock);
    return value;
}

static void write_port(const struct bus_slot *s, unsigned port, unsigned size, uint32_t value)
{
    struct device *d = s->device;

    spin_lock(&d->lock);
    d->ops->port_write(d->context, port + s->delta, size, value);
    spin_unlock(&d->lock);
}

/* --- windows --- */

/* Addresses and ports of windows are in one table. */
static uint64_t window_place(bool port, uint64_t at)
{
    return port ? WINDOW_PORTS | at : at;
}

static bool window_port_read(struct bus *bus, unsigned port, unsigned size, uint32_t *value)
{
    struct window_access w;

    if (!windows_find(&bus->windows, WINDOW_PORTS | port, size, &w))
        return false;
    *value &= w.device->ops->port_read(w.device->context, w.offset, size);
    return true;
}

static bool window_port_write(struct bus *bus, unsigned port, unsigned size, uint32_t value)
{
    struct window_access w;

    if (!windows_find(&bus->windows, WINDOW_PORTS | port, size, &w))
        return false;
    w.device->ops->port_write(w.device->context, w.offset, size, value);
    return true;
}

/* --- ports --- */

/* The bytes of an access that nobody takes whole. A byte behind the last port is nobody's. */
static COLD bool read_split(struct bus *bus, unsigned port, unsigned size, uint32_t *value)
{
    bool answered = false;

    for (unsigned i = 0; i < size; i++) {
        const struct bus_slot *s = find_slot(&bus->ports, KEY(BUS_BYTE, port + i));
        uint32_t byte = 0xff;

        if (s)
            byte = read_port(s, port + i, 1) & 0xff;
        answered |= s || window_port_read(bus, port + i, 1, &byte);
        *value &= ~(0xffu << 8 * i) | byte << 8 * i;
    }
    return answered;
}

static COLD bool write_split(struct bus *bus, unsigned port, unsigned size, uint32_t value)
{
    bool answered = false;

    for (unsigned i = 0; i < size; i++) {
        const struct bus_slot *s = find_slot(&bus->ports, KEY(BUS_BYTE, port + i));

        if (s)
            write_port(s, port + i, 1, value >> 8 * i & 0xff);
        answered |= s || window_port_write(bus, port + i, 1, value >> 8 * i & 0xff);
    }
    return answered;
}

bool bus_find_port_read(struct bus *bus, uint16_t port, unsigned size, uint32_t *value)
{
    const struct bus_slot *s = find_port(bus, port, size);

    if (!s)
        return window_port_read(bus, port, size, value) || (size > 1 && read_split(bus, port, size, value));
    *value &= read_port(s, port, size);
    return true;
}

static struct doorbell **doorbell_place(struct bus *bus, uint16_t port)
{
    return &bus->doorbells[port / 256 % BUS_DOORBELLS];
}

static bool ring_doorbell(struct bus *bus, uint16_t port, uint32_t value)
{
    const struct doorbell *d = __atomic_load_n(doorbell_place(bus, port), __ATOMIC_ACQUIRE);

    if (!d || __atomic_load_n(&d->port, __ATOMIC_RELAXED) != port)
        return false;
    d->ring(d->context, value);
    return true;
}

bool bus_find_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
    const struct bus_slot *s;

    if (size == 2 && likely(ring_doorbell(bus, port, value)))
        return true;
    s = find_port(bus, port, size);
    if (!s)
        return window_port_write(bus, port, size, value) || (size > 1 && write_split(bus, port, size, value));
    write_port(s, port, size, value);
    return true;
}

/* --- memory --- */

bool bus_window_read(struct bus *bus, gpa_t at, unsigned size, uint64_t *value)
{
    struct window_access w;

    if (at.value >> ADDRESS_BITS || !windows_find(&bus->windows, at.value, size, &w))
        return false;
    *value &= w.device->ops->mmio_read(w.device->context, w.offset, size);
    return true;
}

bool bus_window_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
    struct window_access w;

    if (at.value >> ADDRESS_BITS || !windows_find(&bus->windows, at.value, size, &w))
        return false;
    w.device->ops->mmio_write(w.device->context, w.offset, size, value & ONES(size));
    return true;
}

const struct bus_slot bus_no_slot = {0, 0, NULL, 0};

const struct bus_slot *bus_find_memory(const struct bus *bus, gpa_t at, unsigned size)
{
    return at.value >> ADDRESS_BITS ? NULL : find_slot(&bus->memory, KEY(size, at.value));
}

bool bus_mmio_read(struct bus *bus, gpa_t at, unsigned size, uint64_t *value)
{
    const struct bus_slot *s = bus_find_memory(bus, at, size);

    *value = ONES(size);
    if (!s)
        return bus_window_read(bus, at, size, value);
    *value &= bus_slot_read(s, at, size);
    return true;
}

bool bus_mmio_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value)
{
    const struct bus_slot *s = bus_find_memory(bus, at, size);

    if (!s)
        return bus_window_write(bus, at, size, value);
    bus_slot_write(s, at, size, value & ONES(size));
    return true;
}

/* --- building --- */

/* Where a slot belongs: before the first one behind it. */
static unsigned place_of(const struct bus_table *t, uint64_t key)
{
    unsigned i = 0;

    while (i < t->count && t->slots[i].key < key)
        i++;
    return i;
}

/* Bytes of a range that begins at key: another one begins in it, or the one before it goes that far. */
static bool is_taken(const struct bus_table *t, uint64_t key, uint64_t size, unsigned width)
{
    unsigned i = place_of(t, key);

    return (i < t->count && t->slots[i].key - key < size) ||
           (i > 0 && key - t->slots[i - 1].key < t->slots[i - 1].last + width);
}

static void insert_slot(struct bus_table *t, struct bus_slot slot)
{
    unsigned i = place_of(t, slot.key);

    ASSERT(t->count < BUS_MAX_RANGES);
    ASSERT(i == t->count || t->slots[i].key != slot.key);
    memmove(&t->slots[i + 1], &t->slots[i], (t->count - i) * sizeof(slot));
    t->slots[i] = slot;
    t->count++;
}

static const char *refuse_range(const struct bus_table *t, const struct bus_range *r, uint64_t limit,
                                unsigned widths)
{
    unsigned places = 0;

    if (!r->size || r->first >= limit || r->size > limit - r->first)
        return "is empty or goes beyond the end";
    if (!r->widths || (r->widths & ~widths))
        return "takes no width, or one that is not there";
    for (unsigned width = BUS_BYTE; width <= BUS_QWORD; width *= 2) {
        if (!(r->widths & width))
            continue;
        if (r->size < width)
            return "is narrower than an access";
        if (is_taken(t, KEY(width, r->first), r->size, width))
            return "overlaps another one";
        places++;
    }
    return places > BUS_MAX_RANGES - t->count ? "is one too many" : NULL;
}

static void add_slots(struct bus_table *t, struct device *device, const struct bus_range *r)
{
    for (unsigned width = BUS_BYTE; width <= BUS_QWORD; width *= 2) {
        if (r->widths & width)
            insert_slot(t, (struct bus_slot){.key = KEY(width, r->first),
                                             .last = r->size - width,
                                             .device = device,
                                             .delta = r->offset - (unsigned)r->first});
    }
}

/* A dword may begin three ports before the device. */
static void set_hints(struct bus *bus)
{
    for (unsigned i = 0; i < bus->ports.count; i++) {
        const struct bus_slot *s = &bus->ports.slots[i];
        unsigned first = (uint16_t)s->key, end = first + (unsigned)(s->last + (s->key >> 60)) - 1;

        for (unsigned page = (MAX(first, 3) - 3) >> 8; page <= end >> 8; page++)
            bus->hint[page] = (uint8_t)(i + 1);
    }
}

const char *bus_add_ports(struct bus *bus, struct device *device, const struct bus_range *r)
{
    const char *why = refuse_range(&bus->ports, r, BUS_PORTS, BUS_BYTE | BUS_WORD | BUS_DWORD);

    if (!device->ops->port_read || !device->ops->port_write)
        why = "has a device that has no ports";
    if (why)
        return why;
    add_slots(&bus->ports, device, r);
    set_hints(bus);
    return NULL;
}

const char *bus_add_memory(struct bus *bus, struct device *device, const struct bus_range *r)
{
    const char *why =
        refuse_range(&bus->memory, r, BIT(ADDRESS_BITS), BUS_BYTE | BUS_WORD | BUS_DWORD | BUS_QWORD);

    if (!device->ops->mmio_read || !device->ops->mmio_write)
        why = "has a device that has no memory";
    if (!why)
        add_slots(&bus->memory, device, r);
    return why;
}

/* --- windows come and go --- */

void bus_use_windows(struct bus *bus, void *pages)
{
    bus->windows.tables[0] = pages;
    bus->windows.tables[1] = (void *)((uint8_t *)pages + PAGE_SIZE);
}

/* A range of any width has bytes of it. */
static bool is_range(const struct bus_table *t, uint64_t first, uint64_t size)
{
    for (const struct bus_slot *s = t->slots; s < t->slots + t->count; s++) {
        unsigned width = (unsigned)(s->key >> 60);
        uint64_t begins = s->key - KEY(width, 0);

        if (begins - first < size || first - begins < s->last + width)
            return true;
    }
    return false;
}

/* They stay: who has seen one may use it at any time. A dword may begin three ports before the window. */
static void set_window_hints(struct bus *bus, const struct bus_range *r)
{
    for (uint64_t page = (MAX(r->first, 3) - 3) >> 8; page <= (r->first + r->size - 1) >> 8; page++) {
        if (bus->hint[page] == 0)
            __atomic_store_n(&bus->hint[page], HINT_WINDOW, __ATOMIC_RELEASE);
    }
}

static const char *refuse_window(const struct bus *bus, bool port, const struct bus_range *r)
{
    uint64_t limit = port ? BUS_PORTS : BIT(ADDRESS_BITS);

    if (!r->size || r->first >= limit || r->size > limit - r->first)
        return "is empty or goes beyond the end";
    return is_range(port ? &bus->ports : &bus->memory, r->first, r->size) ? "overlaps a range" : NULL;
}

const char *bus_open_window(struct bus *bus, struct device *device, bool port, const struct bus_range *r)
{
    const struct window w = {window_place(port, r->first), r->size, device, r->widths, r->offset};
    const char *why = refuse_window(bus, port, r);

    ASSERT(bus->windows.tables[0]);
    ASSERT(port ? device->ops->port_read && device->ops->port_write
                : device->ops->mmio_read && device->ops->mmio_write);
    if (why)
        return why;
    spin_lock(&bus->windows.lock);
    why = windows_open(&bus->windows, &w);
    if (!why && port)
        set_window_hints(bus, r);
    spin_unlock(&bus->windows.lock);
    return why;
}

void bus_close_window(struct bus *bus, bool port, uint64_t first)
{
    spin_lock(&bus->windows.lock);
    windows_close(&bus->windows, window_place(port, first));
    spin_unlock(&bus->windows.lock);
}

void bus_place_doorbell(struct bus *bus, struct doorbell *d, uint16_t port)
{
    struct doorbell **place = doorbell_place(bus, port), *before = *place;

    ASSERT(port && d->ring);
    if (before && before != d && before->port)
        return;
    __atomic_store_n(&d->port, port, __ATOMIC_RELAXED);
    __atomic_store_n(place, d, __ATOMIC_RELEASE);
}

void bus_remove_doorbell(struct doorbell *d)
{
    __atomic_store_n(&d->port, 0, __ATOMIC_RELAXED);
}

const char *bus_attach(struct bus *bus, struct device *device)
{
    ASSERT(device->ops);
    if (bus->device_count == BUS_MAX_DEVICES)
        return "is one device too many";
    bus->devices[bus->device_count++] = device;
    return NULL;
}

/* --- all devices --- */

void bus_reset(struct bus *bus)
{
    for (unsigned i = 0; i < bus->device_count; i++) {
        struct device *d = bus->devices[i];

        if (!d->ops->reset)
            continue;
        spin_lock(&d->lock); /* a key may be typed for its VM */
        d->ops->reset(d->context);
        spin_unlock(&d->lock);
    }
}

void bus_destroy(struct bus *bus)
{
    for (unsigned i = 0; i < bus->device_count; i++) {
        struct device *d = bus->devices[i];

        if (d->ops->destroy)
            d->ops->destroy(d->context);
    }
}
