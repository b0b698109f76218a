/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any accesses to a disk's registers, kicks and changes of guest memory, in any order: nothing but RAM is
 * touched, the work of each is bounded, what is broken says so until a reset, and a reset always brings it
 * back.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_virtio.h"

#include "dev/virtio/block.h"

#define DISK_PAGES 4
#define BUDGET     2u
#define MOST_CALLS (64ul * 3 * 64 + 4096) /* to memory, by one operation: chains, and descriptors of each */

/* The input is a row of these; those that set memory are followed by so many bytes. */
struct PACKED operation {
    uint8_t what, size;
    uint16_t offset;
    uint32_t value;
};

enum { READ, WRITE, WRITE_STATUS, KICK, WORK, SET_MEMORY, BRING_UP, OWN_CONFIG, OPERATIONS };

static uint8_t disk[DISK_PAGES * PAGE_SIZE], piece[PAGE_2M];
static uint8_t *const pieces[] = {piece};
static uint32_t map[DISK_PAGES];
static struct block_changes changes;
static struct block block;

static void create(bool writable)
{
    memset(map, 0, sizeof(map));
    changes = (struct block_changes){.pieces = pieces, .map = map, .pages = BUDGET};
    block = (struct block){
        .bytes = disk, .sectors = sizeof(disk) / SECTOR, .changes = writable ? &changes : NULL};
    fake_device(&block_ops, &block, block_features(&block));
    device.config_size = block_configure(&block, device.config);
    memset(ram_low, 0, 0x8000);
}

static void write_the_status(uint32_t value)
{
    wr(R_STATUS, 1, value);
    if (value & 0xff)
        return;
    MUST(rd(R_STATUS, 1) == 0 && !device.fault && !device.isr);
    for (unsigned i = 0; i < block_ops.queue_count; i++)
        MUST(!device.queues[i].ring.memory && device.queues[i].size == block_ops.queue_size);
}

/* A driver that keeps the rules finds it as it should be. */
static void bring_it_up(uint32_t value)
{
    split = value & 1;
    bring_up(value & 2 ? VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT : 0, 0, 4u << value % 5);
    MUST(rd(R_STATUS, 1) == 0xf);
}

static size_t set_memory(const struct operation *o, const uint8_t *data, size_t left)
{
    size_t n = MIN(left, o->size);

    memcpy(ram(DESC_AT) + o->offset % 0x4000, data, n);
    return n;
}

static void one_operation(const struct operation *o)
{
    unsigned long before = memory_calls;

    switch (o->what % OPERATIONS) {
    case READ: rd(o->offset % 0x48, o->size % 10); break;
    case WRITE: wr(o->offset % 0x48, o->size & 7, o->value); break;
    case WRITE_STATUS: write_the_status(o->value); break;
    case KICK: virtio_kick(&device, o->value & 1 ? o->value : 0); break;
    case WORK: virtio_work(&device); break;
    case BRING_UP: bring_it_up(o->value); break;
    case OWN_CONFIG:
        virtio_config_write(&device, o->offset, 4, o->value);
        virtio_config_read(&device, o->offset, 4);
        break;
    default: break;
    }
    MUST(memory_calls - before <= MOST_CALLS);
    MUST(!!(rd(R_STATUS, 1) & VIRTIO_NEEDS_RESET) == !!device.fault);
    MUST(changes.used <= BUDGET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct operation o;

    if (n < 1)
        return 0;
    create(*data & 1);
    data++;
    n--;
    while (n >= sizeof(o)) {
        size_t more = 0;

        memcpy(&o, data, sizeof(o));
        data += sizeof(o);
        n -= sizeof(o);
        if (o.what % OPERATIONS == SET_MEMORY)
            more = set_memory(&o, data, n);
        one_operation(&o);
        data += more;
        n -= more;
    }
    write_the_status(0);
    bring_it_up(1);
    return 0;
}
