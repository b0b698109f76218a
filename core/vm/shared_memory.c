/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/vm/shared_memory.h"

#include "arch/x86/layout.h"
#include "arch/x86/speculation.h"
#include "core/base/panic.h"

struct shared_end {
    struct vm *vm; /* NULL: not built */
    shared_ring *ring;
    void *context;
};

static struct shared_memory {
    struct spinlock lock; /* guards the ends; taken before MSI-X's, a run queue's */
    hpa_t base;           /* 0: not allocated */
    uint64_t size;
    unsigned attached;
    struct shared_end ends[CONFIG_MAX_VMS]; /* by peer */
} memories[CONFIG_MAX_SHARED];

static bool allocate_shared(struct shared_memory *s, uint64_t size)
{
    if (!s->base.value)
        s->base = memory_alloc(&memory_host, MEMORY_STATE, size / PAGE_SIZE, PAGE_2M / PAGE_SIZE);
    if (!s->base.value)
        return false;
    if (!s->size)
        memory_zero(phys_to_virt(s->base), size / PAGE_SIZE);
    s->size = size;
    return true;
}

struct shared_memory *shared_attach(struct vm *vm, unsigned i, shared_ring *ring, void *context)
{
    const struct shared_config *c = &vm->config->shared[i];
    struct shared_memory *s = &memories[c->region];

    ASSERT(i < vm->config->shared_count && c->region < CONFIG_MAX_SHARED && c->peer < CONFIG_MAX_VMS);
    ASSERT(!s->ends[c->peer].vm && (!s->size || s->size == c->size));
    if (!allocate_shared(s, c->size))
        return NULL;
    spin_lock(&s->lock);
    s->ends[c->peer] = (struct shared_end){vm, ring, context};
    s->attached++;
    spin_unlock(&s->lock);
    return s;
}

static void detach_from(struct shared_memory *s, unsigned peer)
{
    spin_lock(&s->lock);
    s->ends[peer] = (struct shared_end){NULL, NULL, NULL};
    s->attached--;
    spin_unlock(&s->lock);
    if (!s->attached) /* VMs come and go on one CPU */
        memory_zero(phys_to_virt(s->base), s->size / PAGE_SIZE);
}

void shared_detach(struct vm *vm)
{
    for (unsigned i = 0; i < vm->config->shared_count; i++) {
        const struct shared_config *c = &vm->config->shared[i];

        if (memories[c->region].ends[c->peer].vm == vm)
            detach_from(&memories[c->region], c->peer);
    }
}

bool shared_ring_at(struct shared_memory *s, unsigned peer, unsigned vector)
{
    const struct shared_end *end = &s->ends[index_nospec(peer, ARRAY_SIZE(s->ends))];
    bool heard;

    if (peer >= ARRAY_SIZE(s->ends))
        return false;
    spin_lock(&s->lock);
    heard = end->vm && vm_lives(end->vm);
    if (heard)
        end->ring(end->context, vector);
    spin_unlock(&s->lock);
    return heard;
}

void shared_settle(struct shared_memory *s)
{
    spin_lock(&s->lock);
    spin_unlock(&s->lock);
}

hpa_t shared_base(const struct shared_memory *s)
{
    return s->base;
}

uint64_t shared_missing(const struct vm_config *c)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < c->shared_count; i++)
        pages += memories[c->shared[i].region].base.value ? 0 : c->shared[i].size / PAGE_SIZE;
    return pages;
}
