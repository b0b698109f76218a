/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device on a VM's PCI bus as a driver reaches it: capabilities, registers and doorbells behind the
 * BARs, access to them by configuration space, both kinds of interrupt. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

/* Above what has names like those of its BARs. */
#include "dev/virtio/virtio_pci.c"

enum { VECTORS_BAR = VECTORS };

#define MUST(condition) assert_true(condition)
#include "tests/unit/fake_pci.h"

#define PLACE   5
#define BASE    (PCI_MEMORY_BASE + PLACE * PCI_MEMORY_SIZE)
#define TABLES  (BASE + 4 * PAGE)
#define DOOR_IO (PCI_IO_BASE + PLACE * PCI_IO_SIZE)
#define QUEUES  2
#define DEPTH   8

/* --- what is below it --- */

static struct virtio_pci *p;
static unsigned asked;
static const struct vcpu *asked_of;

void vcpu_ask(struct vcpu *v, uint32_t what)
{
    assert_int_equal(what, ASKED_DEVICES);
    asked_of = v;
    asked++;
}

/* No queue is ever enabled. */
struct ring_memory vm_memory(struct vm *of)
{
    assert_ptr_equal(of, &vm);
    return (struct ring_memory){.context = of};
}

/* The device, which only notes what it is asked (tests/unit/virtio.c has the real one). */
static struct {
    unsigned kicks, queue, inits, resets, commons, configs, offset, size;
    uint32_t value;
} done;

void virtio_init(struct virtio_device *d UNUSED, uint64_t features, struct ring_segment *segments)
{
    assert_int_equal(features, BIT(3) | VIRTIO_F_TRANSPORT);
    memset(segments, 0xa5, QUEUES * DEPTH * sizeof(*segments)); /* as many as there are */
    done.inits++;
}

void virtio_reset(struct virtio_device *d)
{
    d->isr = 0;
    done.resets++;
}

void virtio_kick(struct virtio_device *d UNUSED, unsigned queue)
{
    done.kicks++;
    done.queue = queue;
}

static uint32_t note(unsigned offset, unsigned size, uint32_t value)
{
    assert_int_not_equal(p->lock.next, p->lock.served); /* it is held */
    done.offset = offset;
    done.size = size;
    done.value = value;
    return 0x76543210;
}

uint32_t virtio_common_read(const struct virtio_device *d UNUSED, unsigned offset, unsigned size)
{
    done.commons++;
    return note(offset, size, 0);
}

void virtio_common_write(struct virtio_device *d UNUSED, unsigned offset, unsigned size, uint32_t value)
{
    done.commons++;
    note(offset, size, value);
}

uint32_t virtio_config_read(struct virtio_device *d UNUSED, unsigned offset, unsigned size)
{
    done.configs++;
    return note(offset, size, 0);
}

void virtio_config_write(struct virtio_device *d UNUSED, unsigned offset, unsigned size, uint32_t value)
{
    done.configs++;
    note(offset, size, value);
}

uint8_t virtio_take_isr(struct virtio_device *d)
{
    uint8_t isr = d->isr;

    d->isr = 0;
    return isr;
}

static const struct virtio_ops ops = {.name = "echo", .type = 42, .queue_count = QUEUES, .queue_size = DEPTH};

static struct vcpu first, second;
static struct cpu cpu;

static int set_up(void **state UNUSED)
{
    const struct virtio_identity id = {.ops = &ops,
                                       .slot = PLACE,
                                       .class_code = 0x00ff00,
                                       .features = BIT(3),
                                       .config = "abcdef",
                                       .config_size = 6,
                                       .model_size = 8};

    fake_pci_set_up();
    memset(&done, 0, sizeof(done));
    fake_this_cpu = &cpu;
    cpu.vcpu = NULL;
    vm.vcpus[0] = &first;
    first = second = (struct vcpu){.vm = &vm};
    p = virtio_pci_create(&vm, &id);
    assert_non_null(p);
    config_write(PLACE, 4, 2, ON);
    assert_int_equal(done.inits, 1);
    memset(&done, 0, sizeof(done));
    asked = 0;
    return 0;
}

static uint32_t conf(unsigned offset, unsigned size)
{
    return config_read(PLACE, offset, size);
}

/* The n-th capability of a type; 0: there is none. */
static unsigned capability(unsigned type, unsigned n)
{
    unsigned left = 48;

    for (unsigned at = conf(0x34, 1); at; at = conf(at + 1, 1)) {
        assert_int_not_equal(left--, 0);
        if (conf(at, 1) == PCI_CAPABILITY_VENDOR && conf(at + CAP_TYPE, 1) == type && !n--)
            return at;
    }
    return 0;
}

