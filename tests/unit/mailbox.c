/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mailbox of a vCPU: who is told of mail while it runs, waits or has no CPU; mail that comes in between;
 * level-triggered mail; when the table of the VM leads to it. The order of single steps is the business of
 * tests/model; here is what each operation leaves behind, and real threads at the end.
 */
#include "tests/unit/fake_apics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define BASE VLAPIC_BASE

static unsigned target_cpu(unsigned cpu)
{
    return pid_decode_destination(PID_DESTINATION(apics[cpu].pid.control), physical_x2apic);
}

static void on_cpu(unsigned cpu)
{
    fake_this_cpu = &physical[cpu];
}

/* The control word, all of it. */
static void expect_control(unsigned cpu, uint64_t flags, unsigned vector, uint32_t ndst)
{
    assert_int_equal(apics[cpu].pid.control, flags | (uint64_t)vector << 16 | (uint64_t)ndst << 32);
}

static bool in_pir(unsigned cpu, unsigned vector)
{
    return apics[cpu].pid.pir[vector / 64] >> vector % 64 & 1;
}

static bool in_irr(unsigned cpu, unsigned vector)
{
    return read_reg(cpu, REG_IRR + vector / 32 * 16) >> vector % 32 & 1;
}

/* Nobody has been told of anything. */
static void forget(void)
{
    kicks = ipis = 0;
    for (unsigned i = 0; i < CPUS; i++)
        vcpus[i].pending = 0;
}

static bool quiet(void)
{
    bool kicked = false;

    for (unsigned i = 0; i < CPUS; i++)
        kicked |= vcpus[i].pending != 0;
    return !kicked && !kicks && !ipis;
}

/* --- who is told --- */

/* NV and NDST of vCPU 1, which CPU n has, in both formats of NDST. */
static void running(void **state)
{
    static const uint32_t ids[] = {0, 1, 7, 0x80, 0xfe};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        physical[3].apic_id = ids[i];
        on_cpu(3);
        for (unsigned posted = 0; posted < 2; posted++) {
            vlapic_use_posted(&vcpus[1], posted);
            physical_x2apic = false;
            vlapic_schedule_in(&vcpus[1]);
            expect_control(1, 0, posted ? VECTOR_POSTED : VECTOR_KICK, ids[i] << 8);
            physical_x2apic = true;
            vlapic_schedule_in(&vcpus[1]);
            expect_control(1, 0, posted ? VECTOR_POSTED : VECTOR_KICK, ids[i]);
        }
    }
    physical[3].apic_id = 0xfedcba98; /* beyond what xAPIC mode knows */
    vlapic_schedule_in(&vcpus[1]);
    expect_control(1, 0, VECTOR_POSTED, 0xfedcba98);
    assert_int_equal(target_cpu(1), 0xfedcba98);
}

static void first_post_tells(void **state)
{
    (void)state;
    for (unsigned posted = 0; posted < 2; posted++) {
        on_cpu(2);
        vlapic_use_posted(&vcpus[2], posted);
        on_cpu(0);
        forget();
        vlapic_post(&vcpus[2], 0x51, false);
        assert_int_equal(ipis, 1);
        assert_int_equal(ipi_to, 2);
        assert_int_equal(ipi_icr, ICR_ASSERT | (posted ? VECTOR_POSTED : VECTOR_KICK));
        assert_int_equal(vcpus[2].asked & ASKED_MAIL,
                         posted ? 0 : ASKED_MAIL); /* the processor collects without our help */
        vlapic_post(&vcpus[2], 0x51, false);
        vlapic_post(&vcpus[2], 0x52, false); /* ON says that somebody has been told */
        assert_int_equal(ipis, 1);
        assert_true(vlapic_has_mail(&vcpus[2]));
        vlapic_update(&vcpus[2]);
        assert_false(vlapic_has_mail(&vcpus[2]));
        assert_true(in_irr(2, 0x51) && in_irr(2, 0x52) && !in_pir(2, 0x51) && !in_pir(2, 0x52));
        vlapic_post(&vcpus[2], 0x53, false);
        assert_int_equal(ipis, 2);
        accept(2, 0x53);
        eoi(2);
        accept(2, 0x52);
        eoi(2);
        accept(2, 0x51);
        eoi(2);
    }
}

