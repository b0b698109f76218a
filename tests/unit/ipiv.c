/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPI virtualization: what the processor does with a write of the ICR, as a model that knows the manual and
 * nothing of apic/, against what Skerry does with it. Both send by one table, so that what an exit sends and
 * what the processor sends must end in the same bits and the same notification.
 *
 * The entries of the table lead to mailboxes beside those of the vCPUs: who went by the table can be told
 * from who looked at each local APIC.
 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_memory.h"

#include "tests/unit/fake_apics.h"

#include "apic/pid_table.c"

#include <inttypes.h>

#define MEMORY        MIB
#define TABLE         UINT64_C(0x10000) /* physical addresses */
#define OWN(cpu)      (UINT64_C(0x20000) + (cpu)*UINT64_C(0x2000))
#define TABLED(cpu)   (UINT64_C(0x40000) + (cpu)*UINT64_C(0x2000))
#define PHYSICAL_BITS 40
#define PID_BYTES     64

/* --- the processor, by the manual: bytes in, bytes out --- */

struct processor {
    bool x2apic;          /* the guest writes MSR 830h, else offset 300h of the APIC-access page */
    bool physical_x2apic; /* mode of its own local APIC */
    uint16_t last;        /* last PID-pointer index */
};

enum verdict { FAULTS, EXITS, SENDS };

struct sent {
    enum verdict verdict;
    bool notifies;
    uint32_t vector, destination; /* NV, and a physical APIC ID */
};

static uint8_t *bytes_at(uint64_t at)
{
    return phys_to_virt(hpa(at));
}

static uint32_t field(uint64_t value, unsigned high, unsigned low)
{
    return (uint32_t)(value >> low & ((UINT64_C(2) << (high - low)) - 1));
}

/* "IPI virtualization": vector V to virtual APIC ID T. */
static struct sent send_by_table(const struct processor *p, unsigned v, uint32_t t)
{
    struct sent s = {SENDS, false, 0, 0};
    uint64_t entry;
    uint8_t *pid;

    if (v < 16 || t > p->last)
        return (struct sent){EXITS, false, 0, 0};
    entry = load_le(bytes_at(TABLE + UINT64_C(8) * t), 8);
    if (entry >> PHYSICAL_BITS || (entry & 0x3f) != 1)
        return (struct sent){EXITS, false, 0, 0};
    pid = bytes_at(entry - 1);
    pid[v / 8] |= (uint8_t)(1 << v % 8);
    if (pid[32] & 3) /* ON, SN */
        return s;
    pid[32] |= 1;
    s.notifies = true;
    s.vector = pid[34];
    s.destination = p->physical_x2apic ? (uint32_t)load_le(pid + 36, 4) : pid[37];
    return s;
}

/* No shorthand, edge-triggered, physical, fixed. */
static bool simple(uint64_t icr)
{
    return !field(icr, 19, 18) && !field(icr, 15, 15) && !field(icr, 12, 12) && !field(icr, 11, 11) &&
           !field(icr, 10, 8);
}

static struct sent processor_writes(const struct processor *p, uint64_t icr)
{
    bool reserved = field(icr, 31, 20) || field(icr, 17, 16) || field(icr, 13, 13);

    if (p->x2apic && reserved)
        return (struct sent){FAULTS, false, 0, 0};
    if (reserved || !simple(icr))
        return (struct sent){EXITS, false, 0, 0};
    return send_by_table(p, field(icr, 7, 0), p->x2apic ? field(icr, 63, 32) : field(icr, 63, 56));
}

/* --- an ICR write that exited, by the manual's chapter on the local APIC --- */

enum { BY_SELF = 1, BY_ALL, BY_OTHERS };
enum { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_NMI = 4, MODE_INIT, MODE_STARTUP };

/* Sets of CPUs, a bit each. */
#define EVERYBODY ((1u << CPUS) - 1)
#define DISABLED  (1u << 2) /* by software */

