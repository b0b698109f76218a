/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio disk: every request in good and bad forms, against a copy of what must be on it. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_virtio.h"

#include "dev/virtio/block.h"

#include <stdlib.h>

#define SECTORS   100u /* the last page is half of one */
#define DISK_SIZE (SECTORS * SECTOR)
#define BUDGET    8u /* pages */
#define HEADER_AT UINT64_C(0x9000)
#define DATA_AT   UINT64_C(0x10000)
#define STATUS_AT UINT64_C(0x9800)
#define UNTOUCHED 0xee

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

static uint8_t disk[DISK_SIZE], expected[DISK_SIZE], piece[PAGE_2M];
static uint32_t map[SECTORS / 8 + 1];
static uint8_t *const pieces[] = {piece};
static struct block_changes changes;
static struct block block;

static void start(bool writable)
{
    for (unsigned i = 0; i < DISK_SIZE; i++)
        expected[i] = disk[i] = (uint8_t)(i * 7 + i / SECTOR);
    memset(map, 0, sizeof(map));
    memset(piece, 0xdd, sizeof(piece)); /* of somebody else, if it ever shows */
    changes = (struct block_changes){.pieces = pieces, .map = map, .pages = BUDGET};
    block = (struct block){
        .bytes = disk, .sectors = SECTORS, .changes = writable ? &changes : NULL, .name = "d0"};
    fake_device(&block_ops, &block, block_features(&block));
    device.config_size = block_configure(&block, device.config);
    bring_up(0, 0, 16);
}

static void put_header(uint32_t type, uint64_t sector)
{
    put32(HEADER_AT, type);
    put32(HEADER_AT + 4, 0);
    store_le(ram(HEADER_AT + 8), sector, 8);
    *ram(STATUS_AT) = UNTOUCHED;
}

static unsigned kick(const struct buffer *b, unsigned n, uint32_t *written)
{
    unsigned id;

    offer(b, n);
    virtio_kick(&device, 0);
    assert_true(came_back(&id, written));
    assert_int_equal(rd(R_STATUS, 1), 0xf);
    return *ram(STATUS_AT);
}

/* A request of n bytes that the device reads or writes: its status. */
static unsigned request(uint32_t type, uint64_t sector, uint32_t n)
{
    bool reads = type == IN || type == GET_ID;
    const struct buffer b[] = {
        {HEADER_AT, 16, 0}, {DATA_AT, n, reads ? F_WRITE : 0}, {STATUS_AT, 1, F_WRITE}};
    uint32_t written;
    unsigned status;

    put_header(type, sector);
    status = kick(b, 3, &written);
    assert_int_equal(written, status == OK ? 1 + (reads ? n : 0) : reads && n ? 0 : 1);
    return status;
}

static unsigned write_data(uint64_t sector, unsigned n, unsigned seed)
{
    for (unsigned i = 0; i < n; i++)
        *ram(DATA_AT + i) = (uint8_t)(i * 13 + seed);
    return request(OUT, sector, n);
}

static void expect_all(void)
{
    for (unsigned sector = 0; sector < SECTORS; sector += 25) {
        assert_int_equal(request(IN, sector, 25 * SECTOR), OK);
        assert_memory_equal(ram(DATA_AT), expected + sector * SECTOR, 25 * SECTOR);
    }
}

static unsigned clear_range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
    store_le(ram(DATA_AT), sector, 8);
    put32(DATA_AT + 8, count);
    put32(DATA_AT + 12, flags);
    return request(type, 0, 16);
}

static void configuration(void **state UNUSED)
{
    start(false);
    assert_int_equal(virtio_config_read(&device, 0, 4), SECTORS);
    assert_int_equal(virtio_config_read(&device, 8, 4), BLOCK_SEGMENT);
    assert_int_equal(virtio_config_read(&device, 0xc, 4), BLOCK_SEGMENTS);
    assert_int_equal(virtio_config_read(&device, 0x14, 4), SECTOR);
    assert_int_equal(virtio_config_read(&device, 0x18, 1), 3);
    assert_true(device.offered & BIT(5));
    assert_false(device.offered & (BIT(13) | BIT(14)));
    start(true);
    assert_false(device.offered & BIT(5));
    assert_true((device.offered & (BIT(13) | BIT(14))) == (BIT(13) | BIT(14)));
    assert_true(virtio_config_read(&device, 0x24, 4) > 0);
}