/* The sender's CPU is in root mode: a word is enough, and an IPI to itself would cost an exit. */
static void own_cpu_needs_no_ipi(void **state)
{
    (void)state;
    for (unsigned posted = 0; posted < 2; posted++) {
        vlapic_use_posted(&vcpus[0], posted);
        forget();
        vlapic_post(&vcpus[0], 0x51, false);
        assert_int_equal(ipis, 0);
        assert_true(vcpus[0].asked & ASKED_MAIL);
        accept(0, 0x51);
        eoi(0);
    }
}

/* Switching posted interrupts on and off redirects a vCPU that runs, and only that. */
static void switching_posted(void **state)
{
    (void)state;
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], true);
    expect_control(1, 0, VECTOR_POSTED, 1 << 8);
    on_cpu(0);
    vlapic_post(&vcpus[1], 0x51, false);
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], false);
    expect_control(1, PID_ON, VECTOR_KICK, 1 << 8); /* what came is still announced */
    vlapic_schedule_out(&vcpus[1]);
    vlapic_use_posted(&vcpus[1], true);
    assert_true(apics[1].pid.control & PID_SN);
    vlapic_schedule_in(&vcpus[1]);
    assert_int_equal(PID_VECTOR(apics[1].pid.control), VECTOR_POSTED);
    accept(1, 0x51);
}

/* --- without a CPU, and back --- */

static void scheduled_out(void **state)
{
    (void)state;
    on_cpu(1);
    vlapic_schedule_out(&vcpus[1]);
    assert_int_equal(apics[1].pid.control & (PID_ON | PID_SN), PID_SN);
    on_cpu(0);
    forget();
    for (unsigned v = FIRST_VECTOR; v < 256; v++) {
        vlapic_post(&vcpus[1], v, false);
        assert_true(in_pir(1, v));
    }
    assert_true(quiet());
    assert_int_equal(apics[1].pid.control & (PID_ON | PID_SN), PID_SN); /* ON stays as it was */
    on_cpu(3);
    vlapic_schedule_in(&vcpus[1]);
    expect_control(1, 0, VECTOR_KICK, 3 << 8);
    assert_true(vcpus[1].due & DUE_IRQ);
    for (unsigned v = FIRST_VECTOR; v < 256; v++)
        assert_true(in_irr(1, v) && !in_pir(1, v));
    assert_int_equal(pending(1), 255);
}

/* ON from before SN: schedule-in takes it down with the mail. */
static void announced_before_scheduled_out(void **state)
{
    (void)state;
    vlapic_post(&vcpus[1], 0x51, false);
    on_cpu(1);
    vlapic_schedule_out(&vcpus[1]);
    assert_int_equal(apics[1].pid.control & (PID_ON | PID_SN), PID_ON | PID_SN);
    on_cpu(2);
    vlapic_schedule_in(&vcpus[1]);
    expect_control(1, 0, VECTOR_KICK, 2 << 8);
    on_cpu(0);
    forget();
    vlapic_post(&vcpus[1], 0x61, false);
    assert_int_equal(ipis, 1);
    assert_int_equal(ipi_to, 2); /* where it is now */
    accept(1, 0x61);
}

/* --- waiting --- */