struct effect {
    unsigned requested, nmi, init, startup;
    bool error;     /* "send illegal vector" */
    bool undefined; /* the manual has no such combination */
};

/* Who listens to what logical ID, and how busy everybody is: CPU 1 the least of those that take interrupts.
 */
static const uint8_t logical_ids[CPUS] = {0x11, 0x12, 0x24, 0x28};
static const uint8_t priorities[CPUS] = {0x30, 0x20, 0x10, 0x40};
static bool cluster_model;

static bool is_meant(const struct processor *p, unsigned i, uint32_t destination, bool logical)
{
    if (destination == (p->x2apic ? UINT32_MAX : 0xff))
        return true;
    if (!logical)
        return destination == i;
    if (p->x2apic) /* the logical ID of CPU i: cluster 0, bit i */
        return destination >> 16 == 0 && (destination >> i & 1);
    if (!cluster_model)
        return logical_ids[i] & destination;
    return logical_ids[i] >> 4 == destination >> 4 && (logical_ids[i] & destination & 0xf);
}

static unsigned least_busy(unsigned set)
{
    int best = -1;

    for (unsigned i = 0; i < CPUS; i++)
        if ((set >> i & 1) && (best < 0 || priorities[i] < priorities[best]))
            best = (int)i;
    return best < 0 ? 0 : 1u << best;
}

static unsigned addressed(const struct processor *p, uint64_t icr)
{
    unsigned set = 0;

    switch (field(icr, 19, 18)) {
    case BY_SELF: return 1;
    case BY_ALL: return EVERYBODY;
    case BY_OTHERS: return EVERYBODY & ~1u;
    default: break;
    }
    for (unsigned i = 0; i < CPUS; i++)
        if (is_meant(p, i, p->x2apic ? field(icr, 63, 32) : field(icr, 63, 56), field(icr, 11, 11)))
            set |= 1u << i;
    return set;
}

static struct effect manual_says(const struct processor *p, uint64_t icr)
{
    unsigned mode = field(icr, 10, 8), shorthand = field(icr, 19, 18), set = addressed(p, icr);
    struct effect e = {0, 0, 0, 0, false, false};

    if ((mode != MODE_FIXED && (shorthand == BY_SELF || shorthand == BY_ALL)) ||
        (mode == MODE_LOWEST && shorthand == BY_OTHERS))
        e.undefined = true; /* the last one by the model of CPU: see ipi.c */
    else if (mode <= MODE_LOWEST && field(icr, 7, 0) < 16)
        e.error = true;
    else if (mode == MODE_FIXED) /* also level-triggered: "issue the interrupt as an edge triggered one" */
        e.requested = set & ~DISABLED;
    else if (mode == MODE_LOWEST)
        e.requested = least_busy(set & ~DISABLED);
    else if (mode == MODE_NMI)
        e.nmi = set;
    else if (mode == MODE_INIT && !(field(icr, 15, 15) && !field(icr, 14, 14))) /* not the de-assert form */
        e.init = set;
    else if (mode == MODE_STARTUP)
        e.startup = set;
    return e; /* 3 and 7 are reserved, and there is no SMM */
}

/* --- the world around one write --- */

enum entry_kind { VALID, EMPTY, BIT_0_CLEAR, BIT_1_SET, BIT_5_SET = BIT_1_SET + 4, ALL_SET, ENTRY_KINDS };
enum target_cpu { SENDERS_CPU, ANOTHER_CPU, REMOTE_CPU, TARGET_CPUS };

static const uint32_t senders_id[2] = {0x05, 0x10005}; /* by the mode of the physical APICs */

static struct processor processor;
static struct vlapic *own[CPUS], *tabled[CPUS];
static struct vcpu tabled_vcpus[CPUS];
static uint8_t before[PID_BYTES]; /* of each descriptor that the table names */
static struct {
    unsigned long all, sent, exited, faulted, notified;
} cases;