static void reads(void **state UNUSED)
{
    for (unsigned writable = 0; writable < 2; writable++) {
        start(writable);
        expect_all();
        for (unsigned sector = 0; sector < SECTORS; sector++) {
            assert_int_equal(request(IN, sector, SECTOR), OK);
            assert_memory_equal(ram(DATA_AT), disk + sector * SECTOR, SECTOR);
        }
        assert_int_equal(request(IN, 5, 0), OK);
        assert_int_equal(request(GET_ID, 0, 20), OK);
        assert_string_equal((char *)ram(DATA_AT), "d0");
        assert_int_equal(request(FLUSH, 0, 0), OK);
    }
}

static void wrong_requests(void **state UNUSED)
{
    static const uint32_t unknown[] = {2, 3, 5, 9, 10, 12, 14, 0x80000000u, UINT32_MAX};
    static const struct {
        uint64_t sector;
        uint32_t n;
    } rows[] = {{SECTORS, SECTOR},
                {SECTORS - 1, 2 * SECTOR},
                {UINT64_MAX, SECTOR},
                {UINT64_MAX / SECTOR, SECTOR},
                {0, 511},
                {0, 513},
                {0, 1},
                {SECTORS + 1, 0},
                {UINT64_MAX, 0}};

    start(true);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(request(IN, rows[i].sector, rows[i].n), IOERR);
        assert_int_equal(write_data(rows[i].sector, rows[i].n, 1), IOERR);
        if (rows[i].sector >= SECTORS - 1) /* these count whole sectors */
            assert_int_equal(clear_range(DISCARD, rows[i].sector, rows[i].n / SECTOR + 1, 0), IOERR);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
        assert_int_equal(request(unknown[i], 0, 0), UNSUPP);
    assert_int_equal(clear_range(DISCARD, 0, 8, 1), UNSUPP);
    assert_int_equal(clear_range(ZEROES, 0, 8, 2), UNSUPP);
    assert_int_equal(clear_range(ZEROES, 0, 0x80000000u, 0), IOERR);
    assert_int_equal(request(DISCARD, 0, 0), IOERR);
    assert_int_equal(request(DISCARD, 0, 8), IOERR);
    assert_int_equal(request(DISCARD, 0, 32), IOERR);
    expect_all();
    assert_int_equal(device.errors, 2 * ARRAY_SIZE(rows) + 6 + ARRAY_SIZE(unknown) + 6);
    start(false);
    assert_int_equal(write_data(0, SECTOR, 1), IOERR);
    assert_int_equal(clear_range(DISCARD, 0, 8, 0), UNSUPP);
    assert_int_equal(clear_range(ZEROES, 0, 8, 0), UNSUPP);
    expect_all();
}

/* Headers, data and status in any pieces; and what is missing. */
static void forms(void **state UNUSED)
{
    struct buffer b[12] = {{HEADER_AT, 3, 0}, {HEADER_AT + 3, 1, 0}, {HEADER_AT + 4, 12, 0}};
    uint32_t written;

    start(true);
    put_header(IN, 7);
    b[3] = (struct buffer){DATA_AT, 500, F_WRITE};
    b[4] = (struct buffer){DATA_AT + 500, 0, F_WRITE};
    b[5] = (struct buffer){DATA_AT + 500, 13, F_WRITE}; /* the last of them is the status */
    assert_int_equal(kick(b, 6, &written), UNTOUCHED);
    assert_int_equal(written, 513);
    assert_memory_equal(ram(DATA_AT), disk + 7 * SECTOR, SECTOR);
    assert_int_equal(*ram(DATA_AT + 512), OK);
    put_header(IN, 7);
    b[2].size = 11; /* a byte of the header is missing */
    b[3] = (struct buffer){STATUS_AT, 1, F_WRITE};
    assert_int_equal(kick(b, 4, &written), IOERR);
    assert_int_equal(written, 1);
    put_header(OUT, 7);
    b[2].size = 12;
    assert_int_equal(kick(b, 3, &written), UNTOUCHED); /* no place for a status */
    assert_int_equal(written, 0);
    put_header(IN, 7);
    b[0] = (struct buffer){STATUS_AT, 1, F_WRITE};
    assert_int_equal(kick(b, 1, &written), IOERR); /* nothing but a status */
    b[0] = (struct buffer){STATUS_AT, 0, F_WRITE};
    *ram(STATUS_AT) = UNTOUCHED;
    assert_int_equal(kick(b, 1, &written), UNTOUCHED);
    expect_all();
}

