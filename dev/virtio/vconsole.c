/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.2, "Console Device": what its guest says on port 0 goes where the UART's bytes go. What is typed
 * comes here while there is a driver, else to the UART. A driver's buffer waits while the console has no
 * room, as a byte does in the UART. A VM with a serial line has a port 1, too (vports.c), else there are no
 * ports to speak of.
 */
#include "arch/x86/string.h"
#include "core/vm/vm.h"
#include "dev/pc.h"
#include "dev/virtio/devices.h"
#include "dev/virtio/serial_lines.h"
#include "dev/virtio/vports.h"

#define CONSOLE_CLASS 0x078000 /* communication, other */
#define PIECE         128u

#define FEATURE_EMERGENCY BIT(2)

enum { QUEUE_TYPED, QUEUE_SAID, QUEUES };
enum { MOST_PORTS = 4, EMERGENCY_WRITE = 8, CONFIG_SIZE = 12 };

struct vconsole {
    struct vm *vm;
    struct virtio_pci *pci;
    /* The UART's, which hears of room, too. */
    void (*writable)(void *context);
    void *context;
    struct vports ports; /* of a VM with a serial line */
};

static bool has_room_or_keys(struct virtio_device *d, unsigned queue)
{
    const struct vm *vm = ((struct vconsole *)d->model)->vm;

    return queue == QUEUE_SAID ? console_room(&vm->console) >= CONSOLE_RESERVE
                               : vm->input_head != vm->input_tail;
}

/* False: the console is full. */
static bool say_bytes(struct vm *vm, const char *bytes, unsigned n)
{
    unsigned done = console_guest_write(&vm->console, bytes, n);

    for (; done < n; done++)
        console_guest_output(&vm->console, (uint8_t)bytes[done]);
    return console_room(&vm->console);
}

/* What is longer than there is room for loses its end, which is counted and not looked at: a chain may be of
 * 4 GiB. A terminal's driver sends a line at most. */
static void say(struct vm *vm, struct ring *r, struct ring_chain *c)
{
    char bytes[PIECE] = {0}; /* nothing of ours can get out */
    bool room = true;

    while (room && c->readable.left) {
        uint32_t n = MIN(c->readable.left, PIECE);

        if (!ring_get(r, c, bytes, n))
            return;
        room = say_bytes(vm, bytes, n);
    }
    if (c->readable.left)
        console_guest_lose(&vm->console, c->readable.left);
}

static void give_typed(struct vm *vm, struct ring *r, struct ring_chain *c)
{
    uint8_t bytes[PIECE] = {0}; /* so here */
    unsigned n = pc_take_input(vm, bytes, MIN(c->writable.left, PIECE));

    if (!ring_put(r, c, bytes, n))
        vm->input_lost += n;
}

static void serve_console(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    struct vm *vm = ((struct vconsole *)d->model)->vm;

    if (queue == QUEUE_SAID)
        say(vm, r, c);
    else
        give_typed(vm, r, c);
}

/* One byte without any queue, for a kernel in distress. */
static void emergency_write(struct virtio_device *d, unsigned offset, uint8_t value)
{
    struct vm *vm = ((struct vconsole *)d->model)->vm;

    if (offset == EMERGENCY_WRITE)
        console_guest_output(&vm->console, value);
}

static const struct virtio_ops vconsole_ops = {.name = "console",
                                               .type = 3,
                                               .queue_count = QUEUES,
                                               .queue_size = 64,
                                               .ready = has_room_or_keys,
                                               .serve = serve_console,
                                               .config_write = emergency_write};

/* --- with ports --- */

static struct vports *ports_of(const struct virtio_device *d)
{
    return &((struct vconsole *)d->model)->ports;
}

static bool is_ready(struct virtio_device *d, unsigned queue)
{
    return queue < QUEUES ? has_room_or_keys(d, queue) : vports_ready(ports_of(d), queue);
}