static void enable_apics(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        if (processor.x2apic) {
            to_x2apic(i);
            assert_true(write_msr(i, 0x808, priorities[i]));
            assert_true(write_msr(i, 0x80f, DISABLED >> i & 1 ? 0xff : ENABLED));
        } else {
            write_reg(i, 0x0e0, cluster_model ? 0x0fffffff : UINT32_MAX);
            write_reg(i, 0x0d0, (uint32_t)logical_ids[i] << 24);
            write_reg(i, 0x080, priorities[i]);
            write_reg(i, 0x0f0, DISABLED >> i & 1 ? 0xff : ENABLED);
        }
    }
}

/* vCPU 0 sends; each vCPU is on a CPU of its own. */
static void build(bool x2apic, bool host_x2apic)
{
    set_up(NULL);
    memset(bytes_at(0), 0, MEMORY);
    memset(tabled_vcpus, 0, sizeof(tabled_vcpus));
    processor = (struct processor){x2apic, host_x2apic, CPUS - 1};
    physical_x2apic = host_x2apic;
    vm.pid_table = (struct pid_table *)bytes_at(TABLE);
    for (unsigned i = 0; i < CPUS; i++) {
        own[i] = (struct vlapic *)bytes_at(OWN(i));
        tabled[i] = (struct vlapic *)bytes_at(TABLED(i));
        tabled[i]->vcpu = &tabled_vcpus[i];
        vcpus[i].lapic = own[i];
        vlapic_reset(&vcpus[i], NULL);
        physical[i].apic_id = senders_id[host_x2apic] + i;
        fake_this_cpu = &physical[i];
        vlapic_schedule_in(&vcpus[i]);
    }
    fake_this_cpu = &physical[0];
    enable_apics();
}

static void set_entry(uint32_t index, uint64_t entry)
{
    store_le(bytes_at(TABLE + UINT64_C(8) * index), entry, 8);
}

/* Beyond the last index the entries are good, and must not be looked at. */
static void set_table(enum entry_kind kind, uint16_t last)
{
    for (uint32_t i = 0; i < PID_TABLE_SIZE; i++) {
        uint64_t at = TABLED(i % CPUS) + offsetof(struct vlapic, pid);

        if (kind == EMPTY && i <= last)
            set_entry(i, 0);
        else if (kind == BIT_0_CLEAR && i <= last)
            set_entry(i, at);
        else if (kind == ALL_SET && i <= last)
            set_entry(i, at | 0x3f);
        else if (kind >= BIT_1_SET && kind <= BIT_5_SET && i <= last)
            set_entry(i, at | 2u << (kind - BIT_1_SET) | 1);
        else
            set_entry(i, at | 1);
    }
    processor.last = vm.pid_table->last = last;
}

/* The descriptors of the table: ON and SN in the two low bits of flags, its other bits in what is reserved.
 */
static void set_descriptors(unsigned flags, unsigned vector, enum target_cpu where, uint64_t requests)
{
    uint32_t id = senders_id[processor.physical_x2apic] + (where == SENDERS_CPU ? 0 : 1);

    if (where == REMOTE_CPU)
        id = processor.physical_x2apic ? 0xfedcba98 : 0xfe;
    memset(before, 0, sizeof(before));
    for (unsigned i = 0; i < 4; i++)
        store_le(before + 8 * i, requests << i * 7, 8);
    before[32] = (uint8_t)flags;
    before[34] = (uint8_t)vector;
    if (processor.physical_x2apic) {
        store_le(before + 36, id, 4);
    } else {
        before[37] = (uint8_t)id;
        if (flags & ~3u) /* the other bytes mean nothing */
            before[36] = before[38] = before[39] = 0xa5;
    }
    if (flags & ~3u)
        before[33] = before[35] = before[40] = before[63] = 0x5a;
}

