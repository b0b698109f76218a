/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device that gives each byte back: its registers, its status, and the work on its queues. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_virtio.h"

#define QUEUE    16
#define FEATURES (BIT(3) | BIT(50))

static bool has_something;
static unsigned resets, served;
static uint8_t last_config[8];

static bool something(struct virtio_device *d UNUSED, unsigned queue)
{
    return queue != 1 || has_something;
}

static void give_back(struct virtio_device *d UNUSED, unsigned queue UNUSED, struct ring *r,
                      struct ring_chain *c)
{
    uint8_t byte;

    served++;
    while (c->writable.left && ring_get(r, c, &byte, 1))
        ring_put(r, c, &byte, 1);
}

static void count_reset(struct virtio_device *d UNUSED)
{
    resets++;
}

static void keep_config(struct virtio_device *d UNUSED, unsigned offset, uint8_t value)
{
    last_config[offset] = value;
}

static const struct virtio_ops echo_ops = {.name = "echo",
                                           .type = 42,
                                           .queue_count = 2,
                                           .queue_size = QUEUE,
                                           .ready = something,
                                           .serve = give_back,
                                           .config_write = keep_config,
                                           .reset = count_reset};

static int set_up(void **state UNUSED)
{
    fake_device(&echo_ops, NULL, FEATURES);
    device.config_size = 6;
    memcpy(device.config, "abcdef", 6);
    guest_closes = has_something = false;
    served = resets = 0;
    split = true;
    return 0;
}

static void registers_at_reset(void **state UNUSED)
{
    for (unsigned queue = 0; queue < 2; queue++) {
        wr(R_QUEUE, 2, queue);
        assert_int_equal(rd(R_QUEUE, 2), queue);
        assert_int_equal(rd(R_SIZE, 2), QUEUE);
        assert_int_equal(rd(R_VECTOR, 2), 0xffff);
        assert_int_equal(rd(R_ENABLE, 2), 0);
        assert_int_equal(rd(R_NOTIFY_OFF, 2), queue);
    }
    assert_int_equal(rd(R_QUEUES, 2), 2);
    assert_int_equal(rd(R_STATUS, 1), 0);
    assert_int_equal(rd(R_CONFIG_VECTOR, 2), 0xffff);
    wr(R_OFFERED_SELECT, 4, 0);
    assert_int_equal(rd(R_OFFERED, 4), 1u << 28 | 1u << 29 | 1u << 3);
    wr(R_OFFERED_SELECT, 4, 1);
    assert_int_equal(rd(R_OFFERED, 4), 1 | 1 << 2 | 1 << 3 | 1 << 8 | 1 << 18);
    for (unsigned select = 2; select; select <<= 1) {
        wr(R_OFFERED_SELECT, 4, select);
        assert_int_equal(rd(R_OFFERED, 4), 0);
    }
}