static void blocked(void **state)
{
    (void)state;
    for (unsigned posted = 0; posted < 2; posted++) {
        for (unsigned format = 0; format < 2; format++) {
            physical_x2apic = format;
            on_cpu(1);
            vlapic_use_posted(&vcpus[1], posted);
            assert_true(vlapic_block(&vcpus[1]));
            expect_control(1, 0, VECTOR_WAKEUP, format ? 1 : 1 << 8);
            on_cpu(0);
            forget();
            vlapic_post(&vcpus[1], 0x51, false); /* whoever waits for it must hear, and find the word */
            assert_int_equal(ipis + kicks, 1);
            assert_true(vcpus[1].pending);
            if (ipis)
                assert_true(ipi_to == 1 && ipi_icr == (ICR_ASSERT | VECTOR_WAKEUP));
            assert_true(apics[1].pid.control & PID_ON);
            on_cpu(1);
            vlapic_unblock(&vcpus[1]);
            expect_control(1, PID_ON, posted ? VECTOR_POSTED : VECTOR_KICK, format ? 1 : 1 << 8);
            assert_true(vlapic_has_mail(&vcpus[1]));
            accept(1, 0x51);
            eoi(1);
        }
    }
}

static void mail_forbids_waiting(void **state)
{
    (void)state;
    vlapic_post(&vcpus[1], 0x51, false);
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], true);
    assert_false(vlapic_block(&vcpus[1]));
    expect_control(1, PID_ON, VECTOR_POSTED, 1 << 8);
    assert_true(apics[1].running);
    accept(1, 0x51);
    eoi(1);
    assert_true(vlapic_block(&vcpus[1]));
    /* Not told twice: what comes while ON is set finds it awake. */
    on_cpu(0);
    forget();
    vlapic_post(&vcpus[1], 0x51, false);
    vlapic_post(&vcpus[1], 0x52, false);
    assert_int_equal(ipis + kicks, 1);
}

/* Posted interrupts are switched off while it waits: still woken, and by the right vector afterwards. */
static void switching_posted_while_blocked(void **state)
{
    (void)state;
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], true);
    assert_true(vlapic_block(&vcpus[1]));
    vlapic_use_posted(&vcpus[1], false);
    expect_control(1, 0, VECTOR_WAKEUP, 1 << 8);
    vlapic_unblock(&vcpus[1]);
    expect_control(1, 0, VECTOR_KICK, 1 << 8);
}

/* --- level-triggered mail --- */

static void level_vectors(uint64_t out[4])
{
    vlapic_level_vectors(&vcpus[1], out);
}

static void level_goes_another_way(void **state)
{
    uint64_t level[4];

    (void)state;
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], true);
    on_cpu(0);
    for (unsigned v = FIRST_VECTOR; v < 256; v++) {
        forget();
        vlapic_post(&vcpus[1], v, true);
        assert_false(in_pir(1, v)); /* the processor must not collect it */
        expect_control(1, 0, VECTOR_POSTED, 1 << 8);
        assert_true(kicks == 1 && (vcpus[1].asked & ASKED_MAIL) && vlapic_has_mail(&vcpus[1]));
        assert_false(vlapic_level_changed(&vcpus[1]));
        vlapic_update(&vcpus[1]);
        assert_true(in_irr(1, v) && !vlapic_has_mail(&vcpus[1]) && vlapic_level_changed(&vcpus[1]));
        level_vectors(level);
        assert_false(vlapic_level_changed(&vcpus[1]));
        for (unsigned w = FIRST_VECTOR; w < 256; w++)
            assert_int_equal(level[w / 64] >> w % 64 & 1, w <= v);
    }
}

/* The list is that of the TMR: an edge of the same vector takes it off, and its EOI is no broadcast. */
static void edge_after_level(void **state)
{
    uint64_t level[4];

    (void)state;
    vlapic_post(&vcpus[1], 0x91, true);
    vlapic_post(&vcpus[1], 0x92, true);
    accept(1, 0x92);
    eoi(1);
    accept(1, 0x91);
    eoi(1);
    assert_int_equal(broadcasts, 2);
    vlapic_post(&vcpus[1], 0x91, false);
    level_vectors(level);
    assert_int_equal(level[2], BIT(0x92 - 128));
    accept(1, 0x91);
    eoi(1);
    assert_int_equal(broadcasts, 2);
    vlapic_post(&vcpus[1], 0x91, true);
    accept(1, 0x91);
    level_vectors(level);
    assert_int_equal(level[2], BIT(0x91 - 128) | BIT(0x92 - 128));
    eoi(1);
    assert_int_equal(broadcasts, 3);
}

