/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulation would notice: each variant of sched/fair.c or sched/sched.c with a mistake in it
 * (tests/unit/sched_variant) must break the rule that forbids it.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct {
    const char *mutant, *rule;
} found[] = {
    {"weightless", "fairness"},
    {"hoarder", "starvation"},
    {"no-credit", "wake in turns"},
    {"jerky", "wakes among many"},
    {"restless", "calm"},
    {"patient", "wakes at once"},
    {"silent", "kick"},
    {"endless", "starvation"},
    {"no-sift", "heap"},
    {"no-wrap", "heap"},
    {"jump", "short naps"},
    {"fresh-start", "guarantee"},
    {"foreign-clock", "starvation"},
    {"thief", "affinity"},
    {"no-yield", "spinners give way"},
    {"patron", "starvation"},
    {"deaf", "kick"},
    {"no-alarm", "wake"},
    {"no-end", "kick"},
    {"sleepy", "wake"},
    {"no-post", "wake"},
    {"lonely", "idle"},
    {"no-watch", "idle"},
    {"crossed", "locks"},
    {"burglar", "affinity"},
    {"no-balance", "balance"},
};

static char output[1 << 16];

/* Runs a simulation of a tenth of the length; its status. */
static int run(const char *path)
{
    char command[300];
    size_t size;
    FILE *pipe;

    snprintf(command, sizeof(command), "timeout 100 %s 10 2>&1", path);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    size = fread(output, 1, sizeof(output) - 1, pipe);
    output[size] = 0;
    return WEXITSTATUS(pclose(pipe));
}

static void is_found(void **state)
{
    unsigned i = (unsigned)(uintptr_t)*state;
    char path[200], broken[100];

    snprintf(path, sizeof(path), BUILD "/unit/sched_mutant/%s", found[i].mutant);
    snprintf(broken, sizeof(broken), "broken: %s: ", found[i].rule);
    assert_int_not_equal(run(path), 0);
    if (!strstr(output, broken))
        fail_msg("%s: '%s' is not in:\n%s", found[i].mutant, broken, output);
}

static void none_without_mistake(void **state)
{
    (void)state;
    if (run(BUILD "/unit/sched_sim") != 0 || strstr(output, "broken"))
        fail_msg("%s", output);
}

/* The table above is what unit.mk builds. */
static void all_are_listed(void **state)
{
    char names[600] = "";

    (void)state;
    for (unsigned i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "", found[i].mutant);
    assert_string_equal(names, MUTANTS);
}

int main(void)
{
    struct CMUnitTest tests[2 + sizeof(found) / sizeof(found[0])] = {
        cmocka_unit_test(none_without_mistake),
        cmocka_unit_test(all_are_listed),
    };

    for (uintptr_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        tests[2 + i] = (struct CMUnitTest){found[i].mutant, is_found, NULL, NULL, (void *)i};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
