/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an access of a guest finds its device: a bus for each VM, with the ranges of its devices in I/O ports
 * and in memory. It is filled while the VM is built, and read without a lock from then on. Each access is
 * made under the lock of its own device and no other.
 *
 * An access goes to the range that takes its width and holds all of it. Each width is a space of its own:
 * CF8h as a dword, PCI's address register, and CF9h as a byte, the reset port, do not overlap.
 *
 * Ports: what no range takes as a whole is split into bytes, in ascending order, as an ISA bridge does; each
 * is looked up by itself, and bytes of nobody read as FFh.
 *
 * Memory: what no range takes as a whole is nobody's, all of it. Registers there have the width that their
 * document gives them, and no bridge splits an access for them; a read of half of one may not act on it.
 *
 * What is nobody's reads as ones, and writes to it are ignored.
 *
 * Ranges that come, go and move while the guest runs are windows (dev/windows.h). They take bytes whatever
 * the width of an access is: none overlaps another window or a range. No lock is taken for their accesses:
 * what is behind them locks what it must.
 */
#pragma once

#include "arch/x86/spinlock.h"
#include "arch/x86/types.h"
#include "dev/windows.h"

#define BUS_MAX_RANGES  32 /* in ports and in memory each; one of two widths counts twice */
#define BUS_MAX_DEVICES 16
#define BUS_PORTS       0x10000

/* Widths that a range takes, in bytes: any of these, or'ed. */
enum bus_width { BUS_BYTE = 1, BUS_WORD = 2, BUS_DWORD = 4, BUS_QWORD = 8 };

/*
 * What a device does; all under its lock, but for accesses by a window. offset is from the start of the
 * range, on top of the range's own. Accesses are as wide as the range takes; what is read beyond that is cut
 * off. NULL: it has no such ranges, or nothing to do.
 */
struct device_ops {
    const char *name;
    uint32_t (*port_read)(void *context, unsigned offset, unsigned size);
    void (*port_write)(void *context, unsigned offset, unsigned size, uint32_t value);
    uint64_t (*mmio_read)(void *context, unsigned offset, unsigned size);
    void (*mmio_write)(void *context, unsigned offset, unsigned size, uint64_t value);
    void (*reset)(void *context);   /* to the state of a machine that was just switched on */
    void (*destroy)(void *context); /* its VM goes: it lets go of what is not the VM's */
};

struct device {
    const struct device_ops *ops;
    void *context;
    struct spinlock lock;
};

struct bus_range {
    uint64_t first, size; /* a port or an address, and bytes */
    unsigned widths;
    unsigned offset; /* what the device calls the first byte: tells its ranges apart */
};

#define BUS_WIDTH_SHIFT 60

/* What is inside: a range for accesses of one width. */
struct bus_slot {
    uint64_t key;  /* the width, and the first port or address; slots are sorted by it */
    uint64_t last; /* behind key: where the last access that fits begins */
    struct device *device;
    unsigned delta; /* offset of an access less its port or address */
};

struct bus_table {
    unsigned count;
    struct bus_slot slots[BUS_MAX_RANGES + 1]; /* the last one takes nothing */
};

/* A port whose 16-bit writes have a way shorter than that through its window, which is there as well. */
struct doorbell {
    uint32_t port; /* 0: it is nowhere (atomic). The rest never changes */
    void (*ring)(void *context, uint32_t value);
    void *context;
};

#define BUS_DOORBELLS 32 /* by port, 256 to a place */

struct bus {
    /* By the first port of an access: 0 when nobody is among these 256, else 1 and a slot to look at first:
     * the last one if only windows are there, or were. */
    uint8_t hint[BUS_PORTS >> 8];
    struct bus_table ports, memory;
    struct windows windows;
    struct doorbell *doorbells[BUS_DOORBELLS];
    unsigned device_count;
    struct device *devices[BUS_MAX_DEVICES];
};

/*
 * Building, before the first access. NULL, or why it is refused: the range is empty, goes beyond the last
 * port or address, is narrower than an access that it takes or overlaps another one, or there is no place
 * left.
 */
const char *bus_attach(struct bus *bus, struct device *device);
const char *bus_add_ports(struct bus *bus, struct device *device, const struct bus_range *range);
const char *bus_add_memory(struct bus *bus, struct device *device, const struct bus_range *range);

/* Two zeroed pages, while the VM is built: from then on there may be windows. */
void bus_use_windows(struct bus *bus, void *pages);

/*
 * From any CPU, while the guest runs: a window at a port (else an address); once it is open, all CPUs find it
 * there. NULL, or why it is refused, as above. Closing one that is not there does nothing.
 */
const char *bus_open_window(struct bus *bus, struct device *device, bool port, const struct bus_range *range);
void bus_close_window(struct bus *bus, bool port, uint64_t first);

/* As windows, by whoever opens and closes the doorbell's own. Where another one has the place, it goes the
 * way of its window. It stays in memory as long as the bus. */
void bus_place_doorbell(struct bus *bus, struct doorbell *d, uint16_t port);
void bus_remove_doorbell(struct doorbell *d);

/* Each device once, in the order in which they were attached. */
void bus_reset(struct bus *bus);
void bus_destroy(struct bus *bus);

/* Of a range that a device may have taken; *value is all ones. */
bool bus_find_port_read(struct bus *bus, uint16_t port, unsigned size, uint32_t *value);
bool bus_find_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value);

/* One access of 1, 2 or 4 bytes to I/O ports. False: nobody has answered, to any byte. */
static inline bool bus_port_read(struct bus *bus, uint16_t port, unsigned size, uint32_t *value)
{
    *value = UINT32_MAX >> (32 - 8 * size);
    return bus->hint[port >> 8] && bus_find_port_read(bus, port, size, value);
}

static inline bool bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
    return bus->hint[port >> 8] && bus_find_port_write(bus, port, size, value);
}

/* A slot that takes no access. */
extern const struct bus_slot bus_no_slot;

/* Whether it takes an access to memory, at an address that the processor can have. */
static inline bool bus_slot_takes(const struct bus_slot *s, gpa_t at, unsigned size)
{
    return ((uint64_t)size << BUS_WIDTH_SHIFT | at.value) - s->key <= s->last;
}

/* An access that it takes: of a value the caller cuts what is beyond its size. */
static inline uint64_t bus_slot_read(const struct bus_slot *s, gpa_t at, unsigned size)
{
    struct device *d = s->device;
    uint64_t value;

    spin_lock(&d->lock);
    value = d->ops->mmio_read(d->context, (unsigned)at.value + s->delta, size);
    spin_unlock(&d->lock);
    return value;
}

static inline void bus_slot_write(const struct bus_slot *s, gpa_t at, unsigned size, uint64_t value)
{
    struct device *d = s->device;

    spin_lock(&d->lock);
    d->ops->mmio_write(d->context, (unsigned)at.value + s->delta, size, value);
    spin_unlock(&d->lock);
}

/* The slot of one, NULL: it is a window's, or nobody's. Slots stay what they are. */
const struct bus_slot *bus_find_memory(const struct bus *bus, gpa_t at, unsigned size);
/* What has no slot. False: nobody has answered; *value is all ones before it is read. */
bool bus_window_read(struct bus *bus, gpa_t at, unsigned size, uint64_t *value);
bool bus_window_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value);

/* One access of 1, 2, 4 or 8 bytes to memory that is no RAM. False: nobody has answered. */
bool bus_mmio_read(struct bus *bus, gpa_t at, unsigned size, uint64_t *value);
bool bus_mmio_write(struct bus *bus, gpa_t at, unsigned size, uint64_t value);