/* What the processor says of an EOI that it made itself. */
static void virtual_eoi(void **state)
{
    (void)state;
    vlapic_post(&vcpus[1], 0x91, true);
    vlapic_update(&vcpus[1]);
    for (unsigned v = FIRST_VECTOR; v < 256; v++)
        vlapic_broadcast_eoi(&vcpus[1], v);
    assert_int_equal(broadcasts, 1);
    write_reg(1, LAPIC_SVR, ENABLED | SVR_NO_BROADCAST);
    vlapic_broadcast_eoi(&vcpus[1], 0x91);
    assert_int_equal(broadcasts, 1);
}

/* Neither SN nor the want of a CPU holds it back: it is a kick. */
static void level_to_a_vcpu_without_cpu(void **state)
{
    (void)state;
    on_cpu(1);
    vlapic_schedule_out(&vcpus[1]);
    on_cpu(0);
    forget();
    vlapic_post(&vcpus[1], 0x91, true);
    assert_true(kicks == 1 && vlapic_has_mail(&vcpus[1]));
    on_cpu(2);
    vlapic_schedule_in(&vcpus[1]);
    accept(1, 0x91);
    assert_int_equal(read_reg(1, REG_TMR + 0x40), 1 << 17);
}

/* --- the table --- */

static uint64_t entry_of(const void *at)
{
    return virt_to_phys(at).value | 1;
}

static void expect_entries(unsigned set)
{
    for (unsigned i = 0; i < PID_TABLE_SIZE; i++)
        assert_int_equal(table.entries[i], i < CPUS && (set >> i & 1) ? entry_of(&apics[i].pid) : 0);
}

static void published(void **state)
{
    (void)state;
    expect_entries(0xf);
    write_reg(1, LAPIC_SVR, 0xff);
    expect_entries(0xd);
    write_reg(1, LAPIC_SVR, ENABLED | SVR_NO_BROADCAST);
    expect_entries(0xf);
    vlapic_init(&vcpus[2]);
    expect_entries(0xb);
    write_reg(2, LAPIC_SVR, 0x100);
    expect_entries(0xf);
    vlapic_reset(&vcpus[3], NULL);
    expect_entries(0x7);
}

static void published_by_mode(void **state)
{
    (void)state;
    to_x2apic(1);
    expect_entries(0xf);
    assert_true(write_msr(1, 0x80f, 0xff));
    expect_entries(0xd);
    assert_true(write_msr(1, 0x80f, ENABLED));
    expect_entries(0xf);
    assert_true(write_msr(1, IA32_APIC_BASE, BASE)); /* off: and it forgets that software had it on */
    expect_entries(0xd);
    assert_true(write_msr(1, IA32_APIC_BASE, BASE | APIC_BASE_ENABLE));
    expect_entries(0xd);
    write_reg(1, LAPIC_SVR, ENABLED);
    expect_entries(0xf);
    /* Where the registers are does not matter to those who send. */
    assert_true(write_msr(1, IA32_APIC_BASE, (BASE + PAGE_SIZE) | APIC_BASE_ENABLE));
    expect_entries(0xf);
    to_x2apic(1);
    expect_entries(0xf);
}

/* By APIC ID, which need not be the number of the vCPU. */
static void published_by_id(void **state)
{
    (void)state;
    write_reg(1, LAPIC_SVR, 0xff);
    vcpus[1].apic_id = 63;
    write_reg(1, LAPIC_SVR, ENABLED);
    assert_int_equal(table.entries[63], entry_of(&apics[1].pid));
    assert_int_equal(table.entries[1], 0);
    table.last = 63;
    write_reg(0, LAPIC_ICR_HIGH, 63u << 24);
    write_reg(0, LAPIC_ICR, 0x51);
    accept(1, 0x51);
    write_reg(1, LAPIC_SVR, 0xff);
    assert_int_equal(table.entries[63], 0);
}