static void tabled_as_before(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        memcpy(&tabled[i]->pid, before, PID_BYTES);
}

/* Nothing has come yet. */
static void forget(void)
{
    tabled_as_before();
    ipis = 0;
    for (unsigned i = 0; i < CPUS; i++) {
        tabled_vcpus[i].pending = vcpus[i].pending = 0;
        memset(own[i]->pid.pir, 0, sizeof(own[i]->pid.pir));
        own[i]->pid.control &= ~UINT64_C(1);
        own[i]->esr_pending = 0;
    }
}

/* --- what came of it --- */

static uint64_t now_sent; /* the ICR, for messages */

static void expect(bool ok, const char *what, unsigned cpu)
{
    if (!ok)
        fail_msg("%s mode, ICR %016" PRIx64 ", CPU %u: %s", processor.x2apic ? "x2APIC" : "xAPIC", now_sent,
                 cpu, what);
}

static void expect_same_bytes(uint8_t expected[CPUS][PID_BYTES])
{
    for (unsigned i = 0; i < CPUS; i++)
        expect(!memcmp(&tabled[i]->pid, expected[i], PID_BYTES), "descriptor by the table", i);
}

/* Skerry spares the IPI to the CPU that it runs on: the vCPU there is in root mode, and looks at a word. */
static void expect_notification(const struct sent *s, unsigned target)
{
    bool here = s->notifies && s->destination == physical[0].apic_id;
    bool elsewhere = s->notifies && !here;

    expect(ipis == elsewhere, "number of notifications", target);
    if (elsewhere)
        expect(ipi_to == s->destination && ipi_icr == (0x4000 | s->vector), "the notification", target);
    for (unsigned i = 0; i < CPUS; i++) {
        bool told = here || (elsewhere && s->vector != VECTOR_POSTED);

        expect(!(tabled_vcpus[i].asked & ASKED_MAIL) == !(i == target && told),
               "the word beside the notification", i);
    }
}

static bool requested(const struct vlapic *a, unsigned vector)
{
    uint64_t others = 0;

    for (unsigned i = 0; i < 4; i++)
        others |= a->pid.pir[i] & ~(i == vector / 64 ? BIT(vector % 64) : 0);
    return !others && (a->pid.pir[vector / 64] >> vector % 64 & 1);
}

static bool nothing_requested(const struct vlapic *a)
{
    return !(a->pid.pir[0] | a->pid.pir[1] | a->pid.pir[2] | a->pid.pir[3]);
}

static void expect_effect(const struct effect *e, uint64_t icr)
{
    unsigned vector = field(icr, 7, 0);

    for (unsigned i = 0; i < CPUS; i++) {
        unsigned wanted =
            (e->init >> i & 1 ? ASKED_INIT : 0) | (e->startup >> i & 1 ? ASKED_STARTUP | vector << 24 : 0);

        if (e->requested >> i & 1)
            expect(requested(own[i], vector), "the vector", i);
        else
            expect(nothing_requested(own[i]), "no vector", i);
        expect(!(vcpus[i].asked & ASKED_NMI) == !(e->nmi >> i & 1), "NMI", i);
        expect((vcpus[i].asked & (ASKED_INIT | ASKED_STARTUP_BITS)) == wanted, "INIT and SIPI", i);
        expect(own[i]->esr_pending == (e->error && i == 0 ? 0x20u : 0u), "error status", i);
    }
}

static void expect_readable(uint64_t icr)
{
    if (processor.x2apic) {
        expect(read_msr(0, 0x830) == (icr & ~BIT(12)), "ICR reads back", 0);
    } else {
        expect(read_reg(0, 0x300) == ((uint32_t)icr & ~0x1000u), "ICR reads back", 0);
        expect(read_reg(0, 0x310) == (field(icr, 63, 56) << 24), "ICR reads back, upper half", 0);
    }
}

/* --- one write --- */

