/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio devices that are small: random bytes, and the console between a guest and its stream. */
#include "tests/unit/unit.h"

#include "tests/unit/fake_virtio.h"

#include "dev/virtio/rng.c"
#include "dev/virtio/vconsole.c"

#define TYPED_AT UINT64_C(0x10000)

/* --- what is below them --- */

static unsigned words_left, uart_heard_of_room;
static char said[8192];
static unsigned said_count, room;
static struct vm vm;
static struct vm_config config;
static struct virtio_pci *made;
static struct serial_line line;

struct serial_end *serial_attach(struct vm *of)
{
    assert_ptr_equal(of, &vm);
    serial_init(&line);
    return &line.ends[0];
}

bool random_word(uint64_t *word)
{
    *word = UINT64_C(0x0102030405060708);
    return words_left && words_left--;
}

unsigned console_room(const struct console_stream *s)
{
    assert_ptr_equal(s, &vm.console);
    return room;
}

bool console_guest_output(struct console_stream *s, uint8_t byte)
{
    if (!room) {
        s->lost++;
        return false;
    }
    room--;
    said[said_count++] = (char)byte;
    return room >= CONSOLE_RESERVE;
}

unsigned console_guest_write(struct console_stream *s, const char *bytes, unsigned count)
{
    unsigned n = room > CONSOLE_RESERVE ? MIN(count, room - CONSOLE_RESERVE) : 0;

    for (unsigned i = 0; i < n; i++)
        console_guest_output(s, (uint8_t)bytes[i]);
    return n;
}

void console_guest_lose(struct console_stream *s, uint64_t count)
{
    s->lost += count;
}

unsigned pc_take_input(struct vm *of, void *bytes, unsigned n)
{
    unsigned i = 0;

    for (; i < n && of->input_tail != of->input_head; i++)
        ((uint8_t *)bytes)[i] = of->input[of->input_tail++ % VM_INPUT];
    return i;
}

/* Its device is the one of fake_virtio.h. */
struct virtio_pci *virtio_pci_create(struct vm *of, const struct virtio_identity *id)
{
    static struct virtio_pci p;
    static _Alignas(16) uint8_t model[256];

    assert_true(id->model_size <= sizeof(model) && id->model_given == id->model_size);
    memcpy(model, id->model, id->model_given);
    p = (struct virtio_pci){.function = {.vm = of, .slot = id->slot}};
    fake_device(id->ops, model, id->features);
    device.offered &= ~id->without;
    memcpy(device.config, id->config, id->config_size);
    device.config_size = id->config_size;
    p.device = device;
    p.device.model = model;
    made = &p;
    return &p;
}

static void hear_of_room(void *context)
{
    assert_ptr_equal(context, &vm);
    uart_heard_of_room++;
}

/* --- random bytes --- */

static uint32_t ask_for(uint32_t n)
{
    const struct buffer b = {TYPED_AT, n, F_WRITE};
    uint32_t written;
    unsigned id;

    memset(ram(TYPED_AT), 0, 1024);
    offer(&b, 1);
    virtio_kick(&device, 0);
    assert_true(came_back(&id, &written));
    return written;
}

static void random_bytes(void **state UNUSED)
{
    const struct buffer reads = {TYPED_AT, 8, 0};
    uint32_t written;
    unsigned id;

    split = true;
    fake_device(rng_identity.ops, NULL, 0);
    bring_up(0, 0, 16);
    words_left = 1000;
    assert_int_equal(ask_for(8), 8);
    assert_int_equal(le64(ram(TYPED_AT)), UINT64_C(0x0102030405060708));
    assert_int_equal(ask_for(3), 3);
    assert_int_equal(*ram(TYPED_AT + 3), 0);
    assert_int_equal(ask_for(1024), 256); /* no more at once */
    words_left = 2;
    assert_int_equal(ask_for(64), 16);
    assert_int_equal(device.errors, 0);
    assert_int_equal(ask_for(64), 0);
    offer(&reads, 1);
    virtio_kick(&device, 0);
    assert_true(came_back(&id, &written) && written == 0);
    assert_int_equal(device.errors, 2);
    assert_int_equal(rd(R_STATUS, 1), 0xf);
}

/* --- the console --- */

static void start_console(unsigned queue)
{
    split = true;
    memset(&vm, 0, sizeof(vm));
    vm.config = &config;
    vm.console.writable = hear_of_room;
    vm.console.context = &vm;
    vm.virtio = vconsole_create(&vm);
    assert_ptr_equal(vm.virtio, made);
    device.model = made->device.model;
    room = 4096;
    said_count = uart_heard_of_room = 0;
    bring_up(0, queue, 16);
    made->device.status = device.status;
}