/* Every field in every width: only its own does anything. */
static void widths_of_fields(void **state UNUSED)
{
    static const unsigned narrow[] = {R_CONFIG_VECTOR, R_QUEUE, R_STATUS, R_SIZE, R_FEATURES};

    wr(R_STATUS, 1, 3);
    for (unsigned offset = 0; offset < 0x80; offset++) {
        for (unsigned size = 0; size < 10; size++) {
            uint32_t value = rd(offset, size);

            assert_true(size >= 4 || value < 1u << 8 * size);
            if (offset % 4 && size == 4)
                assert_int_equal(value, 0);
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(narrow); i++) {
        unsigned own = narrow[i] == R_STATUS ? 1 : narrow[i] == R_FEATURES ? 4 : 2;
        uint32_t before = rd(narrow[i], own);

        for (unsigned size = 1; size <= 8; size *= 2) {
            if (size == own)
                continue;
            assert_int_equal(rd(narrow[i], size), 0);
            wr(narrow[i], size, 1);
            wr(narrow[i] + 1, size, 1);
            assert_int_equal(rd(narrow[i], own), before);
        }
    }
    for (unsigned offset = 0x40; offset < 0x2000; offset++)
        assert_int_equal(rd(offset, 4), 0);
}

static void read_only_fields(void **state UNUSED)
{
    assert_true(negotiate(VIRTIO_F_VERSION_1));
    wr(R_QUEUES, 2, 99);
    wr(R_NOTIFY_OFF, 2, 99);
    wr(R_GENERATION, 1, 99);
    wr(R_OFFERED, 4, 0xffffffff);
    wr(R_STATUS, 1, 0);
    registers_at_reset(NULL);
}

static void absent_queues(void **state UNUSED)
{
    static const unsigned selects[] = {2, VIRTIO_MAX_QUEUES, 0xffff};
    struct virtio_device before;

    assert_true(negotiate(VIRTIO_F_VERSION_1 | VIRTIO_F_RESET));
    for (unsigned i = 0; i < ARRAY_SIZE(selects); i++) {
        wr(R_QUEUE, 2, selects[i]);
        before = device;
        for (unsigned offset = R_SIZE; offset < 0x40; offset += 2) {
            assert_int_equal(rd(offset, 2), offset == R_VECTOR ? 0xffff : 0);
            wr(offset, 2, 1);
            wr(offset, 4, 1);
        }
        assert_memory_equal(&before, &device, sizeof(device));
    }
}

static void features(void **state UNUSED)
{
    assert_true(negotiate(VIRTIO_F_VERSION_1));
    assert_true(negotiate(VIRTIO_F_VERSION_1 | FEATURES | VIRTIO_F_TRANSPORT));
    assert_false(negotiate(0)); /* no version 1 */
    assert_false(negotiate(FEATURES));
    for (unsigned bit = 0; bit < 64; bit++) {
        bool offered = (FEATURES | VIRTIO_F_TRANSPORT) & BIT(bit);

        assert_int_equal(negotiate(VIRTIO_F_VERSION_1 | BIT(bit)), offered);
    }
    assert_true(negotiate(VIRTIO_F_VERSION_1));
    wr(R_SELECT, 4, 0);
    wr(R_FEATURES, 4, 1u << 28); /* too late */
    assert_int_equal(rd(R_FEATURES, 4), 0);
    negotiate(0);
    wr(R_SELECT, 4, 7);
    wr(R_FEATURES, 4, 0);
    wr(R_SELECT, 4, 1);
    wr(R_FEATURES, 4, 1);
    wr(R_STATUS, 1, 0xb);
    assert_int_equal(rd(R_STATUS, 1), 0xb);
    negotiate(0);
    wr(R_SELECT, 4, 7);
    wr(R_FEATURES, 4, 1); /* there is no such word */
    wr(R_SELECT, 4, 1);
    wr(R_FEATURES, 4, 1);
    wr(R_STATUS, 1, 0xb);
    assert_int_equal(rd(R_STATUS, 1), 3);
    assert_true(negotiate(VIRTIO_F_VERSION_1));
}

static void status_bits(void **state UNUSED)
{
    wr(R_STATUS, 1, 8); /* before ACKNOWLEDGE and DRIVER */
    assert_int_equal(rd(R_STATUS, 1), 0);
    wr(R_STATUS, 1, 4);
    assert_int_equal(rd(R_STATUS, 1), 0);
    wr(R_STATUS, 1, 0x70); /* the device's, and what nobody knows */
    assert_int_equal(rd(R_STATUS, 1), 0);
    assert_true(negotiate(VIRTIO_F_VERSION_1));
    wr(R_STATUS, 1, 1); /* fewer */
    assert_int_equal(rd(R_STATUS, 1), 0xb);
    wr(R_STATUS, 1, 0xf);
    wr(R_STATUS, 1, 0xf);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
    wr(R_STATUS, 1, 0x8f);
    assert_int_equal(rd(R_STATUS, 1), 0x8f);
    wr(R_STATUS, 1, 0);
    assert_int_equal(rd(R_STATUS, 1), 0);
    assert_int_equal(resets, 2); /* negotiate() makes one */
}

static void vectors(void **state UNUSED)
{
    for (unsigned v = 0; v < 0x10000; v += v < 8 ? 1 : 0x1111) {
        wr(R_CONFIG_VECTOR, 2, v);
        assert_int_equal(rd(R_CONFIG_VECTOR, 2), v < VECTORS ? v : 0xffff);
        wr(R_VECTOR, 2, v);
        assert_int_equal(rd(R_VECTOR, 2), v < VECTORS ? v : 0xffff);
    }
}

static void own_configuration(void **state UNUSED)
{
    assert_int_equal(virtio_config_read(&device, 0, 4), 0x64636261);
    assert_int_equal(virtio_config_read(&device, 4, 4), 0x6665);
    assert_int_equal(virtio_config_read(&device, 5, 1), 'f');
    assert_int_equal(virtio_config_read(&device, 6, 4), 0);
    assert_int_equal(virtio_config_read(&device, UINT32_MAX, 4), 0);
    virtio_config_write(&device, 4, 4, 0x44434241);
    virtio_config_write(&device, UINT32_MAX, 4, 0x44434241);
    assert_memory_equal(last_config, "\0\0\0\0AB\0", 8);
}

/* --- queues --- */

static void offer_one(unsigned bytes)
{
    const struct buffer b[] = {{0x10000, bytes, 0}, {0x11000, bytes, F_WRITE}};

    offer(b, 2);
}

static unsigned returned(void)
{
    unsigned n = 0, id;
    uint32_t written;

    while (came_back(&id, &written))
        n++;
    return n;
}

static void works(void **state UNUSED)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        split = !packed;
        set_up(state);
        split = !packed;
        bring_up(0, 0, QUEUE);
        assert_int_equal(rd(R_STATUS, 1), 0xf);
        assert_int_equal(rd(R_ENABLE, 2), 1);
        offer_one(4);
        offer_one(4);
        virtio_kick(&device, 0);
        assert_int_equal(returned(), 2);
        assert_int_equal(interrupts[1], 1);
        assert_int_equal(interrupts[0] + interrupts[2] + interrupts[3], 0);
        virtio_kick(&device, 0); /* nothing new: no interrupt */
        assert_int_equal(interrupts[1], 1);
        assert_int_equal(device.queues[0].kicks, 2);
        assert_int_equal(device.queues[0].chains, 2);
        assert_int_equal(device.queues[0].interrupts, 1);
    }
}

