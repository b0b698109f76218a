/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way into a guest: every vector, type, mode and blocking against the SDM's rules of a VM
 * entry, which stand here a second time ("Checks on VM-Entry Control Fields", "Checks on Guest Non-Register
 * State"), and what a processor would have changed itself. vmx/check.c finds each broken rule, and no other.
 */
#include "tests/unit/unit.h"

#define vmcs_read  real_vmcs_read
#define vmcs_write real_vmcs_write
#include "vmx/vmcs.h"
#undef vmcs_read
#undef vmcs_write

static uint64_t fake_vmcs[0x8000];

static inline uint64_t vmcs_read(struct vmcs_field f)
{
    return fake_vmcs[f.encoding];
}

static inline void vmcs_write(struct vmcs_field f, uint64_t value)
{
    fake_vmcs[f.encoding] = value;
}

#include "vmx/check.c"
#undef BLOCKING_STEP
#include "vmx/inject.c"

#include <string.h>

struct vmx_caps vmx_caps;
static unsigned complaints;

const char *vmcs_field_name(struct vmcs_field f UNUSED)
{
    return "";
}

void log_error(const char *fmt UNUSED, ...)
{
    complaints++;
}

unsigned cpu_physical_bits(void)
{
    return 46;
}

void vmx_controls_print(enum control_word word UNUSED, uint64_t value UNUSED)
{
}

/* --- the rules --- */

/* The SDM's table of exceptions: who has an error code, and who is a fault. */
static const struct {
    bool error, fault;
} table[32] = {
    [0] = {.fault = true}, [5] = {.fault = true},  [6] = {.fault = true},  [7] = {.fault = true},
    [8] = {.error = true}, /* an abort */
    [9] = {.fault = true}, [10] = {true, true},    [11] = {true, true},    [12] = {true, true},
    [13] = {true, true},   [14] = {true, true},    [15] = {.fault = true}, [16] = {.fault = true},
    [17] = {true, true},   [19] = {.fault = true}, [20] = {.fault = true}, [21 ... 31] = {.fault = true},
};

static bool control_refused(uint64_t info)
{
    unsigned type = info >> 8 & 7, vector = info & 0xff;
    bool pe = fake_vmcs[FIELD_guest_cr0] & 1, coded = type == 3 && vector < 32 && table[vector].error && pe;
    uint64_t length = fake_vmcs[FIELD_entry_instruction_length];

    if (type == 1 || type == 7 || (info & 0x7ffff000))
        return true;
    if ((type == 2 && vector != 2) || (type == 3 && vector > 31))
        return true;
    if (!(info >> 11 & 1) != !coded)
        return true;
    if (coded && fake_vmcs[FIELD_entry_error_code] >> 16)
        return true;
    return type >= 4 && (length < 1 || length > 15);
}

static bool state_refused(uint64_t info)
{
    uint64_t flags = fake_vmcs[FIELD_guest_rflags], blocking = fake_vmcs[FIELD_guest_interruptibility],
             activity = fake_vmcs[FIELD_guest_activity], pending = fake_vmcs[FIELD_guest_pending_debug];
    bool tf = flags & 0x100, btf = fake_vmcs[FIELD_guest_debugctl] & 2, valid = info >> 31 & 1;
    unsigned type = info >> 8 & 7, vector = info & 0xff;

    if ((blocking & 3) == 3 || ((blocking & 1) && !(flags & 0x200)) || (activity && (blocking & 3)))
        return true;
    if (valid && type == 0 && (!(flags & 0x200) || (blocking & 3)))
        return true;
    if (valid && type == 2 && (blocking & 10))
        return true;
    if (valid && activity == 1 && type != 0 && type != 2 && !(type == 3 && (vector == 1 || vector == 18)))
        return true;
    if (valid && activity == 2 && type != 2 && !(type == 3 && vector == 18))
        return true;
    if (valid && activity == 3)
        return true;
    if (((blocking & 3) || activity == 1) && (pending >> 14 & 1) != (tf && !btf))
        return true;
    return pending & 0xffffffffffffaff0;
}

static bool refused(void)
{
    uint64_t info = fake_vmcs[FIELD_entry_interruption_info];

    return ((info >> 31 & 1) && control_refused(info)) || state_refused(info);
}

static bool found(void)
{
    complaints = 0;
    check_rest(false);
    return complaints;
}

/* --- every event --- */

static void set_state(unsigned n, bool late_step)
{
    static const uint64_t blocked[] = {0, BLOCKING_STI, BLOCKING_MOV_SS, BLOCKING_NMI};

    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    fake_vmcs[FIELD_guest_cr0] = n & 1;
    fake_vmcs[FIELD_guest_rflags] = 2 | (n & 2 ? RFLAGS_TF : 0) | (n & 4 ? RFLAGS_IF : 0);
    fake_vmcs[FIELD_guest_debugctl] = n & 8 ? 2 : 0;
    fake_vmcs[FIELD_guest_interruptibility] = blocked[n >> 4 & 3];
    fake_vmcs[FIELD_guest_pending_debug] = late_step ? PENDING_STEP : 0;
    fake_vmcs[FIELD_vmcs_link_pointer] = UINT64_MAX;
}

#define STATES 64

/* What is only injected when nothing is in its way. */
static bool waits(unsigned type)
{
    uint64_t blocking = fake_vmcs[FIELD_guest_interruptibility], flags = fake_vmcs[FIELD_guest_rflags];

    return ((blocking & BLOCKING_STI) && !(flags & RFLAGS_IF)) ||
           (type == EVENT_EXTERNAL && (!(flags & RFLAGS_IF) || (blocking & 3))) ||
           (type == EVENT_NMI && blocking);
}

static void one_event(uint32_t event, bool again)
{
    unsigned type = EVENT_TYPE(event), vector = EVENT_VECTOR(event);
    uint64_t flags = fake_vmcs[FIELD_guest_rflags], debugctl = fake_vmcs[FIELD_guest_debugctl], info;
    bool coded = type == 3 && table[vector].error && (fake_vmcs[FIELD_guest_cr0] & 1);
    bool resume = type == 3 && table[vector].fault && !again;

    vmx_inject((struct injection){.event = event, .error = 0xabcd1234, .length = 2, .again = again});
    info = fake_vmcs[FIELD_entry_interruption_info];
    assert_false(refused());
    assert_false(found());
    assert_int_equal(info & 0x800007ff, event & 0x800007ff);
    if (coded)
        assert_int_equal(fake_vmcs[FIELD_entry_error_code], 0x1234);
    assert_int_equal(fake_vmcs[FIELD_guest_rflags], flags | (resume ? RFLAGS_RF : 0));
    assert_int_equal(fake_vmcs[FIELD_guest_debugctl], vector == 1 && (type == 3 || type == 5) ? 0 : debugctl);
}

static void every_event(void **unused)
{
    unsigned tried = 0;

    (void)unused;
    for (unsigned n = 0; n < 8 * STATES; n++) {
        bool again = n & STATES, late_step = n & 2 * STATES;
        uint32_t stale = n & 4 * STATES ? EVENT_ERROR_CODE : 0; /* what the caller thinks of a code */

        for (unsigned event = 0; event < 0x700; event++) {
            unsigned type = event >> 8, vector = event & 0xff;

            set_state(n, late_step);
            if (type == 1 || (type == 2 && vector != 2) || (type == 3 && vector > 31) || waits(type))
                continue;
            one_event((uint32_t)EVENT_VALID | (type == 0 ? 0 : stale) | event, again);
            tried++;
        }
    }
    print_message("%u events\n", tried);
}

/* --- the explanation of a failed entry --- */

static uint64_t random_state = 15;

static uint64_t rnd(void)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return random_state >> 33;
}