static void is_capability(unsigned at, unsigned size, unsigned bar, uint32_t offset, uint32_t length)
{
    assert_int_not_equal(at, 0);
    assert_int_equal(conf(at + 2, 1), size);
    assert_int_equal(conf(at + CAP_BAR, 1), bar);
    assert_int_equal(conf(at + CAP_OFFSET, 4), offset);
    assert_int_equal(conf(at + CAP_LENGTH, 4), length);
}

/* --- */

static void capabilities_say_where(void **state UNUSED)
{
    assert_int_equal(conf(0, 4), 0x106a1af4);
    assert_int_equal(conf(0x2c, 4), 0x106a1af4);
    assert_int_equal(conf(8, 4), 0x00ff0001);
    is_capability(capability(CAP_COMMON, 0), 16, 0, 0, 0x40);
    is_capability(capability(CAP_NOTIFY, 0), 20, 2, 0, 4);
    assert_int_equal(conf(capability(CAP_NOTIFY, 0) + CAP_MORE, 4), 0);
    is_capability(capability(CAP_ISR, 0), 16, 0, 0x1000, 1);
    is_capability(capability(CAP_DEVICE, 0), 16, 0, 0x2000, 6);
    is_capability(capability(CAP_NOTIFY, 1), 20, 0, 0x3000, QUEUES * 4);
    assert_int_equal(conf(capability(CAP_NOTIFY, 1) + CAP_MORE, 4), 4);
    is_capability(capability(CAP_ACCESS, 0), 20, 0, 0, 0);
    assert_int_equal(capability(CAP_NOTIFY, 2) + capability(CAP_ACCESS, 1), 0);
}

static void bars_have_their_sizes(void **state UNUSED)
{
    static const uint32_t sizes[6] = {0xffffc000, 0xfffff000, 0xfffffffd, 0, 0, 0};

    assert_int_equal(conf(PCI_BAR(0), 4), BASE);
    assert_int_equal(conf(PCI_BAR(1), 4), TABLES);
    assert_int_equal(conf(PCI_BAR(2), 4), DOOR_IO | 1);
    for (unsigned i = 0; i < 6; i++) {
        config_write(PLACE, PCI_BAR(i), 4, UINT32_MAX);
        assert_int_equal(conf(PCI_BAR(i), 4), sizes[i]);
    }
}

static void is_done(unsigned commons, unsigned configs, unsigned offset, unsigned size, uint32_t value)
{
    assert_int_equal(done.commons, commons);
    assert_int_equal(done.configs, configs);
    assert_int_equal(done.offset, offset);
    assert_int_equal(done.size, size);
    assert_int_equal(done.value, value);
    memset(&done, 0, sizeof(done));
}

static void registers_behind_their_bar(void **state UNUSED)
{
    for (unsigned size = 1; size <= 4; size *= 2) {
        assert_int_equal(load(BASE + 0x38, size), 0x76543210 & UINT32_MAX >> (32 - 8 * size));
        is_done(1, 0, 0x38, size, 0);
        assert_int_equal(load(BASE + 0x2004, size), 0x76543210 & UINT32_MAX >> (32 - 8 * size));
        is_done(0, 1, 4, size, 0);
        store(BASE + 0xffc, size, 0x5a);
        is_done(1, 0, 0xffc, size, 0x5a);
        store(BASE + 0x2000, size, 0x5b);
        is_done(0, 1, 0, size, 0x5b);
    }
    for (unsigned at = 0; at < 0x4000; at += 0x1000) { /* nothing there has eight bytes */
        assert_int_equal(load(BASE + at, 8), 0);
        if (at < 0x3000)
            store(BASE + at, 8, UINT64_MAX);
    }
    assert_int_equal(load(BASE + 0x3000, 2), 0); /* a doorbell tells nothing */
    assert_int_equal(in(DOOR_IO, 2), 0xffff);
    assert_int_equal(in(DOOR_IO, 4), UINT32_MAX);
    is_done(0, 0, 0, 0, 0);
    assert_int_equal(done.kicks, 0);
    config_write(PLACE, 4, 2, 0);
    assert_int_equal(load(BASE, 2), 0xffff);
    store(BASE, 2, 1);
    out(DOOR_IO, 2, 0);
    is_done(0, 0, 0, 0, 0);
    assert_int_equal(done.kicks, 0);
}

/* A queue's number, or one that no device has. */
static void kicks(unsigned queue)
{
    assert_int_equal(done.kicks, 1);
    assert_int_equal(done.queue, queue);
    memset(&done, 0, sizeof(done));
}