static void buffers_before_driver_ok(void **state UNUSED)
{
    drv_reset(QUEUE);
    negotiate(VIRTIO_F_VERSION_1);
    set_up_queue(0, QUEUE, 1);
    offer_one(4);
    virtio_kick(&device, 0);
    virtio_work(&device);
    assert_int_equal(served, 0);
    assert_int_equal(device.ignored, 1);
    wr(R_STATUS, 1, 0xf);
    assert_true(laters > 0);
    virtio_work(&device);
    assert_int_equal(returned(), 1);
}

static void kicks_that_mean_nothing(void **state UNUSED)
{
    static const unsigned queues[] = {1, 2, VIRTIO_MAX_QUEUES, 0xffff, UINT32_MAX};

    bring_up(0, 0, QUEUE);
    offer_one(4);
    for (unsigned i = 0; i < ARRAY_SIZE(queues); i++)
        virtio_kick(&device, queues[i]);
    assert_int_equal(device.ignored, ARRAY_SIZE(queues));
    assert_int_equal(served, 0);
    wr(R_STATUS, 1, 0x8f); /* FAILED */
    virtio_kick(&device, 0);
    wr(R_STATUS, 1, 0);
    virtio_kick(&device, 0);
    assert_int_equal(served, 0);
}

static void set_up_in_order_only(void **state UNUSED)
{
    drv_reset(QUEUE);
    set_up_queue(0, 8, 1); /* before FEATURES_OK */
    assert_int_equal(rd(R_SIZE, 2), QUEUE);
    assert_int_equal(rd(R_DESC, 4), 0);
    assert_int_equal(rd(R_ENABLE, 2), 0);
    bring_up(0, 0, 8);
    assert_int_equal(rd(R_SIZE, 2), 8);
    assert_int_equal(rd(R_DRIVER, 4), DRIVER_AT);
    wr(R_SIZE, 2, 4); /* enabled */
    wr(R_DESC, 4, 0x8000);
    wr(R_DEVICE + 4, 4, 1);
    wr(R_ENABLE, 2, 0);
    assert_int_equal(rd(R_SIZE, 2), 8);
    assert_int_equal(rd(R_DESC, 4), DESC_AT);
    assert_int_equal(rd(R_DEVICE + 4, 4), 0);
    assert_int_equal(rd(R_ENABLE, 2), 1);
    wr(R_ENABLE, 2, 1);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
    wr(R_STATUS, 1, 0);
    assert_int_equal(rd(R_SIZE, 2), QUEUE);
    assert_int_equal(rd(R_DESC, 4), 0);
    assert_int_equal(rd(R_VECTOR, 2), 0xffff);
    write_address(R_DESC, UINT64_MAX);
    negotiate(VIRTIO_F_VERSION_1);
    write_address(R_DESC, UINT64_C(0x123456789abcdef0));
    assert_int_equal(rd(R_DESC, 4), 0x9abcdef0);
    assert_int_equal(rd(R_DESC + 4, 4), 0x12345678);
}

