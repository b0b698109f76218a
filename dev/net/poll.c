/* SPDX-License-Identifier: BSD-2-Clause */
#include "dev/net/poll.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lapic.h"
#include "core/base/panic.h"

#define IDLE_PER_SECOND 10000u /* turns without a frame for 100 us: it sleeps */

static bool asleep[MAX_CPUS]; /* kicks are wanted (atomic) */

/* --- who serves what --- */

static bool serves(const struct net_config *c, unsigned cpu)
{
    return cpu && cpu < cpu_count && cpu_set_has(&c->cpus, cpu);
}

static void refuse_cpus(const struct net_config *c)
{
    for (unsigned i = 0; i < CONFIG_MAX_CPUS; i++) {
        if (!cpu_set_has(&c->cpus, i) || serves(c, i))
            continue;
        if (i)
            config_refuse(c->cpus_line, "[net %s] wants CPU %u, expected one of this machine's 1-%u", c->name,
                          i, cpu_count - 1);
        else
            config_refuse(c->cpus_line, "[net %s] wants CPU 0, which serves the monitor; expected another",
                          c->name);
    }
}

static unsigned count_cpus(const struct net_config *c)
{
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        count += serves(c, i);
    return count;
}

static struct cpu *nth_cpu(const struct net_config *c, unsigned n)
{
    unsigned i = 0;

    while (!serves(c, i) || n--)
        i++;
    return cpus[i];
}

void poll_assign(struct network *n)
{
    unsigned count = n->config ? count_cpus(n->config) : 0;

    if (n->config)
        refuse_cpus(n->config);
    for (unsigned i = 0; count && i < n->net.count; i++) {
        struct net_port *port = &n->net.ports[i];

        port->poller = nth_cpu(n->config, i % count);
        port->next_polled = port->poller->polls;
        port->poller->polls = port;
    }
}

/* --- turns --- */

static struct virtio_device *device_of(struct net_card *card)
{
    return &card->pci->device;
}

/* True: a frame came. */
static bool poll_port(struct net_port *port)
{
    struct net_card *card = net_enter(port);
    bool found = false;

    if (!card)
        return false;
    if (!__atomic_load_n(&device_of(card)->polled, __ATOMIC_RELAXED))
        __atomic_store_n(&device_of(card)->polled, true, __ATOMIC_SEQ_CST);
    for (unsigned pair = 0; pair < card->id.pairs; pair++)
        found |= virtio_poll(device_of(card), 2 * pair + 1);
    net_leave(port);
    return found;
}

static bool take_turn(const struct cpu *cpu)
{
    bool found = false;

    for (struct net_port *port = cpu->polls; port; port = port->next_polled)
        found |= poll_port(port);
    return found;
}

static void end_polling(const struct cpu *cpu)
{
    __atomic_store_n(&asleep[cpu->id], true, __ATOMIC_SEQ_CST);
    for (struct net_port *port = cpu->polls; port; port = port->next_polled) {
        struct net_card *card = net_enter(port);

        if (!card)
            continue;
        __atomic_store_n(&device_of(card)->polled, false, __ATOMIC_SEQ_CST);
        net_leave(port);
    }
}

/* True: a frame came before its guest was told to kick. */
static bool listen_to_port(struct net_port *port)
{
    struct net_card *card = net_enter(port);
    bool found = false;

    if (!card)
        return false;
    for (unsigned pair = 0; pair < card->id.pairs; pair++)
        found |= virtio_end_polling(device_of(card), 2 * pair + 1);
    net_leave(port);
    return found;
}

/* False: it goes on. */
static bool fall_asleep(const struct cpu *cpu)
{
    bool found = false;

    end_polling(cpu);
    for (struct net_port *port = cpu->polls; port; port = port->next_polled)
        found |= listen_to_port(port);
    return !found;
}

static bool is_wanted(const struct cpu *cpu)
{
    return cpu->work || cpu->leave;
}

/* What is left when it is wanted elsewhere is served by kicks, and when it comes back. */
void poll_ports(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t patience = machine.tsc_hz / IDLE_PER_SECOND, since = rdtsc();

    ASSERT(cpu->polls && !cpu->vcpu);
    for (;;) {
        let_interrupts_in();
        if (__atomic_load_n(&asleep[cpu->id], __ATOMIC_RELAXED))
            __atomic_store_n(&asleep[cpu->id], false, __ATOMIC_SEQ_CST);
        if (take_turn(cpu))
            since = rdtsc();
        else
            cpu_pause();
        if ((is_wanted(cpu) || rdtsc() - since > patience) && fall_asleep(cpu))
            return;
    }
}

void poll_wake(const struct net_port *port)
{
    if (__atomic_load_n(&asleep[port->poller->id], __ATOMIC_SEQ_CST))
        cpu_kick(port->poller);
}
