/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of one turn, to the receive queues that they go to. */
#include "core/base/panic.h"
#include "dev/net/switch_inside.h"

/* --- receive queues --- */

static void *enter(struct net_port *to, unsigned pair)
{
    void *device = net_is_up(to) ? net_enter(to) : NULL;
    void *claimed = device ? to->ops->claim(device, pair) : NULL;

    if (unlikely(device && !claimed))
        net_leave(to);
    return claimed;
}

static void close_queue(struct net_batch *b)
{
    struct net_port *to = b->open;
    struct net_received *r = &to->received[b->pair];

    r->copies += b->taken;
    r->frames += b->sink.pieces;
    r->bytes += b->sink.bytes;
    b->open = NULL;
    to->ops->release(b->sink.claimed);
    net_leave(to);
}

static bool open_queue(struct net_batch *b, struct net_port *to, unsigned pair)
{
    void *claimed;

    if (b->open)
        close_queue(b);
    claimed = enter(to, pair);
    if (unlikely(!claimed)) {
        __atomic_fetch_add(&to->unclaimed, 1, __ATOMIC_RELAXED);
        return false;
    }
    b->open = to;
    b->pair = pair;
    b->taken = 0;
    b->sink = (struct net_sink){.claimed = claimed,
                                .put = to->ops->put,
                                .features = __atomic_load_n(&to->features, __ATOMIC_ACQUIRE),
                                .mtu = __atomic_load_n(&to->mtu, __ATOMIC_RELAXED)};
    return true;
}

/* --- pairs: a flow comes back on the one that it was sent on last --- */

static unsigned count_pairs(const struct net_port *port)
{
    return MIN(__atomic_load_n(&port->pairs, __ATOMIC_RELAXED), NET_MAX_PAIRS);
}

static NOINLINE unsigned pair_of_flow(const struct net_port *to, const struct net_frame *f, unsigned pairs)
{
    uint32_t flow = net_frame_flow(f);
    unsigned last = __atomic_load_n(&to->steer[flow % NET_FLOWS], __ATOMIC_RELAXED);

    return last && last <= pairs ? last - 1 : flow / NET_FLOWS % pairs;
}

static inline unsigned pick_pair(const struct net_port *to, const struct net_frame *f)
{
    unsigned pairs = count_pairs(to);

    return likely(pairs <= 1) ? 0 : pair_of_flow(to, f, pairs);
}

static NOINLINE void note_flow(struct net_port *from, unsigned queue, const struct net_frame *f)
{
    uint8_t *last = &from->steer[net_frame_flow(f) % NET_FLOWS];

    if (__atomic_load_n(last, __ATOMIC_RELAXED) != queue + 1)
        __atomic_store_n(last, (uint8_t)(queue + 1), __ATOMIC_RELAXED);
}

/* --- copies --- */

static enum net_drop deliver(struct net_batch *b, const struct net_frame *f, struct net_port *to,
                             uint32_t tag)
{
    unsigned pair = pick_pair(to, f);
    enum net_drop drop;

    b->work += NET_PIECE_WORK;
    if (unlikely(b->open != to || b->pair != pair) && !open_queue(b, to, pair))
        return NET_DROP_LINK_DOWN;
    b->sink.work = 0;
    drop = net_convert(f, tag, &b->sink);
    b->work += b->sink.work;
    b->taken += !drop;
    if (unlikely(drop))
        to->received[pair].drops[drop]++;
    return drop;
}

static inline void count_copy(struct net_sent *s, enum net_drop drop)
{
    s->copies++;
    if (likely(!drop))
        s->delivered++;
    else
        s->drops[drop]++;
}

/* To every port that it may reach and that is up; false: there was none. */
static bool send_to_all(struct net_batch *b, const struct net_frame *f, struct net_sent *s, unsigned vlan)
{
    struct net *n = b->from->net;
    uint64_t before = s->copies;

    for (unsigned i = 0; i < n->count; i++) {
        struct net_port *to = &n->ports[i];

        if (net_is_up(to) && !net_check_path(b->from, to, vlan))
            count_copy(s, deliver(b, f, to, net_tag_for(to, f, vlan)));
    }
    return s->copies != before;
}

