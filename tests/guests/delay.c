/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a frame takes beside a neighbour's storm. Both guests have two cards in one network and send from
 * the first to the second one: `storm` as much as it can, until its VM is stopped; the other one a frame at a
 * time, from before the doorbell until it sees it in the receiving ring. So all is by the clock of one CPU.
 *
 *   delay: frame_64 p50 N p99 N p999 N max N of N
 */
#include "lib/measure.h"
#include "lib/net.h"

#define SLOT           2
#define TYPE           0xb588 /* 88b5h, IEEE 802: for experiments */
#define SHORT          64
#define LONG           1514
#define SAYS           20 /* bursts: while the other one waits for the wire */
#define BURST          16
#define PATIENCE_TURNS 10000000u

const char guest_name[] = "delay";

struct frame {
    uint8_t to[6], from[6];
    uint16_t type;
    uint32_t number;
    uint8_t rest[LONG - 18];
};

_Static_assert(sizeof(struct frame) >= LONG, "holds the longest");

static struct net_card first, second;
static struct frame out[BURST];
static struct {
    struct net_header header;
    struct frame frame;
    uint8_t rest[NET_BUFFER];
} in;
static struct samples samples;

static void make_frame(struct frame *f, uint32_t number)
{
    memcpy(f->to, second.mac, 6);
    memcpy(f->from, first.mac, 6);
    f->type = TYPE;
    f->number = number;
}

static void throw_away(struct net_card *card)
{
    while (net_receive(card, &in, 0))
        ;
}

/* The switch hears where the second card is, and sends its frames nowhere else from then on. */
static void introduce(void)
{
    make_frame(&out[0], 0);
    memcpy(out[0].to, first.mac, 6);
    memcpy(out[0].from, second.mac, 6);
    net_offer(&second, NULL, &out[0], SHORT);
    net_kick(&second);
    for (uint32_t turns = 0; first.rx.used.idx == first.rx_seen && turns < PATIENCE_TURNS; turns++)
        __asm__ volatile("pause");
    throw_away(&first);
    throw_away(&second);
}

/* What comes is thrown away. */
static void storm(void)
{
    for (unsigned i = 0; i < BURST; i++)
        make_frame(&out[i], i);
    for (unsigned bursts = 0;; bursts++) {
        if (bursts == SAYS)
            check(true, "%u frames sent, and it goes on", bursts * BURST);
        for (unsigned i = 0; i < BURST; i++)
            net_offer(&first, NULL, &out[i], LONG);
        net_kick(&first);
        for (uint32_t turns = 0; !net_all_sent(&first) && turns < PATIENCE_TURNS; turns++)
            __asm__ volatile("pause");
        throw_away(&second);
    }
}

/* Not in step with anybody. */
static void pause_a_while(uint32_t number)
{
    for (unsigned turns = number * 37 % 509; turns; turns--)
        __asm__ volatile("pause");
}

/* Its ticks; 0: it does not come. */
static uint32_t time_frame(uint32_t number)
{
    uint16_t before = second.rx.used.idx;
    uint64_t from;

    make_frame(&out[0], number);
    net_offer(&first, NULL, &out[0], SHORT);
    from = rdtsc();
    net_kick(&first);
    for (uint32_t turns = 0; second.rx.used.idx == before; turns++) {
        if (turns == PATIENCE_TURNS)
            return 0;
        __asm__ volatile("pause");
    }
    return (uint32_t)(rdtsc() - from);
}

static bool is_ours(uint32_t number)
{
    return net_receive(&second, &in, sizeof(in)) && in.frame.type == TYPE && in.frame.number == number;
}

static void time_frames(unsigned tries)
{
    uint32_t lost = 0, others = 0;

    for (uint32_t number = 0; number < tries && !lost; number++) {
        uint32_t took = time_frame(number);

        lost += !took;
        others += took && !is_ours(number);
        samples_add(&samples, took);
        pause_a_while(number);
    }
    check(!lost && !others, "each of %u frames came, and nothing else", samples.count);
}

static void report(void)
{
    unsigned last = samples.count - 1;

    samples_report(&samples, "", "all");
    say("frame_64 p50 %u p99 %u p999 %u max %u of %u", (unsigned)samples.values[last / 2],
        (unsigned)samples.values[last * 99 / 100], (unsigned)samples.values[last * 999 / 1000],
        (unsigned)samples.values[last], samples.count);
}

void guest_main(const struct boot_info *info)
{
    unsigned tries = measure_setup(info, MAX_SAMPLES);

    if (boot_word(info, "absent"))
        return;
    apic_enable();
    check(net_open(&first, SLOT, NET_STATUS) && net_open(&second, SLOT + 1, NET_STATUS), "two network cards");
    introduce();
    wait_for_wire();
    if (boot_word(info, "storm"))
        storm();
    time_frames(tries);
    report();
}