/* As the guest does it where every access exits. False: #GP. */
static bool write_icr(uint64_t icr)
{
    if (processor.x2apic)
        return write_msr(0, 0x830, icr);
    write_reg(0, 0x310, (uint32_t)(icr >> 32));
    write_reg(0, 0x300, (uint32_t)icr);
    return true;
}

/* As the processor leaves it when it exits: the value is in the page. */
static void exit_with_icr(uint64_t icr)
{
    if (processor.x2apic) {
        store_le(own[0]->regs + 0x300, icr, 8);
    } else {
        store_le(own[0]->regs + 0x300, icr, 4);
        store_le(own[0]->regs + 0x310, field(icr, 63, 56) << 24, 4);
    }
    vlapic_page_written(&vcpus[0], 0x300);
}

static void check_exit(uint64_t icr)
{
    struct effect e = manual_says(&processor, icr);

    cases.exited++;
    if (!e.undefined)
        expect_effect(&e, icr);
    expect_readable(icr);
}

static void check_sent(const struct sent *s, uint64_t icr)
{
    static const struct effect nothing;

    cases.sent++;
    cases.notified += s->notifies;
    expect_notification(s, (processor.x2apic ? field(icr, 63, 32) : field(icr, 63, 56)) % CPUS);
    expect_effect(&nothing, icr);
    expect_readable(icr);
}

/*
 * Bit 12 is the delivery status. The processor exits when it is written as 1, in either mode; Skerry takes it
 * for 0, as it is read-only in xAPIC mode and gone in x2APIC mode, and may then go by the table.
 */
static struct sent skerry_sends(uint64_t icr)
{
    return processor_writes(&processor, icr & ~BIT(12));
}

/* by_exit: not the guest's write, but the exit that the processor makes of it. */
static void check_icr(uint64_t icr, bool by_exit)
{
    static const struct effect nothing;
    uint8_t expected[CPUS][PID_BYTES];
    enum verdict verdict;
    struct sent s;

    now_sent = icr;
    forget();
    verdict = processor_writes(&processor, icr).verdict;
    tabled_as_before();
    s = skerry_sends(icr);
    for (unsigned i = 0; i < CPUS; i++)
        memcpy(expected[i], &tabled[i]->pid, PID_BYTES);
    tabled_as_before();
    if (by_exit && verdict == EXITS)
        exit_with_icr(icr);
    else
        expect(write_icr(icr) == (verdict != FAULTS), "#GP", 0);
    expect_same_bytes(expected);
    cases.all++;
    cases.faulted += s.verdict == FAULTS;
    if (s.verdict == FAULTS)
        expect_effect(&nothing, icr);
    else if (s.verdict == SENDS)
        check_sent(&s, icr);
    else
        check_exit(icr);
}

/* --- all encodings --- */

/* Each reserved bit alone, and some together. */
static const uint32_t reserved_bits[] = {0,        1u << 13,   1u << 16,   1u << 17,   1u << 20,
                                         1u << 21, 1u << 22,   1u << 23,   1u << 24,   1u << 25,
                                         1u << 26, 1u << 27,   1u << 28,   1u << 29,   1u << 30,
                                         1u << 31, 0x00030000, 0x00012000, 0xfff00000, 0xfff32000};

/* The upper half, as it is written. In xAPIC mode only its upper byte counts. */
static const uint32_t x2apic_destinations[] = {0,       1,          2,          3,          4,         5,
                                               15,      63,         64,         0xff,       0x100,     0x101,
                                               0x10001, 0x01000000, 0x80000001, 0xfffffffe, 0xffffffff};
static const uint32_t xapic_destinations[] = {0,          0x01000000, 0x02000000, 0x03000000, 0x04000000,
                                              0x0f000000, 0x3f000000, 0x40000000, 0x80000000, 0xfe000000,
                                              0xff000000, 0x00ffffff, 0x01000001, 0x02abcdef, 0xffffffff};