/* --- INIT, and the APIC switched off --- */

static void init_discards(void **state)
{
    (void)state;
    to_x2apic(1);
    on_cpu(1);
    vlapic_use_posted(&vcpus[1], true);
    on_cpu(0);
    vlapic_post(&vcpus[1], 0x51, false);
    vlapic_post(&vcpus[1], 0x91, true);
    vlapic_post_nmi(&vcpus[1]);
    apics[1].esr_pending = ESR_RECEIVE_VECTOR;
    on_cpu(1);
    vlapic_init(&vcpus[1]);
    expect_control(1, 0, VECTOR_POSTED, 1 << 8); /* it still has its CPU */
    assert_false(vlapic_has_mail(&vcpus[1]) || nmi_pending(&vcpus[1]));
    assert_int_equal(apics[1].esr_pending, 0);
    assert_true(write_msr(1, 0x80f, ENABLED));
    assert_int_equal(pending(1), -1);
    on_cpu(0);
    forget();
    vlapic_post(&vcpus[1], 0x52, false);
    assert_int_equal(ipis, 1);
    assert_int_equal(pending(1), 0x52);
}

/* Fixed interrupts are lost while software has the APIC off, by the table and without it; others are not. */
static void software_disabled(void **state)
{
    (void)state;
    write_reg(1, LAPIC_SVR, 0xff);
    forget();
    write_reg(0, LAPIC_ICR_HIGH, 1u << 24);
    write_reg(0, LAPIC_ICR, 0x51);
    write_reg(0, LAPIC_ICR, ICR_ALL_BUT_SELF | 0x52);
    assert_false(vlapic_has_mail(&vcpus[1]));
    write_reg(0, LAPIC_ICR, ICR_NMI);
    assert_true(take_nmi(&vcpus[1]));
    write_reg(1, LAPIC_SVR, ENABLED);
    assert_int_equal(pending(1), -1);
    write_reg(0, LAPIC_ICR, 0x53);
    assert_int_equal(pending(1), 0x53);
}

/* What was accepted before is held, and comes when software switches the APIC on again. */
static void held_while_disabled(void **state)
{
    (void)state;
    vlapic_post(&vcpus[1], 0x51, false);
    vlapic_update(&vcpus[1]);
    write_reg(1, LAPIC_SVR, 0xff);
    assert_int_equal(pending(1), -1);
    assert_true(in_irr(1, 0x51));
    write_reg(1, LAPIC_SVR, ENABLED);
    assert_int_equal(pending(1), 0x51);
}

/* --- any order of operations, against a model --- */

enum place { RUNS, OUT, WAITS };

static struct {
    enum place place;
    unsigned cpu; /* where it is told of mail */
    bool on, posted;
    bool edge[256], level[256], requested[256];
} m;

static void model_collect_edge(void)
{
    for (unsigned v = 0; v < 256; v++) {
        m.requested[v] |= m.edge[v];
        m.edge[v] = false;
    }
    m.on = false;
}

static void model_collect_level(void)
{
    for (unsigned v = 0; v < 256; v++) {
        m.requested[v] |= m.level[v];
        m.level[v] = false;
    }
}

static unsigned model_vector(void)
{
    if (m.place == WAITS)
        return VECTOR_WAKEUP;
    return m.posted ? VECTOR_POSTED : VECTOR_KICK;
}

static void post_edge(unsigned vector)
{
    unsigned from = (unsigned)rand() % CPUS;
    bool tells = !m.on && m.place != OUT;

    on_cpu(from);
    forget();
    vlapic_post(&vcpus[1], vector, false);
    m.edge[vector] = true;
    m.on |= tells;
    if (!tells) {
        assert_true(quiet());
    } else if (from == m.cpu || m.place == WAITS) {
        assert_true(vcpus[1].pending);
    } else {
        assert_true(ipis == 1 && ipi_to == physical[m.cpu].apic_id);
        assert_int_equal(ipi_icr, ICR_ASSERT | model_vector());
        assert_int_equal(vcpus[1].asked & ASKED_MAIL, model_vector() != VECTOR_POSTED ? ASKED_MAIL : 0);
    }
}

