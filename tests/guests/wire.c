/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two of these on a link or a network: one sends (the word `send`), the other checks what comes and says so
 * (without), and others between them pass it on (`hop`). First what arrives, then what it costs (`bench`:
 * only that).
 */
#include "lib/measure.h"
#include "lib/net.h"

#define SLOT    2
#define TYPE    0xb588 /* 88b5h, IEEE 802: for experiments */
#define WINDOW  16     /* frames that the receiver has surely room for */
#define HEADER  20     /* up to the pattern */
#define LEAST   60
#define MOST    1514
#define ROUNDS  640
#define PATIENT 400000000u
#define POLLED  300000000u /* ticks: three seconds of the emulated machine's */

const char guest_name[] = "wire";

enum { HELLO, DATA, BULK, ASK, ANSWER, BYE, NOISE }; /* bulk is measured, and has no order */

struct frame {
    uint8_t to[6], from[6];
    uint16_t type;
    uint16_t kind;
    uint32_t number; /* of the frame; in an answer: how many have come */
    uint8_t pattern[MOST - HEADER];
};

static struct net_card card, behind; /* the second one of a hop */
static struct frame out[NET_RING / 2];
static struct {
    struct net_header header;
    struct frame frame;
    uint8_t rest[NET_BUFFER];
} in;
static uint8_t peer[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static uint32_t came, wrong, last_size;
static bool alone; /* both ends are of this guest */

/* --- frames --- */

static void make_frame(struct frame *f, unsigned kind, uint32_t number, uint32_t size)
{
    memcpy(f->to, peer, 6);
    memcpy(f->from, card.mac, 6);
    f->type = TYPE;
    f->kind = (uint16_t)kind;
    f->number = number;
    for (uint32_t i = 0; i + HEADER < size; i++)
        f->pattern[i] = (uint8_t)(number + i);
}

static void send_one(unsigned kind, uint32_t number, uint32_t size)
{
    make_frame(&out[0], kind, number, size);
    net_offer(&card, NULL, &out[0], size);
    net_kick(&card);
}

static bool pattern_is_good(uint32_t size)
{
    for (uint32_t i = 0; i + HEADER < size; i++) {
        if (in.frame.pattern[i] != (uint8_t)(in.frame.number + i))
            return false;
    }
    return true;
}

/* The next frame of ours; its size, 0: none comes. */
static uint32_t wait_frame(unsigned turns)
{
    while (turns--) {
        uint32_t n = net_receive(&card, &in, sizeof(in));

        if (n > sizeof(in.header) + HEADER && in.frame.type == TYPE)
            return n - (uint32_t)sizeof(in.header);
        __asm__ volatile("pause");
    }
    return 0;
}

static bool wait_kind(unsigned kind, unsigned turns)
{
    for (unsigned i = 0; i < 1000; i++) {
        if (!wait_frame(turns))
            return false;
        if (in.frame.kind == kind)
            return true;
    }
    return false;
}

/* --- the receiver --- */

static uint32_t size_of(uint32_t number)
{
    return LEAST + number * 37 % (MOST - LEAST + 1);
}

static void take_data(uint32_t size, bool *in_order)
{
    *in_order &= in.frame.kind == BULK || in.frame.number == came;
    if ((in.frame.kind == DATA && size != size_of(in.frame.number)) || !pattern_is_good(size)) {
        if (!wrong++)
            say("frame %u of kind %u with %u bytes is the first that is wrong", in.frame.number,
                in.frame.kind, size);
    }
    came++;
}

static void receive_all(void)
{
    bool in_order = true, ended = false;

    while (!ended) {
        uint32_t size = wait_frame(PATIENT);

        if (!size)
            break;
        switch (in.frame.kind) {
        case HELLO: /* a sender begins, or begins anew */
            came = 0;
            in_order = true;
            memcpy(peer, in.frame.from, 6);
            send_one(HELLO, 0, LEAST);
            break;
        case DATA:
        case BULK: take_data(size, &in_order); break;
        case ASK: send_one(ANSWER, came, LEAST); break;
        case BYE: ended = true; break;
        default: break;
        }
    }
    check(ended, "the other has said that it ends");
    check(!wrong && came, "%u frames as they were sent", came);
    check(in_order, "in their order");
}

/* --- a hop between them: what comes in on one side goes out on the other --- */

static void pass_on(struct net_card *from, struct net_card *to)
{
    uint32_t n = net_receive(from, &in, sizeof(in));

    if (n <= sizeof(in.header))
        return;
    net_offer(to, NULL, &in.frame, n - (uint32_t)sizeof(in.header));
    net_kick(to);
    came++;
}

static void forward_all(void)
{
    check(net_open(&behind, SLOT + 1, NET_STATUS), "a second network card");
    while (in.frame.kind != BYE || in.frame.type != TYPE) {
        pass_on(&card, &behind);
        pass_on(&behind, &card);
    }
    check(came > 0, "%u frames passed on", came);
}

/* --- the sender --- */

static bool meet(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        send_one(HELLO, 0, LEAST);
        if (wait_kind(HELLO, 100000)) {
            memcpy(peer, in.frame.from, 6);
            return true;
        }
    }
    return false;
}