/* All words of an event, with states that no rule has made: refused and explained, or neither. */
static void every_rule(void **unused)
{
    unsigned bad = 0, rounds = 2000000;

    (void)unused;
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t info = rnd() & 0xfff;

        set_state((unsigned)rnd(), rnd() & 1);
        if (rnd() % 4 == 0)
            info = (info & ~UINT64_C(0xe0)); /* exceptions */
        if (rnd() % 16 == 0)
            info |= BIT(12 + rnd() % 19);
        fake_vmcs[FIELD_entry_interruption_info] = info | (rnd() % 8 ? EVENT_VALID : 0);
        fake_vmcs[FIELD_entry_error_code] = rnd() % 8 ? 2 : BIT(16 + rnd() % 16);
        fake_vmcs[FIELD_entry_instruction_length] = rnd() % 4 ? 1 + rnd() % 15 : rnd() % 18;
        if (rnd() % 4 == 0)
            fake_vmcs[FIELD_guest_activity] = rnd() % 4;
        if (rnd() % 8 == 0)
            fake_vmcs[FIELD_guest_interruptibility] = rnd() % 16;
        if (rnd() % 16 == 0)
            fake_vmcs[FIELD_guest_pending_debug] = BIT(rnd() % 64);
        assert_int_equal(found(), refused());
        bad += refused();
    }
    assert_true(bad > rounds / 4 && bad < rounds * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_event), cmocka_unit_test(every_rule)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