static void post_level(unsigned vector)
{
    on_cpu((unsigned)rand() % CPUS);
    forget();
    vlapic_post(&vcpus[1], vector, true);
    m.level[vector] = true;
    assert_true(kicks == 1 && (vcpus[1].asked & ASKED_MAIL) && vlapic_has_mail(&vcpus[1]));
}

/* An operation of the vCPU's own CPU. */
static void move(unsigned choice)
{
    on_cpu(m.cpu);
    if (choice == 0 && m.place == RUNS) {
        vlapic_update(&vcpus[1]);
        if (m.on)
            model_collect_edge();
        model_collect_level();
    } else if (choice == 1 && m.place == RUNS) {
        vlapic_schedule_out(&vcpus[1]);
        m.place = OUT;
    } else if (choice == 2 && m.place == OUT) {
        m.cpu = (unsigned)rand() % CPUS;
        on_cpu(m.cpu);
        vlapic_schedule_in(&vcpus[1]);
        m.place = RUNS;
        model_collect_edge();
    } else if (choice == 3 && m.place == RUNS) {
        assert_int_equal(vlapic_block(&vcpus[1]), !m.on);
        m.place = m.on ? RUNS : WAITS;
    } else if (choice == 4 && m.place == WAITS) {
        vlapic_unblock(&vcpus[1]);
        m.place = RUNS;
    } else if (choice == 5 && m.place == RUNS) {
        m.posted = rand() % 2;
        vlapic_use_posted(&vcpus[1], m.posted);
    }
}

static void expect_model(void)
{
    uint64_t flags = (m.on ? PID_ON : 0) | (m.place == OUT ? PID_SN : 0);
    uint32_t id = physical[m.cpu].apic_id;

    expect_control(1, flags, model_vector(), physical_x2apic ? id : id << 8);
    for (unsigned v = FIRST_VECTOR; v < 256; v++)
        assert_true(in_pir(1, v) == m.edge[v] && in_irr(1, v) == m.requested[v]);
}

static void random_operations(void **state)
{
    (void)state;
    srand(31);
    for (unsigned run = 0; run < 200; run++) {
        set_up(NULL);
        memset(&m, 0, sizeof(m));
        physical_x2apic = run & 1;
        for (unsigned i = 0; i < CPUS; i++)
            physical[i].apic_id = physical_x2apic ? 0x10000u * i + 300 : 10 + i;
        on_cpu(1);
        m.cpu = 1;
        vlapic_schedule_in(&vcpus[1]);
        for (unsigned n = 0; n < 500; n++) {
            unsigned choice = (unsigned)rand() % 12,
                     vector = FIRST_VECTOR + (unsigned)rand() % (256 - FIRST_VECTOR);

            if (choice < 6)
                move(choice);
            else if (choice < 11)
                post_edge(vector);
            else
                post_level(vector);
            expect_model();
        }
    }
}

/* --- real threads: nothing is lost --- */

#define PATIENCE 20 /* seconds */
#define SENDERS  2
#define BURSTS   200000u /* each */
#define BURST    3       /* letters at once; the next ones when all have been delivered */

static struct pid shared ALIGNED(64);
static atomic_bool under_way[256], told_posted, told_wakeup, gave_up;
static atomic_uint delivered;

static unsigned vector_of(unsigned sender, unsigned letter)
{
    return 32 + sender * 100 + letter * 33;
}

/* Something that comes in the end, or does not because mail was left behind. */
static bool wait_for(atomic_bool *flag, bool value)
{
    time_t start = time(NULL);

    for (unsigned long turns = 1; *flag != value; turns++) {
        if (turns % 4096)
            continue;
        gave_up = gave_up || time(NULL) - start > PATIENCE;
        if (gave_up)
            return false;
        sched_yield(); /* there may be fewer CPUs than threads */
    }
    return true;
}

