/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/channel.h"

#include "arch/x86/layout.h"
#include "arch/x86/string.h"
#include "core/base/panic.h"

struct channel_end {
    struct vm *vm;
    struct listener listener;
};

/* The two ends are told apart by their VMs. */
static struct channel {
    struct spinlock lock; /* guards what follows; taken before a run queue's */
    const char *name;     /* NULL: free */
    void *page;
    struct channel_end ends[2];
} channels[CONFIG_MAX_CHANNELS];

static struct channel *find_channel(const char *name)
{
    for (unsigned i = 0; i < CONFIG_MAX_CHANNELS; i++) {
        if (!channels[i].name)
            channels[i].name = name; /* the first that asks for it: there are as many as can be named */
        if (!strcmp(channels[i].name, name))
            return &channels[i];
    }
    return NULL;
}

static struct channel *channel_of(const struct vm *vm, unsigned i)
{
    return find_channel(vm->config->channels[i]);
}

static struct channel_end *end_of(struct channel *c, const struct vm *vm)
{
    return c->ends[0].vm == vm ? &c->ends[0] : &c->ends[1];
}

static struct channel_end *other_end(struct channel *c, const struct vm *vm)
{
    return c->ends[0].vm == vm ? &c->ends[1] : &c->ends[0];
}

void *channel_attach(struct vm *vm, unsigned i)
{
    struct channel *c = channel_of(vm, i);

    ASSERT(c && i < vm->config->channel_count);
    ASSERT(!c->ends[0].vm || !c->ends[1].vm); /* two VMs name it, each once */
    if (!c->page)
        c->page = memory_alloc_zeroed(&memory_host, MEMORY_STATE, 1);
    else if (!c->ends[0].vm && !c->ends[1].vm)
        memory_zero(c->page, 1);
    spin_lock(&c->lock);
    (c->ends[0].vm ? &c->ends[1] : &c->ends[0])->vm = vm;
    spin_unlock(&c->lock);
    return c->page;
}

void channel_detach(struct vm *vm)
{
    for (unsigned i = 0; i < CONFIG_MAX_CHANNELS; i++) {
        struct channel *c = &channels[i];

        spin_lock(&c->lock);
        for (unsigned e = 0; e < 2; e++) {
            if (c->ends[e].vm == vm)
                c->ends[e] = (struct channel_end){NULL, {0, 0}};
        }
        spin_unlock(&c->lock);
    }
}

void channel_reset(struct vm *vm)
{
    for (unsigned i = 0; i < vm->config->channel_count; i++)
        channel_listen(vm, i, (struct listener){0, 0});
}

void channel_listen(struct vm *vm, unsigned i, struct listener listener)
{
    struct channel *c = channel_of(vm, i);

    spin_lock(&c->lock);
    end_of(c, vm)->listener = listener;
    spin_unlock(&c->lock);
}

bool channel_is_heard(const struct vm *vm, unsigned i)
{
    return other_end(channel_of(vm, i), vm)->listener.vector;
}

bool channel_ring(struct vm *vm, unsigned i, void (*ring)(struct vcpu *v, unsigned vector))
{
    struct channel *c = channel_of(vm, i);
    const struct channel_end *to = other_end(c, vm);
    bool heard;

    spin_lock(&c->lock);
    heard = to->vm && vm_lives(to->vm) && to->listener.vector;
    if (heard)
        ring(to->vm->vcpus[to->listener.vcpu], to->listener.vector);
    spin_unlock(&c->lock);
    return heard;
}