static unsigned destination_count(void)
{
    return processor.x2apic ? ARRAY_SIZE(x2apic_destinations) : ARRAY_SIZE(xapic_destinations);
}

static uint64_t destination(unsigned i)
{
    return (uint64_t)(processor.x2apic ? x2apic_destinations : xapic_destinations)[i % destination_count()]
           << 32;
}

#define LOW_HALVES (1u << 17)

/* Vector, delivery mode, destination mode and bit 12 in a row; then level and trigger, then the shorthand. */
static uint32_t low_half(uint32_t i)
{
    return (i & 0x1fff) | (i >> 13 & 3) << 14 | (i >> 15 & 3) << 18;
}

/* A descriptor in one of its states, by the digits of n. */
static void set_descriptors_by(unsigned n)
{
    static const uint8_t vectors[] = {VECTOR_POSTED, VECTOR_WAKEUP, VECTOR_KICK, 0x10, 0xff};
    static const uint64_t requests[] = {0, UINT64_MAX, UINT64_C(0x8421084210842108)};

    set_descriptors(n % 4 | (n / 4 % 2 ? 0xa4 : 0), vectors[n / 8 % 5], n / 40 % TARGET_CPUS,
                    requests[n / 120 % 3]);
}
#define DESCRIPTOR_STATES 120 /* for one content of PIR, of three */

static void every_low_half(bool x2apic)
{
    unsigned n = 0;

    build(x2apic, x2apic);
    set_table(VALID, CPUS - 1);
    for (unsigned r = 0; r < ARRAY_SIZE(reserved_bits); r++) {
        for (uint32_t i = 0; i < LOW_HALVES; i++, n++) {
            unsigned count = r ? 1 : destination_count();

            set_descriptors_by(n % (3 * DESCRIPTOR_STATES));
            for (unsigned d = 0; d < count; d++)
                check_icr(destination(n + d) | reserved_bits[r] | low_half(i), (n + d) & 1);
        }
    }
}

static void every_xapic_icr(void **state)
{
    (void)state;
    every_low_half(false);
}

static void every_x2apic_icr(void **state)
{
    (void)state;
    every_low_half(true);
}

/* --- all that an ICR can meet --- */

/* Some that go by the table, and all that differ from those in one bit. */
static const uint32_t low_halves[] = {0x10,    0x1f,    0x20,    0x3f,    0x40,    0x41,     0x80,
                                      0xbf,    0xc0,    0xff,    0x4041,  0x00,    0x0f,     0x141,
                                      0x241,   0x441,   0x841,   0x1041,  0x2041,  0x8041,   0xc041,
                                      0x10041, 0x20041, 0x40041, 0x80041, 0xc0041, 0x100041, 0x80000041};

static const uint16_t last_indices[] = {0, 1, CPUS - 1, CPUS, PID_TABLE_SIZE - 1};

static void every_meeting(bool x2apic, bool host_x2apic)
{
    unsigned n = 0;

    build(x2apic, host_x2apic);
    for (enum entry_kind kind = VALID; kind < ENTRY_KINDS; kind++) {
        for (unsigned l = 0; l < ARRAY_SIZE(last_indices); l++) {
            set_table(kind, last_indices[l]);
            for (unsigned state = 0; state < DESCRIPTOR_STATES; state++) {
                set_descriptors_by(state + DESCRIPTOR_STATES * (l % 3));
                for (unsigned i = 0; i < destination_count() * ARRAY_SIZE(low_halves); i++, n++)
                    check_icr(destination(i) | low_halves[i / destination_count()], n & 1);
            }
        }
    }
}

static void every_xapic_meeting(void **state)
{
    (void)state;
    every_meeting(false, false);
    every_meeting(false, true);
}

static void every_x2apic_meeting(void **state)
{
    (void)state;
    every_meeting(true, false);
    every_meeting(true, true);
}

