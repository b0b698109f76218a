/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as what a guest does to two devices with shared memory, of which one is read-only, and what its
 * peer does: whatever they are, memory is shown where its BAR is and nowhere else, with the rights it has;
 * what is read-only stays; and who is not there is not rung at.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/unit/fake_memory.h"

#include "core/vm/shared_memory.c"
#include "dev/pci/ivshmem.c"

#include "tests/unit/fake_pci.h"

#define OPERATIONS 200
#define SIZE       PAGE_2M
#define DEVICES    2 /* the second one may only be read */
#define PLACES     (GUEST_WINDOWS_END / PAGE_2M)

struct PACKED operation {
    uint8_t what, size;
    uint16_t where;
    uint64_t value;
};

enum { CONFIG, MOVE, REGISTER, INSIDE, PEER_RINGS, PEER_GOES, RESET, OPERATION_KINDS };

struct account memory_host = {.owner = MEMORY_HOST};
struct backend backend;
static struct vm_config peer_config;
static struct vm peer;
static unsigned given;
static bool may_ring;
static struct {
    uint64_t at; /* 0: not shown */
    unsigned rights;
} shown[DEVICES];

hpa_t memory_alloc(struct account *account, enum memory_kind kind UNUSED, uint64_t count, uint64_t align)
{
    MUST(account == &memory_host && count * PAGE_SIZE == SIZE && align * PAGE_SIZE == PAGE_2M);
    return hpa(++given * PAGE_2M);
}

void memory_zero(void *at, uint64_t count)
{
    *(volatile uint8_t *)at = 0; /* nobody else writes where it is looked at */
    MUST(count * PAGE_SIZE == SIZE);
}

void log_info(const char *fmt UNUSED, ...)
{
}

static bool map_window(struct vm *of, gpa_t at, hpa_t to, uint64_t size, unsigned rights)
{
    uint64_t i = rights ? to.value / PAGE_2M - 1 : shown[0].at == at.value ? 0 : 1;

    MUST(of == &vm && i < DEVICES && size == SIZE && at.value % PAGE_2M == 0);
    MUST(at.value >= GUEST_WINDOWS && at.value + size <= GUEST_WINDOWS_END);
    MUST(!rights || !shown[i].at);
    shown[i].at = rights ? at.value : shown[i].at == at.value ? 0 : shown[i].at;
    shown[i].rights = rights;
    return true;
}

static void ring(void *context, unsigned vector)
{
    MUST(context == &peer && may_ring && vector < IVSHMEM_VECTORS);
}

static void begin(void)
{
    static bool mapped;

    MUST(mapped || fake_memory_create((DEVICES + 2) * PAGE_2M));
    mapped = true;
    memset(memories, 0, sizeof(memories));
    memset(shown, 0, sizeof(shown));
    given = 0;
    backend.map_window = map_window;
    fake_pci_set_up();
    for (unsigned i = 0; i < DEVICES; i++)
        config.shared[i] = (struct shared_config){"m", SIZE, i == 1, 0, i, i};
    config.shared_count = DEVICES;
    memcpy(peer_config.shared, config.shared, sizeof(config.shared));
    peer_config.shared[0].peer = 2;
    peer_config.shared_count = 1;
    peer = (struct vm){.config = &peer_config};
    peer.state.phase = vm.state.phase = VM_RUNS;
    MUST(ivshmem_create(&vm, NULL));
    MUST(shared_attach(&peer, 0, ring, &peer));
    may_ring = true;
}

static uint8_t *memory(unsigned i)
{
    return phys_to_virt(hpa((i + 1) * PAGE_2M));
}

static void check_shown(void)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        const struct pci_place *p = &vm.shared[i]->function.places[BAR_MEMORY];

        MUST(shown[i].at == (p->mapped ? p->at : 0));
        MUST(!shown[i].at ||
             shown[i].rights == (unsigned)(i ? GUEST_MAY_READ : GUEST_MAY_READ | GUEST_MAY_WRITE));
    }
    MUST(!shown[0].at || !shown[1].at || shown[0].at != shown[1].at);
    MUST(memory(1)[0] == 0 && memory(1)[8] == 0 && memory(1)[SIZE - 1] == 0);
    MUST(memory(DEVICES)[0] == 0); /* behind the last one */
}

/* Where it makes sense: an access to where nothing is tells nothing. */
static void access(uint64_t at, unsigned size, bool write, uint64_t value)
{
    if (write)
        bus_mmio_write(&bus, gpa(at), size, value);
    else
        bus_mmio_read(&bus, gpa(at), size, &value);
}

/* At the beginning and at the end, which are looked at. */
static uint64_t edge(unsigned offset)
{
    return offset & 1 ? SIZE - 1 - offset / 2 % 16 : offset / 2 % 16;
}

static void let_peer_go(void)
{
    if (may_ring)
        shared_detach(&peer);
    else
        MUST(shared_attach(&peer, 0, ring, &peer));
    may_ring = !may_ring;
}

static void act(const struct operation *o)
{
    unsigned i = o->what >> 7, size = 1u << (o->size & 3), slot = IVSHMEM_SLOT + i, offset = o->where;
    const struct pci_place *places = vm.shared[i]->function.places;
    bool write = o->size & 4;

    switch ((o->what & 127) % OPERATION_KINDS) {
    case CONFIG: access(PCI_ECAM_BASE + (slot << 15) + offset % 256, size, write, o->value); break;
    case MOVE:
        config_write(slot, PCI_BAR(offset % 4), 4, (uint32_t)(o->value % PLACES * PAGE_2M));
        config_write(slot, 4, 2, o->size & 8 ? ON : 0);
        break;
    case REGISTER: access(places[offset >> 15].at + offset % 0x1000, size, write, o->value); break;
    case INSIDE: access(places[BAR_MEMORY].at + edge(offset), size, write, o->value); break;
    case PEER_RINGS: shared_ring_at(&memories[i], offset % 4, offset >> 8 & (IVSHMEM_VECTORS - 1)); break;
    case PEER_GOES: let_peer_go(); break;
    default: bus_reset(&bus);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct operation o;

    begin();
    for (unsigned n = 0; n < OPERATIONS && size >= sizeof(o); n++, data += sizeof(o), size -= sizeof(o)) {
        memcpy(&o, data, sizeof(o));
        routes_are_old = o.size & 16;
        act(&o);
        check_shown();
    }
    return 0;
}
