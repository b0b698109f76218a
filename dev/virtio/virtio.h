/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device, whatever it is and however its guest reaches it (virtio 1.2, "Basic Facilities of a Virtio
 * Device" and "Common configuration structure layout"): status, features, queues. A model is a struct
 * virtio_ops; the binding to a bus is a struct virtio_host.
 *
 * Locks: registers are accessed under the lock of whoever calls. Each queue has one of its own, which is
 * taken below that or alone, and is held while the model works on it. Guest memory is touched under the lock
 * of a queue only, by the VM's own vCPUs. So a queue that was stopped under its lock is at rest, and the
 * status reads 0 when all are.
 */
#pragma once

#include "arch/x86/spinlock.h"
#include "dev/virtio/ring.h"

#define VIRTIO_MAX_QUEUES   17 /* a network card's: 8 pairs and one for control */
#define VIRTIO_NO_VECTOR    0xffffu
#define VIRTIO_COMMON_SIZE  0x40 /* bytes of the common configuration */
#define VIRTIO_ISR_QUEUE    1
#define VIRTIO_ISR_CONFIG   2
#define VIRTIO_CONFIG_BYTES 64

/* Device status. */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 0x40,
    VIRTIO_FAILED = 0x80,
};

/* Features of every device, and which each offers. */
#define VIRTIO_F_INDIRECT  BIT(28)
#define VIRTIO_F_EVENT_IDX BIT(29)
#define VIRTIO_F_VERSION_1 BIT(32)
#define VIRTIO_F_PACKED    BIT(34)
#define VIRTIO_F_IN_ORDER  BIT(35) /* each device gives back what it was given in this order, one by one */
#define VIRTIO_F_RESET     BIT(40) /* of a queue */

#define VIRTIO_F_TRANSPORT                                                                               \
    (VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_PACKED | VIRTIO_F_IN_ORDER | \
     VIRTIO_F_RESET)

struct virtio_queue {
    struct spinlock lock;
    bool later;      /* it is to be worked on without a kick (atomic) */
    uint16_t vector; /* (atomic) */
    uint16_t index, size, max_size;
    uint64_t desc, driver, device;
    struct ring ring;        /* enabled: as the driver sees it */
    struct ring_chain chain; /* the one that is worked on */
    uint64_t work;           /* bytes that a turn has moved, as serve() counts what it moves elsewhere */
    uint64_t kicks, chains, interrupts;
};

struct virtio_device;

/* What a device is. serve and ready are called under the lock of the queue. */
struct virtio_ops {
    const char *name;
    uint16_t type;                    /* "Device Types" */
    uint16_t queue_count, queue_size; /* the device may have another count (struct virtio_identity) */
    /* Before the first chain of a turn, and behind the last, under the lock of the queue; NULL: nothing. */
    void (*begin)(struct virtio_device *d, unsigned queue);
    void (*end)(struct virtio_device *d, unsigned queue);
    /* Whether it has something for a chain of this queue; NULL: always. */
    bool (*ready)(struct virtio_device *d, unsigned queue);
    /* One chain, which is the driver's again when it returns. */
    void (*serve)(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c);
    /* One chain by a shorter way, given back, too; NULL: there is none. False, with nothing done: the next
     * chain, if any, is not for it. */
    bool (*serve_short)(struct virtio_device *d, unsigned queue, struct ring *r);
    /* Whether features that it offers go together; NULL: all do. */
    bool (*accepts)(uint64_t features);
    /* A byte of the configuration that the driver writes; NULL: it may write none. */
    void (*config_write)(struct virtio_device *d, unsigned offset, uint8_t value);
    void (*start)(
        struct virtio_device *d); /* its driver is there, and its features are settled; NULL: nothing */
    void (*reset)(struct virtio_device *d); /* what the driver has made of it; NULL: nothing */
};

/* What the binding does for a device, on any CPU. */
struct virtio_host {
    void *context;
    const struct ring_memory *memory;
    void (*interrupt)(void *context, uint16_t vector, unsigned isr);
    void (*later)(void *context); /* calls virtio_work() on a vCPU of its VM, not at once */
};

struct virtio_device {
    const struct virtio_ops *ops;
    void *model;
    struct virtio_host host;
    unsigned queue_count;
    unsigned vectors; /* that there are to choose from */
    uint64_t offered, features;
    uint8_t status; /* (atomic) */
    uint8_t isr;    /* (atomic) */
    bool polled;    /* a CPU looks at its queues by itself: no kick is wanted (atomic) */
    bool wrong_features;
    uint16_t config_vector; /* (atomic) */
    uint16_t queue_select;
    uint32_t offered_select, features_select;
    uint8_t config[VIRTIO_CONFIG_BYTES] ALIGNED(
        8); /* the device's own; fixed but for config_write and _change */
    unsigned config_size;
    uint8_t generation;      /* of it (atomic); */
    bool config_seen;        /* it was read since that changed (atomic) */
    const char *fault;       /* why it needs a reset */
    uint64_t faults, errors; /* times that it did; requests that failed by themselves */
    uint64_t ignored;        /* kicks that could mean nothing */
    struct virtio_queue *queues;
};

/* ops, model, host, queues and their count, vectors and config are set; features: all that it offers;
 * segments: as many as all queues have entries. */
void virtio_init(struct virtio_device *d, uint64_t features, struct ring_segment *segments);

/* As it was when it was switched on, and at rest. */
void virtio_reset(struct virtio_device *d);

/* Its driver is there, and has not broken it. */
bool virtio_is_live(const struct virtio_device *d);

/* The common configuration. An access that is no field reads as 0, and does nothing. */
uint32_t virtio_common_read(const struct virtio_device *d, unsigned offset, unsigned size);
void virtio_common_write(struct virtio_device *d, unsigned offset, unsigned size, uint32_t value);

/* The device's own configuration: 1, 2 or 4 bytes. */
uint32_t virtio_config_read(struct virtio_device *d, unsigned offset, unsigned size);
void virtio_config_write(struct virtio_device *d, unsigned offset, unsigned size, uint32_t value);

/* The device itself changes a 16-bit field of it, at an even offset: its driver hears of it. From any CPU. */
void virtio_config_change(struct virtio_device *d, unsigned offset, uint16_t value);

/* The interrupt status, which is then 0. */
uint8_t virtio_take_isr(struct virtio_device *d);

/* The driver says that a queue has something; any number. */
void virtio_kick(struct virtio_device *d, unsigned queue);

/* The model has something for a queue now: it is worked on soon. From any CPU. */
void virtio_poke(struct virtio_device *d, unsigned queue);

/* What is to be done without a kick; on a vCPU of the VM. */
void virtio_work(struct virtio_device *d);

/* A queue on which the device works without being asked, from any CPU: it is locked then, until it is left,
 * when the driver hears of the chains that were given back. NULL: there is no driver, or it has no such
 * queue. */
struct virtio_queue *virtio_enter(struct virtio_device *d, unsigned queue);
void virtio_leave(struct virtio_device *d, struct virtio_queue *q);

/* A CPU that looks at a device's queues again and again (polled is set) serves a turn of one. True: there was
 * something. From any CPU. */
bool virtio_poll(struct virtio_device *d, unsigned queue);
/* It does so no more (polled is not set), and kicks are wanted. True: there is something already. */
bool virtio_end_polling(struct virtio_device *d, unsigned queue);