static uint64_t random64(void)
{
    return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* An ICR of few bits, so that some are simple. */
static uint64_t random_icr(void)
{
    uint64_t low = random64() & 0xff, rare = random64() & random64() & random64() & 0xffffff00;
    uint64_t id = rand() % 4 ? (uint64_t)rand() % 6 : random64();

    if (cluster_model && (id & 0xff) == 0xff) /* see ipi.c */
        id ^= 1;
    return low | (rand() % 3 ? 0 : rare) | id << (processor.x2apic ? 32 : 56);
}

static void random_meetings(bool x2apic)
{
    for (unsigned i = 0; i < 2000; i++) {
        enum entry_kind kind = rand() % 2 ? VALID : (enum entry_kind)(rand() % ENTRY_KINDS);

        build(x2apic, rand() % 2);
        set_table(kind, (uint16_t)(rand() % PID_TABLE_SIZE));
        for (unsigned n = 0; n < 1000; n++) {
            set_descriptors((unsigned)rand() % 256 & ((unsigned)rand() % 256 | 0xfc), (unsigned)rand() % 256,
                            (enum target_cpu)(rand() % TARGET_CPUS), random64() & random64());
            check_icr(random_icr(), rand() % 2);
        }
    }
}

static void at_random(void **state)
{
    (void)state;
    srand(7);
    random_meetings(false);
    random_meetings(true);
    cluster_model = true;
    random_meetings(false);
    cluster_model = false;
}

/* --- the table as Skerry fills it in --- */

static void own_entries(void **state)
{
    uint64_t entry;

    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        build(mode, false);
        vm.pid_table->last = CPUS - 1;
        for (unsigned i = 0; i < PID_TABLE_SIZE; i++) {
            bool valid = i < CPUS && !(DISABLED >> i & 1);

            entry = load_le(bytes_at(TABLE + UINT64_C(8) * i), 8);
            assert_int_equal(entry, valid ? (OWN(i) + offsetof(struct vlapic, pid)) | 1 : 0);
        }
        /* The processor sends by it, and software finds what it sent. */
        for (unsigned i = 0; i < CPUS; i++) {
            struct sent s = processor_writes(&processor, (uint64_t)i << (mode ? 32 : 56) | 0x51);

            assert_int_equal(s.verdict, DISABLED >> i & 1 ? EXITS : SENDS);
            vlapic_update(&vcpus[i]);
            assert_int_equal(vlapic_requested(&vcpus[i]), DISABLED >> i & 1 ? -1 : 0x51);
            if (s.verdict == SENDS)
                assert_int_equal(s.destination, physical[i].apic_id);
        }
    }
}

static void last_index_of_a_vm(void **state)
{
    (void)state;
    set_up(NULL);
    for (unsigned vcpu_count = 1; vcpu_count <= PID_TABLE_SIZE; vcpu_count++) {
        config.vcpus = vcpu_count;
        vm.pid_table = NULL;
        assert_true(apic_create(&vm, NULL));
        assert_int_equal(vm.pid_table->last, vcpu_count - 1);
        assert_null(pid_table_find(vm.pid_table, vcpu_count - 1));
        assert_null(pid_table_find(vm.pid_table, vcpu_count));
        assert_null(pid_table_find(vm.pid_table, UINT32_MAX));
    }
}

/* A descriptor need not begin a page: 64 bytes are enough. */
static void alignment(void **state)
{
    (void)state;
    build(false, false);
    vm.pid_table->last = CPUS - 1;
    for (uint64_t at = OWN(0); at < OWN(1); at += 64) {
        pid_table_set(vm.pid_table, 1, (struct pid *)bytes_at(at));
        assert_int_equal(load_le(bytes_at(TABLE + 8), 8), at | 1);
        assert_ptr_equal(pid_table_find(vm.pid_table, 1), bytes_at(at));
        for (unsigned bit = 1; bit < 6; bit++) {
            set_entry(1, at | 1u << bit | 1);
            assert_null(pid_table_find(vm.pid_table, 1));
            assert_int_equal(processor_writes(&processor, UINT64_C(1) << 56 | 0x51).verdict, EXITS);
        }
        pid_table_clear(vm.pid_table, 1);
        assert_null(pid_table_find(vm.pid_table, 1));
    }
}

