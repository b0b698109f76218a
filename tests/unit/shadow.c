/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug build's book of active VMCSs: each way to break the rules panics, and none of the right ones. */
#define SKERRY_DEBUG

#include "tests/unit/unit.h"

#include "tests/unit/fake_cpu.h"

#include "tests/unit/fake_panic.h"

#include "vmx/shadow.c"

#include <string.h>

struct cpu *cpus[MAX_CPUS];
unsigned cpu_count = 2;

static struct cpu here;
static char one, two;

void log_info(const char *fmt, ...)
{
    (void)fmt;
}

static void on(unsigned cpu)
{
    this_cpu()->id = cpu;
}

static int set_up(void **state)
{
    (void)state;
    memset(active, 0, sizeof(active));
    fake_this_cpu = &here;
    on(0);
    return 0;
}

static void right(void **state)
{
    (void)state;
    shadow_vmclear(&one); /* before its first use */
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        on(cpu);
        shadow_vmptrld(&one);
        shadow_access();
        shadow_vmclear(&one);
        shadow_vmxoff();
    }
    shadow_vmptrld(&one);
    on(0);
    shadow_vmptrld(&two);
    shadow_vmptrld(&two); /* again what is current */
}

static void wrong(void **state)
{
    (void)state;
    assert_panics(shadow_access());
    shadow_vmptrld(&one);
    assert_panics(shadow_vmptrld(&two));
    assert_panics(shadow_vmxoff());
    on(1);
    assert_panics(shadow_access());
    assert_panics(shadow_vmclear(&one));
    assert_panics(shadow_vmptrld(&one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(right, set_up),
        cmocka_unit_test_setup(wrong, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
