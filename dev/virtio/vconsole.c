/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio 1.2, "Console Device", with one port: what its guest says goes where the UART's bytes go. What is
 * typed comes here while there is a driver, else to the UART. A driver's buffer waits while the console has
 * no room, as a byte does in the UART.
 */
#include "arch/x86/string.h"
#include "core/vm/vm.h"
#include "dev/pc.h"
#include "dev/virtio/devices.h"

#define CONSOLE_CLASS 0x078000 /* communication, other */
#define PIECE         128u

#define FEATURE_EMERGENCY BIT(2)

enum { QUEUE_TYPED, QUEUE_SAID, QUEUES };
enum { EMERGENCY_WRITE = 8, CONFIG_SIZE = 12 };

struct vconsole {
    struct vm *vm;
    struct virtio_pci *pci;
    /* The UART's, which hears of room, too. */
    void (*writable)(void *context);
    void *context;
};

static bool has_room_or_keys(struct virtio_device *d, unsigned queue)
{
    const struct vm *vm = ((struct vconsole *)d->model)->vm;

    return queue == QUEUE_SAID ? console_room(&vm->console) >= CONSOLE_RESERVE
                               : vm->input_head != vm->input_tail;
}

/* What is longer than there is room for loses its end, which is counted; a terminal's driver sends a line at
 * most. */
static void say_bytes(struct vm *vm, const char *bytes, unsigned n)
{
    unsigned done = console_guest_write(&vm->console, bytes, n);

    for (; done < n; done++)
        console_guest_output(&vm->console, (uint8_t)bytes[done]);
}

static void say(struct vm *vm, struct ring *r, struct ring_chain *c)
{
    char bytes[PIECE];

    while (c->readable.left) {
        uint32_t n = MIN(c->readable.left, PIECE);

        if (!ring_get(r, c, bytes, n))
            return;
        say_bytes(vm, bytes, n);
    }
}

static void give_typed(struct vm *vm, struct ring *r, struct ring_chain *c)
{
    uint8_t bytes[PIECE];
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

struct virtio_pci *vconsole_create(struct vm *vm)
{
    static const uint8_t config[CONFIG_SIZE];
    const struct virtio_identity id = {.ops = &vconsole_ops,
                                       .slot = CONSOLE_SLOT,
                                       .class_code = CONSOLE_CLASS,
                                       .features = FEATURE_EMERGENCY,
                                       .config = config,
                                       .config_size = CONFIG_SIZE,
                                       .model_size = sizeof(struct vconsole)};
    struct virtio_pci *p = virtio_pci_create(vm, &id);
    struct vconsole *v;

    if (!p)
        return NULL;
    v = p->device.model;
    *v = (struct vconsole){vm, p, vm->console.writable, vm->console.context};
    vm->typed = take_typed;
    vm->console.context = v;
    vm->console.writable = tell_of_room;
    return p;
}