/*
 * The processor also exits for an entry beyond MAXPHYADDR. Software does not look: its entries are the
 * addresses of memory that it has, and no guest can write to the table.
 */
static void beyond_physical_addresses(void **state)
{
    (void)state;
    build(false, false);
    vm.pid_table->last = CPUS - 1;
    for (unsigned bit = PHYSICAL_BITS; bit < 64; bit++) {
        set_entry(1, (OWN(1) + offsetof(struct vlapic, pid)) | BIT(bit) | 1);
        assert_int_equal(processor_writes(&processor, UINT64_C(1) << 56 | 0x51).verdict, EXITS);
        assert_non_null(pid_table_find(vm.pid_table, 1));
    }
}

/* --- what the processor leaves to software --- */

static void delivery_status_is_ignored(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 2; mode++) {
        uint64_t icr = UINT64_C(1) << (mode ? 32 : 56) | 0x1051;

        build(mode, false);
        set_table(VALID, CPUS - 1);
        set_descriptors(0, VECTOR_POSTED, ANOTHER_CPU, 0);
        assert_int_equal(processor_writes(&processor, icr).verdict, EXITS);
        forget();
        exit_with_icr(icr);
        assert_true(requested(tabled[1], 0x51));
        assert_int_equal(ipis, 1);
        expect_readable(icr);
    }
}

/* WRMSR 83Fh is a self-IPI for the processor too, and needs no table. */
static void self_ipi_register(void **state)
{
    (void)state;
    build(true, false);
    set_table(VALID, CPUS - 1);
    for (unsigned vector = 0; vector < 256; vector++) {
        set_descriptors(0, VECTOR_POSTED, ANOTHER_CPU, 0);
        forget();
        assert_true(write_msr(0, 0x83f, vector));
        assert_int_equal(requested(own[0], vector), vector >= 16);
        assert_int_equal(own[0]->esr_pending, vector < 16 ? 0x20 : 0);
        for (unsigned i = 0; i < CPUS; i++)
            assert_true(nothing_requested(tabled[i]) && (i == 0 || nothing_requested(own[i])));
    }
}

static void clusters(void **state)
{
    (void)state;
    cluster_model = true;
    build(false, false);
    set_table(VALID, CPUS - 1);
    set_descriptors(0, VECTOR_POSTED, ANOTHER_CPU, 0);
    for (uint64_t id = 0; id < 0xff; id++)
        for (uint32_t mode = 0; mode < 8; mode++)
            check_icr(id << 56 | 0x851 | mode << 8, mode & 1);
    cluster_model = false;
}

#define TEST(f) cmocka_unit_test(f)

static int map_memory(void **state)
{
    (void)state;
    return fake_memory_create(MEMORY) ? 0 : -1;
}

static int say_how_many(void **state)
{
    (void)state;
    print_message("%lu writes of the ICR: %lu sent by the table, %lu of them notify; %lu exit, %lu fault\n",
                  cases.all, cases.sent, cases.notified, cases.exited, cases.faulted);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_xapic_icr),
        TEST(every_x2apic_icr),
        TEST(every_xapic_meeting),
        TEST(every_x2apic_meeting),
        TEST(at_random),
        TEST(own_entries),
        TEST(last_index_of_a_vm),
        TEST(alignment),
        TEST(beyond_physical_addresses),
        TEST(delivery_status_is_ignored),
        TEST(self_ipi_register),
        TEST(clusters),
    };

    return cmocka_run_group_tests(tests, map_memory, say_how_many);
}