static void too_much_at_once(void **state UNUSED)
{
    struct buffer b[12];
    uint32_t written;

    start(true);
    put_header(IN, 0);
    b[0] = (struct buffer){HEADER_AT, 16, 0};
    for (unsigned i = 1; i < 11; i++)
        b[i] = (struct buffer){RAM_HIGH, RAM_SIZE, F_WRITE};
    b[11] = (struct buffer){STATUS_AT, 1, F_WRITE};
    assert_int_equal(kick(b, 12, &written), IOERR);
}

static void closed_status(void **state UNUSED)
{
    const struct buffer b[] = {{HEADER_AT, 16, 0}, {DATA_AT, 512, F_WRITE}, {STATUS_AT, 1, F_WRITE}};
    uint32_t written;

    start(false);
    guest_closes = true;
    put_header(IN, 0);
    closed_from = DATA_AT + 100;
    closed_to = closed_from + 1;
    assert_int_equal(kick(b, 3, &written), IOERR);
    put_header(IN, 0);
    closed_from = STATUS_AT;
    closed_to = closed_from + 1;
    assert_int_equal(kick(b, 3, &written), UNTOUCHED);
    closed_from = closed_to = 0;
    guest_closes = false;
}

static void budget(void **state UNUSED)
{
    start(true);
    for (unsigned i = 0; i < BUDGET; i++)
        assert_int_equal(write_data(8 * i, SECTOR, i), OK);
    assert_int_equal(write_data(8 * BUDGET, SECTOR, 1), IOERR);
    assert_int_equal(write_data(8 * BUDGET, 8 * SECTOR, 1), IOERR);
    assert_int_equal(clear_range(ZEROES, 8 * BUDGET + 1, 1, 0), IOERR);
    assert_int_equal(block.full, 3);
    assert_int_equal(write_data(8 * BUDGET - 1, SECTOR, 1), OK); /* a page that it has */
    assert_int_equal(clear_range(DISCARD, 0, 8, 0), OK);         /* gives one back */
    assert_int_equal(write_data(8 * BUDGET, SECTOR, 1), OK);
    assert_int_equal(write_data(8 * BUDGET + 8, SECTOR, 1), IOERR);
}

/* Any requests, against a copy. */
static void model(void **state UNUSED)
{
    srand(1);
    start(true);
    changes.pages = SECTORS / 8 + 1;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned sector = (unsigned)rand() % SECTORS, n = (unsigned)rand() % MIN(SECTORS - sector + 1, 40);

        switch (rand() % 4) {
        case 0:
            assert_int_equal(write_data(sector, n * SECTOR, i), OK);
            memcpy(expected + sector * SECTOR, ram(DATA_AT), n * SECTOR);
            break;
        case 1:
            assert_int_equal(clear_range(rand() & 1 ? DISCARD : ZEROES, sector, n, 0), OK);
            memset(expected + sector * SECTOR, 0, n * SECTOR);
            break;
        default:
            assert_int_equal(request(IN, sector, n * SECTOR), OK);
            assert_memory_equal(ram(DATA_AT), expected + sector * SECTOR, n * SECTOR);
            break;
        }
    }
    expect_all();
}

static int as_split(void **state UNUSED)
{
    split = true;
    return 0;
}

static int as_packed(void **state UNUSED)
{
    split = false;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(configuration, as_split),    cmocka_unit_test_setup(reads, as_split),
        cmocka_unit_test_setup(wrong_requests, as_split),   cmocka_unit_test_setup(forms, as_split),
        cmocka_unit_test_setup(too_much_at_once, as_split), cmocka_unit_test_setup(closed_status, as_split),
        cmocka_unit_test_setup(budget, as_split),           cmocka_unit_test_setup(model, as_split),
        cmocka_unit_test_setup(reads, as_packed),           cmocka_unit_test_setup(model, as_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