static void doorbell_of_ports(void **state UNUSED)
{
    out(DOOR_IO, 2, 1);
    kicks(1);
    out(DOOR_IO, 2, 0xffff); /* the device's to refuse */
    kicks(0xffff);
    for (unsigned size = 1; size <= 4; size *= 2) {
        for (unsigned at = 0; at + size <= 4; at += size) {
            out(DOOR_IO + at, size, 0);
            kicks(at == 0 && size == 2 ? 0 : UINT32_MAX);
        }
    }
    config_write(PLACE, PCI_BAR(2), 4, 0xe400); /* it moves, and is switched off */
    out(0xe400, 2, 1);
    kicks(1);
    assert_false(bus_port_write(vm.bus, DOOR_IO, 2, 1));
    config_write(PLACE, 4, 2, 0);
    assert_false(bus_port_write(vm.bus, 0xe400, 2, 1));
    assert_int_equal(done.kicks, 0);
}

static void doorbell_of_memory(void **state UNUSED)
{
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned at = 0; at < 64; at += size) {
            store(BASE + 0x3000 + at, size, UINT64_MAX); /* the place says which queue */
            kicks(at % 4 == 0 && size == 2 ? at / 4 : UINT32_MAX);
        }
    }
    store(BASE + 0x3ffc, 2, 0);
    kicks(0x3ff);
}

/* --- access by configuration space --- */

static unsigned aim(unsigned bar, uint32_t offset, uint32_t length)
{
    unsigned at = capability(CAP_ACCESS, 0);

    config_write(PLACE, at + CAP_BAR, 1, bar);
    config_write(PLACE, at + CAP_OFFSET, 4, offset);
    config_write(PLACE, at + CAP_LENGTH, 4, length);
    assert_int_equal(conf(at + CAP_LENGTH, 4), length);
    memset(&done, 0, sizeof(done));
    return at + CAP_MORE;
}

/* config_read() goes both ways: each reads. */
static void access_reaches_the_bars(void **state UNUSED)
{
    for (unsigned size = 1; size <= 4; size *= 2) {
        unsigned data = aim(REGISTERS, 0x10, size);

        assert_int_equal(conf(data, 4), 0x76543210);
        is_done(2, 0, 0x10, size, 0);
        config_write(PLACE, data, 4, 0x87654321);
        is_done(1, 0, 0x10, size, 0x87654321 & UINT32_MAX >> (32 - 8 * size));
    }
    config_write(PLACE, 4, 2, 0); /* that is what it is for: a BAR need not be mapped */
    config_write(PLACE, aim(REGISTERS, 0x3004, 2), 2, 7);
    kicks(1);
    config_write(PLACE, aim(PORTS, 0, 2), 2, 1);
    kicks(1);
    config_write(PLACE, aim(VECTORS_BAR, 0, 4), 4, 0xfee01000);
    assert_int_equal(conf(aim(VECTORS_BAR, 0, 4), 4), 0xfee01000);
}

static void is_refused(unsigned bar, uint32_t offset, uint32_t length)
{
    unsigned data = aim(bar, offset, length);

    assert_int_equal(conf(data, 4), UINT32_MAX);
    config_write(PLACE, data, 4, 1);
    is_done(0, 0, 0, 0, 0);
    assert_int_equal(done.kicks, 0);
}

static void bad_access_is_none(void **state UNUSED)
{
    static const uint32_t lengths[] = {0, 3, 5, 8, 0x100, 0x10000, 0x80000004, UINT32_MAX},
                          offsets[] = {0x4000, 0x7ffffffc, 0x80000000, UINT32_MAX - 3};

    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++)
        is_refused(REGISTERS, 0, lengths[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++)
        is_refused(REGISTERS, offsets[i], 4);
    is_refused(REGISTERS, 1, 2);
    is_refused(REGISTERS, 2, 4);
    is_refused(REGISTERS, 0x3fff, 2);
    is_refused(PORTS, 4, 2);
    is_refused(3, 0, 4);
    is_refused(6, 0, 4);
    is_refused(255, 0, 1);
    config_write(PLACE, aim(REGISTERS, 0, 4), 2, 1); /* a part of the data, and not its first byte */
    config_write(PLACE, aim(REGISTERS, 0, 2) + 2, 2, 1);
    config_write(PLACE, aim(REGISTERS, 0, 1) + 1, 1, 1);
    is_done(0, 0, 0, 0, 0);
}

/* --- interrupts --- */