static void wait_sent(void)
{
    for (uint32_t i = 0; i < PATIENT && !net_all_sent(&card); i++)
        __asm__ volatile("pause");
}

/* Until the receiver has room again. */
static bool ask(uint32_t *count)
{
    send_one(ASK, 0, LEAST);
    if (!wait_kind(ANSWER, PATIENT / 100))
        return false;
    *count = in.frame.number;
    return true;
}

static void offer_data(unsigned n, uint32_t first, uint32_t size)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t bytes = size ? size : size_of(first + i);

        make_frame(&out[1 + i], size ? BULK : DATA, first + i, bytes);
        net_offer(&card, NULL, &out[1 + i], bytes);
    }
}

static void test_frames(void)
{
    uint32_t sent = 0, count = 0, unsent = 0;
    bool answered = true;

    while (sent < ROUNDS && answered) {
        unsigned n = sent / WINDOW % 2 ? 1 : WINDOW;

        offer_data(n, sent, 0);
        net_kick(&card);
        wait_sent();
        unsent += !net_all_sent(&card);
        sent += n;
        if (sent % WINDOW == 0)
            answered = ask(&count);
    }
    answered &= ask(&count);
    check(!unsent, "all of them sent when the kick returns");
    check(answered && count == sent, "%u of %u frames arrived", count, sent);
}

static struct samples samples;

/* What was sent has come to the other end: of this guest itself, or as that says. */
static bool has_come(unsigned burst)
{
    uint32_t count;

    if (!alone)
        return ask(&count);
    for (unsigned i = 0; i < burst; i++) {
        if (!net_receive(&behind, &in, sizeof(in)) || !pattern_is_good(in.frame.kind == BULK ? last_size : 0))
            return false;
    }
    return true;
}

static void measure_frames(const char *key, unsigned burst, uint32_t size)
{
    uint64_t look = rdtsc();
    uint32_t cost = (uint32_t)(rdtsc() - look);

    samples.count = 0;
    last_size = size;
    for (unsigned i = 0; i < ROUNDS / WINDOW; i++) {
        uint64_t from;

        offer_data(burst, 0, size);
        from = rdtsc();
        net_kick(&card);
        samples_add_net(&samples, (uint32_t)(rdtsc() - from) / burst, cost / burst);
        if (!has_come(burst))
            break;
    }
    check(samples.count == ROUNDS / WINDOW, "%s", key);
    samples_report(&samples, "", key);
}

/* --- polled: nobody kicks, nothing exits --- */

static void measure_polled(const char *key, uint32_t size)
{
    uint64_t look = rdtsc(), end = look + POLLED;
    uint32_t cost = (uint32_t)(rdtsc() - look), kicks = card.kicks, count, rounds = 0;

    samples.count = 0;
    for (; rdtsc() < end; rounds++) {
        uint64_t from;

        offer_data(WINDOW, 0, size);
        from = rdtsc();
        net_kick(&card);
        wait_sent();
        if (rounds % 16 == 0 && samples.count < MAX_SAMPLES)
            samples_add_net(&samples, (uint32_t)(rdtsc() - from) / WINDOW, cost / WINDOW);
        if (!ask(&count))
            break;
    }
    check(rdtsc() >= end && rounds > 100, "%s: %u rounds of %u frames", key, rounds, WINDOW);
    samples_report(&samples, "", key);
    say("%s: %u kicks", key, card.kicks - kicks);
}

static void test_polled(void)
{
    measure_polled("polled_64_of_16", 64);
}

#define ADDRESSES 4096u

/* The switch learns so many, as far as it lets one port have them. */
static void send_from_many(void)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        make_frame(&out[0], NOISE, i, LEAST);
        out[0].from[3] = 1;
        out[0].from[4] = (uint8_t)(i >> 8);
        out[0].from[5] = (uint8_t)i;
        net_offer(&card, NULL, &out[0], LEAST);
        net_kick(&card);
        wait_sent();
    }
}

static void test_costs(void)
{
    wait_for_wire();
    measure_frames("frame_64", 1, 64);
    measure_frames("frame_64_of_16", WINDOW, 64);
    measure_frames("frame_1500", 1, MOST);
    measure_frames("frame_1500_of_16", WINDOW, MOST);
}

void guest_main(const struct boot_info *info)
{
    bool sends = boot_word(info, "send");

    if (boot_word(info, "absent")) /* its cards are ports still */
        return;
    apic_enable();
    check(net_open(&card, SLOT, NET_STATUS), "a network card");
    if (boot_word(info, "self")) {
        alone = true;
        check(net_open(&behind, SLOT + 1, NET_STATUS), "a second network card");
        memcpy(peer, behind.mac, 6);
        test_costs();
        return;
    }
    if (boot_word(info, "hop")) {
        forward_all();
        return;
    }
    if (!sends) {
        receive_all();
        return;
    }
    check(meet(), "somebody is at the other end");
    if (boot_word(info, "many"))
        send_from_many();
    if (!boot_word(info, "bench"))
        test_frames();
    if (boot_word(info, "poll"))
        test_polled();
    else
        test_costs();
    send_one(BYE, 0, LEAST);
}