static enum net_drop flood(struct net_batch *b, const struct net_frame *f, struct net_sent *s, unsigned vlan)
{
    if (!net_rate_allows(&b->from->flood_rate, 1, b->now))
        return NET_DROP_FLOOD;
    s->floods++;
    return send_to_all(b, f, s, vlan) ? NET_PASSED : NET_DROP_NO_PORT;
}

/* The mirror port's copy comes last, as the frame came. */
static void mirror(struct net_batch *b, const struct net_frame *f, struct net_sent *s, unsigned to)
{
    s->mirrors++;
    s->mirrored += !deliver(b, f, &b->from->net->ports[to], NET_TAG_AS_IS);
}

/* --- frames --- */

static const struct net_path *path_of(struct net_batch *b, const struct net_frame *f)
{
    uint64_t by[2] = {le64(f->head), le32(f->head + 8) | (uint64_t)f->tag << 32};

    if (likely(b->has_last && by[0] == b->last[0] && by[1] == b->last[1]))
        return &b->path;
    b->path = net_find_path(b->from, f);
    b->last[0] = by[0];
    b->last[1] = by[1];
    b->has_last = true;
    return &b->path;
}

static void forward(struct net_batch *b, const struct net_frame *f, struct net_sent *s)
{
    const struct net_path *path = path_of(b, f);
    struct net *n = b->from->net;
    unsigned seen_by = __atomic_load_n(&n->mirror, __ATOMIC_RELAXED);
    enum net_drop drop = path->drop;

    if (likely(!drop && path->to < NET_MAX_PORTS))
        count_copy(s, deliver(b, f, &n->ports[path->to], path->tag));
    else if (!drop)
        drop = flood(b, f, s, path->vlan);
    if (unlikely(drop))
        count_copy(s, drop);
    if (unlikely(seen_by < n->count) && !path->drop)
        mirror(b, f, s, seen_by);
}

static struct net_port *other_end(const struct net_port *from)
{
    const struct net *n = from->net;

    return &n->ports[n->count - 1 - from->index];
}

/* What is above a rate has no copy. */
static enum net_drop check_rates(struct net_batch *b, const struct net_frame *f)
{
    struct net_port *from = b->from;

    if (unlikely(__atomic_load_n(&from->down, __ATOMIC_RELAXED)))
        return NET_DROP_LINK_DOWN;
    if (likely(net_rate_allows(&from->frames_rate, f->segments, b->now) &&
               net_rate_allows(&from->bytes_rate, f->size, b->now)))
        return NET_PASSED;
    return NET_DROP_RATE;
}

void net_send(struct net_batch *b, const struct net_frame *f)
{
    struct net_sent *s = &b->from->sent[b->queue];
    enum net_drop drop = check_rates(b, f);

    s->frames++;
    s->bytes += f->size;
    if (unlikely(count_pairs(b->from) > 1))
        note_flow(b->from, b->queue, f);
    if (unlikely(drop))
        count_copy(s, drop);
    else if (b->from->net->kind == NET_LINK)
        count_copy(s, deliver(b, f, other_end(b->from), NET_TAG_AS_IS));
    else
        forward(b, f, s);
}

void net_transmit(struct net_batch *b, struct ring *r, struct ring_chain *c)
{
    struct net_sent *s = &b->from->sent[b->queue];
    struct net_frame f;
    enum net_drop drop = net_frame_take(&f, r, c, b->features);

    if (likely(!drop)) {
        net_send(b, &f);
        return;
    }
    b->work += NET_PIECE_WORK;
    s->frames++;
    count_copy(s, drop);
}

/* --- turns --- */

void net_begin(struct net_batch *b, struct net_port *from, unsigned queue, uint64_t features, uint64_t now)
{
    struct net *n = from->net;

    ASSERT(queue < NET_MAX_PAIRS);
    b->from = from;
    b->queue = queue;
    b->features = features;
    b->now = now;
    b->work = 0;
    b->open = NULL;
    b->has_last = false;
    if (n->kind == NET_SWITCH)
        fdb_tick(n->fdb, (uint32_t)(now >> n->unit_shift));
}

void net_end(struct net_batch *b)
{
    if (b->open)
        close_queue(b);
}