static void refused_queues(void **state UNUSED)
{
    static const unsigned sizes[] = {0, 3, 32, 0x8000};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes) + 2; i++) {
        negotiate(VIRTIO_F_VERSION_1);
        wr(R_CONFIG_VECTOR, 2, 2);
        wr(R_QUEUE, 2, 0);
        if (i >= ARRAY_SIZE(sizes))
            write_address(R_DESC, i & 1 ? DESC_AT + 8 : UINT64_MAX - 15);
        if (i < ARRAY_SIZE(sizes))
            set_up_queue(0, sizes[i], 1);
        else
            wr(R_ENABLE, 2, 1);
        assert_int_equal(rd(R_ENABLE, 2), 0);
        assert_int_equal(rd(R_STATUS, 1), 0x4b);
        assert_non_null(device.fault);
        assert_int_equal(interrupts[2], 0); /* the driver is not there yet */
    }
    assert_int_equal(device.faults, ARRAY_SIZE(sizes) + 2);
}

static void broken_until_reset(void **state UNUSED)
{
    bring_up(0, 0, QUEUE);
    offer_one(4);
    put16(DRIVER_AT + 2, QUEUE + 1);
    for (unsigned i = 0; i < 5; i++)
        virtio_kick(&device, 0);
    assert_int_equal(rd(R_STATUS, 1), 0x4f);
    assert_int_equal(interrupts[0], 1); /* said once */
    assert_string_equal(device.fault, "more chains than descriptors");
    put16(DRIVER_AT + 2, 1);
    virtio_kick(&device, 0);
    virtio_work(&device);
    assert_int_equal(served, 0);
    assert_int_equal(device.faults, 1);
    bring_up(0, 0, QUEUE);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
    assert_null(device.fault);
    offer_one(4);
    virtio_kick(&device, 0);
    assert_int_equal(returned(), 1);
}