static void use_msix(void)
{
    for (unsigned i = 0; i <= QUEUES; i++) {
        store(TABLES + i * 16, 8, MSI_BASE | (uint64_t)i << 12);
        store(TABLES + i * 16 + 8, 8, 0x40 + i);
    }
    for (unsigned at = conf(0x34, 1); at; at = conf(at + 1, 1)) {
        if (conf(at, 1) == PCI_CAPABILITY_MSIX)
            config_write(PLACE, at + 2, 2, MSIX_ENABLE);
    }
}

static void status_is_read_once(void **state UNUSED)
{
    const struct virtio_host *host = &p->device.host;
    uint32_t pin = 1u << (16 + PLACE % 8);

    host->interrupt(host->context, 0, VIRTIO_ISR_QUEUE);
    assert_int_equal(pins, pin);
    host->interrupt(host->context, VIRTIO_NO_VECTOR, VIRTIO_ISR_CONFIG);
    assert_int_equal(load(BASE + 0x1001, 1), 0); /* beside it */
    assert_int_equal(pins, pin);
    assert_int_equal(load(BASE + 0x1000, 4), VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
    assert_int_equal(pins, 0);
    assert_int_equal(load(BASE + 0x1000, 1), 0);
    store(BASE + 0x1000, 1, 3); /* read-only */
    assert_int_equal(load(BASE + 0x1000, 1), 0);
    assert_int_equal(sent(), 0);
    host->interrupt(host->context, 0, VIRTIO_ISR_QUEUE);
    assert_int_equal(load(ecam(PLACE, aim(REGISTERS, 0x1000, 1)), 1), VIRTIO_ISR_QUEUE);
    assert_int_equal(pins, 0);
}

static void messages_leave_the_line(void **state UNUSED)
{
    const struct virtio_host *host = &p->device.host;

    use_msix();
    for (unsigned i = 0; i <= QUEUES; i++) {
        host->interrupt(host->context, (uint16_t)i, VIRTIO_ISR_QUEUE);
        assert_int_equal(posted_vector, 0x40 + i);
        assert_int_equal(sent(), 1);
    }
    host->interrupt(host->context, VIRTIO_NO_VECTOR, VIRTIO_ISR_QUEUE);
    host->interrupt(host->context, QUEUES + 1, VIRTIO_ISR_QUEUE);
    assert_int_equal(sent(), 0);
    assert_int_equal(load(BASE + 0x1000, 1), 0);
    host->interrupt(host->context, QUEUES, VIRTIO_ISR_CONFIG); /* the status says so, too */
    assert_int_equal(sent(), 1);
    assert_int_equal(pins, 0);
    assert_int_equal(load(BASE + 0x1000, 1), VIRTIO_ISR_CONFIG);
}

/* By the bus, and by the register of the status, which clears it. */
static void reset_lowers_the_line(void **state UNUSED)
{
    const struct virtio_host *host = &p->device.host;

    host->interrupt(host->context, 0, VIRTIO_ISR_QUEUE);
    p->device.isr = 0;
    store(BASE + 0x14, 1, 0);
    assert_int_equal(pins, 0);
    host->interrupt(host->context, 0, VIRTIO_ISR_QUEUE);
    p->device.queues[1].later = true;
    bus_reset(&bus);
    assert_int_equal(done.resets, 1);
    assert_int_equal(pins, 0);
    assert_false(p->device.queues[1].later);
}

static void work_is_asked_of_whoever_is_there(void **state UNUSED)
{
    const struct virtio_host *host = &p->device.host;
    struct vcpu stranger = {.vm = NULL};

    host->later(host->context); /* it has stopped */
    assert_int_equal(asked, 0);
    vm.state.phase = VM_RUNS;
    host->later(host->context);
    assert_ptr_equal(asked_of, &first);
    cpu.vcpu = &second;
    host->later(host->context);
    assert_ptr_equal(asked_of, &second);
    cpu.vcpu = &stranger;
    host->later(host->context);
    assert_ptr_equal(asked_of, &first);
    assert_int_equal(asked, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(capabilities_say_where, set_up),
        cmocka_unit_test_setup(bars_have_their_sizes, set_up),
        cmocka_unit_test_setup(registers_behind_their_bar, set_up),
        cmocka_unit_test_setup(doorbell_of_ports, set_up),
        cmocka_unit_test_setup(doorbell_of_memory, set_up),
        cmocka_unit_test_setup(access_reaches_the_bars, set_up),
        cmocka_unit_test_setup(bad_access_is_none, set_up),
        cmocka_unit_test_setup(status_is_read_once, set_up),
        cmocka_unit_test_setup(messages_leave_the_line, set_up),
        cmocka_unit_test_setup(reset_lowers_the_line, set_up),
        cmocka_unit_test_setup(work_is_asked_of_whoever_is_there, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