static void begin_turn(struct virtio_device *d, unsigned queue)
{
    vports_begin(ports_of(d), queue);
}

static void end_turn(struct virtio_device *d, unsigned queue)
{
    vports_end(ports_of(d), queue);
}

static bool serve_line(struct virtio_device *d, unsigned queue, struct ring *r UNUSED)
{
    return vports_say(d, ports_of(d), queue);
}

static void serve_any(struct virtio_device *d, unsigned queue, struct ring *r, struct ring_chain *c)
{
    if (queue < QUEUES)
        serve_console(d, queue, r, c);
    else
        vports_serve(d, ports_of(d), queue, r, c);
}

static void reset_ports(struct virtio_device *d)
{
    vports_reset(ports_of(d));
}

static const struct virtio_ops multiport_ops = {.name = "console",
                                                .type = 3,
                                                .queue_count = VPORTS_QUEUES,
                                                .queue_size = 64,
                                                .begin = begin_turn,
                                                .end = end_turn,
                                                .ready = is_ready,
                                                .serve_short = serve_line,
                                                .serve = serve_any,
                                                .config_write = emergency_write,
                                                .reset = reset_ports};

static void hear_of_line(void *context, enum serial_news news)
{
    static const uint8_t queues[] = {
        [SERIAL_CAME] = VPORTS_HEARD, [SERIAL_ROOM] = VPORTS_SAYS, [SERIAL_PEER] = VPORTS_TOLD};
    const struct vconsole *v = context;

    virtio_poke(&v->pci->device, queues[news]);
}

/* --- what comes from the console --- */

static void tell_of_room(void *context)
{
    struct vconsole *v = context;

    v->writable(v->context);
    virtio_poke(&v->pci->device, QUEUE_SAID);
}

static struct virtio_pci *console_of(const struct vm *vm)
{
    struct virtio_pci *p = vm->virtio;

    while (p && p->function.slot != CONSOLE_SLOT)
        p = p->next;
    return p;
}

static bool take_typed(struct vm *vm)
{
    struct virtio_pci *p = console_of(vm);

    if (!p || !virtio_is_live(&p->device))
        return false;
    virtio_poke(&p->device, QUEUE_TYPED);
    return true;
}

static struct virtio_pci *create_console(struct vm *vm, const struct vconsole *model)
{
    const struct vports *ports = &model->ports;
    uint8_t config[CONFIG_SIZE] = {[MOST_PORTS] = ports->end ? VPORTS_COUNT : 0};
    struct virtio_identity id = {.ops = &vconsole_ops,
                                 .slot = CONSOLE_SLOT,
                                 .class_code = CONSOLE_CLASS,
                                 .features = FEATURE_EMERGENCY,
                                 .config = config,
                                 .config_size = CONFIG_SIZE,
                                 .model_size = sizeof(*model),
                                 .model_given = sizeof(*model),
                                 .model = model};

    if (ports->end) {
        id.ops = &multiport_ops;
        id.features |= VPORTS_FEATURE;
        id.without = VIRTIO_F_RESET; /* of a queue: a chain of port 1 may be half said */
    }
    return virtio_pci_create(vm, &id);
}

struct virtio_pci *vconsole_create(struct vm *vm)
{
    struct vconsole model = {.vm = vm, .writable = vm->console.writable, .context = vm->console.context};
    struct virtio_pci *p;
    struct vconsole *v;

    if (vm->config->serial[0]) {
        model.ports = (struct vports){.end = serial_attach(vm), .name = vm->config->serial};
        if (!model.ports.end)
            return NULL;
    }
    p = create_console(vm, &model);
    if (!p)
        return NULL;
    v = p->device.model;
    v->pci = p;
    if (v->ports.end)
        serial_connect(v->ports.end, hear_of_line, v);
    vm->typed = take_typed;
    vm->console.context = v;
    vm->console.writable = tell_of_room;
    return p;
}