static void type_text(const char *text)
{
    for (; *text; text++)
        vm.input[vm.input_head++ % VM_INPUT] = (uint8_t)*text;
}

static void what_is_said(void **state UNUSED)
{
    struct buffer b[] = {{TYPED_AT, 3, 0}, {TYPED_AT + 3, 300, 0}};
    uint32_t written;
    unsigned id;

    start_console(QUEUE_SAID);
    for (unsigned i = 0; i < 303; i++)
        *ram(TYPED_AT + i) = (uint8_t)('a' + i % 26);
    offer(b, 2);
    virtio_kick(&device, QUEUE_SAID);
    assert_true(came_back(&id, &written) && written == 0);
    assert_int_equal(said_count, 303);
    assert_memory_equal(said, ram(TYPED_AT), 303);
    room = CONSOLE_RESERVE - 1; /* a buffer waits */
    offer(b, 2);
    virtio_kick(&device, QUEUE_SAID);
    assert_false(came_back(&id, &written));
    room = CONSOLE_RESERVE + 100;
    vm.console.writable(vm.console.context);
    assert_int_equal(uart_heard_of_room, 1);
    assert_true(made->device.queues[QUEUE_SAID].later);
    virtio_poke(&device, QUEUE_SAID);
    virtio_work(&device);
    assert_true(came_back(&id, &written));
    assert_int_equal(said_count, 606);
    assert_int_equal(vm.console.lost, 0); /* the reserve has taken its end */
    virtio_config_write(&device, EMERGENCY_WRITE, 4, '!');
    assert_int_equal(said[606], '!');
    assert_int_equal(said_count, 607);
    room = CONSOLE_RESERVE + 100;
    b[1].size = 0x8000;
    offer(b, 2);
    virtio_kick(&device, QUEUE_SAID);
    assert_true(came_back(&id, &written));
    assert_int_equal(said_count, 607 + CONSOLE_RESERVE + 100);
    assert_int_equal(vm.console.lost, 0x8003 - CONSOLE_RESERVE - 100);
}

static void what_is_typed(void **state UNUSED)
{
    const struct buffer b[] = {{TYPED_AT, 2, F_WRITE}, {TYPED_AT + 2, 2, F_WRITE}};
    uint32_t written;
    unsigned id;

    start_console(QUEUE_TYPED);
    offer(b, 2);
    virtio_kick(&device, QUEUE_TYPED);
    assert_false(came_back(&id, &written));
    type_text("hello");
    assert_true(vm.typed(&vm));
    assert_true(made->device.queues[QUEUE_TYPED].later);
    virtio_poke(&device, QUEUE_TYPED);
    virtio_work(&device);
    assert_true(came_back(&id, &written) && written == 4);
    assert_memory_equal(ram(TYPED_AT), "hell", 4);
    offer(b, 1);
    virtio_kick(&device, QUEUE_TYPED);
    assert_true(came_back(&id, &written) && written == 1);
    assert_int_equal(*ram(TYPED_AT), 'o');
    assert_int_equal(vm.input_lost, 0);
    made->device.status = 0; /* without a driver it is the UART's */
    assert_false(vm.typed(&vm));
}

static unsigned most_ports(void)
{
    return virtio_config_read(&device, MOST_PORTS, 4);
}

/* Only a serial line makes ports of it, and its first one stays the console that it was. */
static void ports(void **state UNUSED)
{
    start_console(QUEUE_SAID);
    assert_int_equal(most_ports(), 0);
    assert_int_equal(device.queue_count, 2);
    assert_false(device.offered & VPORTS_FEATURE);
    assert_true(device.offered & VIRTIO_F_RESET);
    strcpy(config.serial, "wire");
    what_is_said(NULL);
    what_is_typed(NULL);
    assert_int_equal(most_ports(), 2);
    assert_int_equal(device.queue_count, 6);
    assert_true(device.offered & VPORTS_FEATURE);
    assert_false(device.offered & VIRTIO_F_RESET);
    made->device.queues[VPORTS_TOLD].later = false;
    serial_open(&line.ends[1]);
    assert_true(made->device.queues[VPORTS_TOLD].later);
    made->device.queues[VPORTS_HEARD].later = false;
    serial_open(&line.ends[0]);
    serial_tell(&line.ends[0], true);
    serial_tell(&line.ends[1], true);
    assert_int_equal(serial_say(&line.ends[1], (const uint8_t *)"x", 1), 1);
    assert_true(made->device.queues[VPORTS_HEARD].later);
    virtio_reset(&device);
    assert_false(line.ends[0].open);
    config.serial[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(what_is_said),
        cmocka_unit_test(what_is_typed),
        cmocka_unit_test(ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
