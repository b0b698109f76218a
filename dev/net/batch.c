/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of one turn, to the receive queues that they go to. */
#include "core/base/panic.h"
#include "dev/net/switch_inside.h"
#include "dev/virtio/ring_short.h"

/* --- receive queues --- */

static void *enter(struct net_port *to, unsigned pair)
{
    void *device = net_is_up(to) ? net_enter(to) : NULL;
    void *claimed = device ? to->ops->claim(device, pair) : NULL;

    if (unlikely(device && !claimed))
        net_leave(to);
    return claimed;
}

/* What went straight to the queue that is open. */
static void count_straight(struct net_batch *b)
{
    struct net_sent *s = &b->from->sent[b->queue];

    s->frames += b->straight_frames;
    s->bytes += b->straight_bytes;
    s->copies += b->straight_frames;
    s->delivered += b->straight_frames;
    b->taken += b->straight_frames;
    b->sink.pieces += b->straight_frames;
    b->sink.bytes += b->straight_bytes;
    b->straight_frames = b->straight_bytes = 0;
}

static void close_queue(struct net_batch *b)
{
    struct net_port *to = b->open;
    struct net_received *r = &to->received[b->pair];

    count_straight(b);
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

/* To every port that it may reach and that is up; false: there was none. One that is much work for each, as
 * many segments are, does not come to all of them. */
static bool send_to_all(struct net_batch *b, const struct net_frame *f, struct net_sent *s, unsigned vlan)
{
    struct net *n = b->from->net;
    uint64_t before = s->copies, most = b->work + NET_FLOOD_WORK;

    for (unsigned i = 0; i < n->count; i++) {
        struct net_port *to = &n->ports[i];

        if (net_is_up(to) && !net_check_path(b->from, to, vlan))
            count_copy(s, b->work < most ? deliver(b, f, to, net_tag_for(to, f, vlan)) : NET_DROP_FLOOD);
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

/* What a path is decided by. */
static inline uint64_t second_word(const struct net_frame *f)
{
    return le32(f->head + 8) | (uint64_t)f->tag << 32;
}

static inline bool is_as_last(const struct net_batch *b, const struct net_frame *f)
{
    return le64(f->head) == b->last[0] && second_word(f) == b->last[1];
}

static const struct net_path *path_of(struct net_batch *b, const struct net_frame *f)
{
    if (likely(b->has_last && is_as_last(b, f)))
        return &b->path;
    b->path = net_find_path(b->from, f);
    b->last[0] = le64(f->head);
    b->last[1] = second_word(f);
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

/* At the other end of the wire; where nobody drives that, and it has a bypass, of the next one. */
static enum net_drop deliver_along(struct net_batch *b, const struct net_frame *f)
{
    struct net_port *to = other_end(b->from);
    enum net_drop drop = deliver(b, f, to, NET_TAG_AS_IS);

    for (unsigned i = 0; i < NET_HOPS && drop == NET_DROP_LINK_DOWN && to->bypass; i++) {
        to = other_end(to->bypass);
        drop = deliver(b, f, to, NET_TAG_AS_IS);
    }
    return drop;
}

static bool has_limits(const struct net_port *from)
{
    return __atomic_load_n(&from->down, __ATOMIC_RELAXED) || count_pairs(from) > 1 ||
           __atomic_load_n(&from->frames_rate.cost, __ATOMIC_RELAXED) ||
           __atomic_load_n(&from->bytes_rate.cost, __ATOMIC_RELAXED);
}

/*
 * Whether all frames with these addresses and this tag, for the rest of the turn, go as they are to the queue
 * that is open; of a link: all frames.
 */
static bool goes_straight(const struct net_batch *b)
{
    if (!b->open || b->limited || count_pairs(b->open) > 1)
        return false;
    return b->is_link || (b->path.to == b->open->index && !b->path.drop &&
                          (b->path.tag == NET_TAG_AS_IS || b->path.tag == (b->last[1] >> 32)));
}

static enum net_drop check_limits(struct net_batch *b, const struct net_frame *f)
{
    struct net_port *from = b->from;

    if (count_pairs(from) > 1)
        note_flow(from, b->queue, f);
    if (__atomic_load_n(&from->down, __ATOMIC_RELAXED))
        return NET_DROP_LINK_DOWN;
    return net_rate_allows(&from->frames_rate, f->segments, b->now) &&
                   net_rate_allows(&from->bytes_rate, f->size, b->now)
               ? NET_PASSED
               : NET_DROP_RATE;
}

static NOINLINE void send_anywhere(struct net_batch *b, const struct net_frame *f)
{
    struct net_sent *s = &b->from->sent[b->queue];
    enum net_drop drop = b->limited ? check_limits(b, f) : NET_PASSED;

    s->frames++;
    s->bytes += f->size;
    if (unlikely(drop))
        count_copy(s, drop);
    else if (b->is_link)
        count_copy(s, deliver_along(b, f));
    else
        forward(b, f, s);
    b->straight = goes_straight(b);
}

/* --- the way of most frames --- */

static COLD void count_straight_drop(struct net_batch *b, const struct net_frame *f, enum net_drop drop)
{
    struct net_sent *s = &b->from->sent[b->queue];

    s->frames++;
    s->bytes += f->size;
    count_copy(s, drop);
    b->open->received[b->pair].drops[drop]++;
}

static inline bool can_go_straight(const struct net_batch *b, const struct net_frame *f)
{
    return b->straight && !f->header.flags && f->size <= b->sink.mtu + NET_OVERHEAD &&
           (b->is_link || is_as_last(b, f));
}

static inline void send_straight(struct net_batch *b, const struct net_frame *f)
{
    struct net_piece p;
    enum net_drop drop;

    net_piece_whole(&p, f);
    drop = b->sink.put(b->sink.claimed, &p);
    b->work += f->size + 2 * NET_PIECE_WORK;
    if (unlikely(drop)) {
        count_straight_drop(b, f, drop);
        return;
    }
    b->straight_frames++;
    b->straight_bytes += f->size;
}

void net_send(struct net_batch *b, const struct net_frame *f)
{
    if (likely(can_go_straight(b, f)))
        send_straight(b, f);
    else
        send_anywhere(b, f);
}

static COLD void count_refused(struct net_batch *b, enum net_drop drop)
{
    struct net_sent *s = &b->from->sent[b->queue];

    b->work += NET_PIECE_WORK;
    s->frames++;
    count_copy(s, drop);
}

void net_transmit(struct net_batch *b, struct ring *r, struct ring_chain *c)
{
    struct net_frame f;
    enum net_drop drop = net_frame_take(&f, r, c, b->features);

    if (likely(!drop))
        net_send(b, &f);
    else
        count_refused(b, drop);
}

bool net_transmit_short(struct net_batch *b, struct ring *r)
{
    struct ring_pieces p;
    struct ring_chain c;
    struct net_frame f;

    if (!ring_peek_pieces(r, &p) || p.readable != p.count || p.count > 2)
        return false;
    c.segments = p.at;
    if (!net_frame_take_pieces(&f, r, &c, p.count))
        return false;
    net_send(b, &f);
    b->work += f.size;
    ring_give_pieces(r, &p, 0);
    return true;
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
    b->has_last = b->straight = false;
    b->straight_frames = b->straight_bytes = 0;
    b->limited = has_limits(from);
    b->is_link = n->kind == NET_LINK;
    if (!b->is_link)
        fdb_tick(n->fdb, (uint32_t)(now >> n->unit_shift));
}

void net_end(struct net_batch *b)
{
    if (b->open)
        close_queue(b);
}