static void send_letter(unsigned vector)
{
    uint64_t control;

    under_way[vector] = true;
    if (!pid_post(&shared, vector, &control))
        return;
    if (PID_VECTOR(control) == VECTOR_POSTED)
        told_posted = true;
    else
        told_wakeup = true;
}

static void *send_letters(void *number)
{
    unsigned sender = (unsigned)(uintptr_t)number;

    for (unsigned i = 0; i < BURSTS; i++) {
        for (unsigned letter = 0; letter < BURST; letter++)
            send_letter(vector_of(sender, letter));
        for (unsigned letter = 0; letter < BURST; letter++)
            if (!wait_for(&under_way[vector_of(sender, letter)], false))
                return NULL;
    }
    return NULL;
}

static void deliver_letters(void)
{
    uint64_t mail[4];

    pid_collect(&shared, mail);
    for (unsigned i = 0; i < 4; i++) {
        for (; mail[i]; mail[i] &= mail[i] - 1) {
            if (!atomic_exchange(&under_way[i * 64 + (unsigned)__builtin_ctzll(mail[i])], false))
                gave_up = true; /* delivered twice */
            delivered++;
        }
    }
}

/* In guest mode until told, without a CPU for a moment, or waiting. */
static void live(unsigned choice)
{
    if (choice < 4) {
        if (!wait_for(&told_posted, true))
            return;
        told_posted = false;
        deliver_letters();
    } else if (choice < 6) {
        pid_suppress(&shared);
        pid_direct(&shared, VECTOR_POSTED, 0);
        deliver_letters();
    } else {
        pid_direct(&shared, VECTOR_WAKEUP, 0);
        if (!pid_has_mail(&shared) && wait_for(&told_wakeup, true))
            told_wakeup = false;
        pid_direct(&shared, VECTOR_POSTED, 0);
        if (pid_has_mail(&shared))
            deliver_letters();
    }
}

/* With one sender a lost letter stops it; another one's letters would bring the lost one along. */
static void exchange_letters(unsigned senders)
{
    const unsigned letters = senders * BURSTS * BURST;
    pthread_t threads[SENDERS];
    unsigned seed = 32;

    memset(&shared, 0, sizeof(shared));
    told_posted = told_wakeup = false;
    delivered = 0;
    pid_direct(&shared, VECTOR_POSTED, 0);
    for (uintptr_t i = 0; i < senders; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, (void *)i), 0);
    while (delivered < letters && !gave_up)
        live((unsigned)rand_r(&seed) % 8);
    for (unsigned i = 0; i < senders; i++)
        pthread_join(threads[i], NULL);
    assert_false(gave_up);
    assert_int_equal(delivered, letters);
}

static void one_thread_sends(void **state)
{
    (void)state;
    exchange_letters(1);
}

static void two_threads_send(void **state)
{
    (void)state;
    exchange_letters(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        XAPIC(running),
        XAPIC(first_post_tells),
        XAPIC(own_cpu_needs_no_ipi),
        XAPIC(switching_posted),
        XAPIC(scheduled_out),
        XAPIC(announced_before_scheduled_out),
        XAPIC(blocked),
        XAPIC(mail_forbids_waiting),
        XAPIC(switching_posted_while_blocked),
        XAPIC(level_goes_another_way),
        XAPIC(edge_after_level),
        XAPIC(virtual_eoi),
        XAPIC(level_to_a_vcpu_without_cpu),
        XAPIC(published),
        XAPIC(published_by_mode),
        XAPIC(published_by_id),
        XAPIC(init_discards),
        XAPIC(software_disabled),
        XAPIC(held_while_disabled),
        XAPIC(random_operations),
        XAPIC(one_thread_sends),
        XAPIC(two_threads_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