static void one_queue_is_reset(void **state UNUSED)
{
    for (unsigned with = 0; with < 2; with++) {
        bring_up(with ? VIRTIO_F_RESET : 0, 0, 8);
        wr(R_QUEUE_RESET, 2, 0);
        wr(R_QUEUE_RESET, 2, 2);
        assert_int_equal(rd(R_ENABLE, 2), 1);
        wr(R_QUEUE_RESET, 2, 1);
        assert_int_equal(rd(R_QUEUE_RESET, 2), 0);
        assert_int_equal(rd(R_ENABLE, 2), !with);
        assert_int_equal(rd(R_SIZE, 2), with ? QUEUE : 8);
        wr(R_QUEUE_RESET, 2, 1);
    }
    drv_reset(4);
    set_up_queue(0, 4, 2); /* and comes back with another size */
    assert_int_equal(rd(R_ENABLE, 2), 1);
    offer_one(1);
    virtio_kick(&device, 0);
    assert_int_equal(returned(), 1);
    assert_int_equal(interrupts[2], 1);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
}

/* A queue for which the device has nothing: its buffers stay, and it wants no kicks. */
static void what_the_device_has(void **state UNUSED)
{
    bring_up(0, 1, QUEUE);
    offer_one(4);
    virtio_kick(&device, 1);
    assert_int_equal(returned(), 0);
    assert_int_equal(get16(DEVICE_AT), 1);
    has_something = true;
    laters = 0;
    virtio_poke(&device, 1);
    assert_int_equal(laters, 1);
    assert_int_equal(served, 0);
    virtio_work(&device);
    assert_int_equal(returned(), 1);
    assert_int_equal(get16(DEVICE_AT), 0); /* it has more */
    virtio_work(&device);
    assert_int_equal(served, 1);
}

static void bounded_work(void **state UNUSED)
{
    bring_up(0, 0, QUEUE);
    for (unsigned i = 0; i < QUEUE; i++) {
        put_desc(DESC_AT, i, 0x10000, 0x10000, 0, 0); /* 64 KiB each */
        put16(DRIVER_AT + 4 + 2 * i, i);
    }
    put16(DRIVER_AT + 2, QUEUE);
    laters = 0;
    virtio_kick(&device, 0);
    assert_int_equal(served, 4);
    assert_int_equal(laters, 1);
    for (unsigned i = 2; i < 5; i++) {
        virtio_work(&device);
        assert_int_equal(served, 4 * i);
    }
    virtio_work(&device);
    virtio_work(&device);
    assert_int_equal(served, QUEUE);
}

static void memory_that_closes(void **state UNUSED)
{
    bring_up(0, 0, QUEUE);
    offer_one(4);
    guest_closes = true;
    virtio_kick(&device, 0);
    assert_int_equal(returned(), 1);
    closed_from = DEVICE_AT;
    closed_to = DEVICE_AT + 1;
    offer_one(4);
    virtio_kick(&device, 0);
    assert_int_equal(returned(), 0);
    assert_int_equal(rd(R_STATUS, 1), 0x4f);
    closed_from = closed_to = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_at_reset, set_up),
        cmocka_unit_test_setup(widths_of_fields, set_up),
        cmocka_unit_test_setup(read_only_fields, set_up),
        cmocka_unit_test_setup(absent_queues, set_up),
        cmocka_unit_test_setup(features, set_up),
        cmocka_unit_test_setup(status_bits, set_up),
        cmocka_unit_test_setup(vectors, set_up),
        cmocka_unit_test_setup(own_configuration, set_up),
        cmocka_unit_test_setup(works, set_up),
        cmocka_unit_test_setup(buffers_before_driver_ok, set_up),
        cmocka_unit_test_setup(kicks_that_mean_nothing, set_up),
        cmocka_unit_test_setup(set_up_in_order_only, set_up),
        cmocka_unit_test_setup(refused_queues, set_up),
        cmocka_unit_test_setup(broken_until_reset, set_up),
        cmocka_unit_test_setup(one_queue_is_reset, set_up),
        cmocka_unit_test_setup(what_the_device_has, set_up),
        cmocka_unit_test_setup(bounded_work, set_up),
        cmocka_unit_test_setup(memory_that_closes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
