/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's life (sched/vm_run.c, core/life/life.c) with nothing around it: what is called there counts. */
#pragma once

#include "tests/unit/unit.h"

#define cpu_pause real_cpu_pause
#include "tests/unit/fake_cpu.h"
#undef cpu_pause
static void cpu_pause(void);

#include "core/life/life.c"
#include "sched/vm_run.c"

#include <string.h>

#define VCPUS 2
#define HZ    1000000000u

struct machine machine = {.tsc_hz = HZ};
struct cpu *cpus[MAX_CPUS];
unsigned cpu_count = 1;
struct vm *vms[CONFIG_MAX_VMS];
unsigned vm_count;
static struct cpu boot_cpu;

static struct vm_config configs[2];
static struct vm worlds[2];
static struct vcpu vcpus[2][VCPUS];
static struct vm *const vm = &worlds[0];

/* --- what is around: it counts --- */

static bool in[VCPUS]; /* this vCPU of the first VM runs */
static unsigned loads, starts;
static int
    ends_while_leaving; /* a vCPU that is asked to leave ends the VM first, like this; 0: it does not */
static int step_does;   /* STEP_*: what the instruction that is stepped does */
static bool stuck;      /* vCPUs do not leave */
static const char *(*while_loading)(struct vm *of); /* the operator's wish */

enum { STEP_NOTHING, STEP_BREAKS, STEP_ENDS /* + enum vm_end */ };

static void leave_guest(unsigned i)
{
    in[i] = false;
    vm_end_run(vm);
}

static unsigned noted[LATENCIES];

void latency_note(enum latency kind, uint64_t since)
{
    assert_in_range(since, 1, fake_tsc);
    noted[kind]++;
}

/* The operator waits: a vCPU leaves. */
static void cpu_pause(void)
{
    fake_tsc += HZ / 10;
    for (unsigned i = 0; i < VCPUS && !stuck; i++) {
        if (!in[i])
            continue;
        if (ends_while_leaving)
            vm_request_end(vm, (enum vm_end)ends_while_leaving, "ends");
        leave_guest(i);
        return;
    }
}

struct vm *vm_next(const struct vm *after)
{
    for (unsigned i = after ? after->id + 1 : 0; i < CONFIG_MAX_VMS; i++) {
        if (vms[i])
            return vms[i];
    }
    return NULL;
}

bool vm_load(struct vm *of)
{
    of->fresh = true;
    loads++;
    if (while_loading)
        assert_null(while_loading(of));
    return true;
}

void sched_start(struct vm *of UNUSED)
{
    starts++;
}

static bool comes_late;  /* vCPU 0 does not come at once when it is called */
static struct vm *calls; /* it has not come yet */

static void vcpu_0_comes(void)
{
    struct vm *of = calls;

    calls = NULL;
    assert_non_null(of);
    assert_true(vm_calls(of->vcpus[0]));
    assert_false(vm_calls(of->vcpus[1]));
    assert_false(vm_begin_run(of));
    vm_end_run(of);
}

void sched_call(struct vm *of)
{
    calls = of;
    if (!comes_late)
        vcpu_0_comes();
}

bool sched_begin_load(struct vm *of UNUSED)
{
    return true;
}

struct vm *sched_next_load(void)
{
    return NULL;
}

void sched_lend(void)
{
}

void load_set_between(void (*look_around)(void) UNUSED)
{
}

void sched_stop(struct vm *of)
{
    assert_int_equal(vm_state(of).phase, VM_LOADING);
}

bool sched_holds(const struct vm *of UNUSED)
{
    return false;
}

static const char *step(struct vcpu *v)
{
    assert_int_equal(vm_state(vm).phase, VM_STEPS);
    assert_int_equal(vm_state(vm).running, 1);
    if (step_does == STEP_BREAKS)
        assert_true(vm_break(v, "int3"));
    if (step_does >= STEP_ENDS)
        vm_request_end(vm, (enum vm_end)(step_does - STEP_ENDS), "ends");
    return NULL;
}

static uint64_t shifted;

static void shift(struct vm *of UNUSED, uint64_t ticks)
{
    shifted += ticks;
}

struct backend backend = {.vm_shift_time = shift, .step = step};

void vcpu_ask(struct vcpu *v UNUSED, uint32_t asked UNUSED)
{
}
void cpu_kick(const struct cpu *cpu UNUSED)
{
}
void log_info(const char *fmt UNUSED, ...)
{
}
void log_error(const char *fmt UNUSED, ...)
{
}
void panic(const char *fmt, ...)
{
    fail_msg("panic: %s", fmt);
    abort();
}
int vformat(char *out, size_t size UNUSED, const char *fmt UNUSED, va_list args UNUSED)
{
    *out = 0;
    return 0;
}
void trace_note(enum trace_kind kind UNUSED, unsigned reason UNUSED, uint32_t who UNUSED)
{
}
void blackbox_note_crash(unsigned id UNUSED)
{
}
void trace_show_vm(unsigned id UNUSED, unsigned n UNUSED)
{
}
void report_end(const struct vm *of UNUSED)
{
}
bool vm_audit(const struct vm *of UNUSED)
{
    return true;
}
bool vm_account_is_as_built(const struct vm *of UNUSED)
{
    return true;
}
void console_guest_end(struct console_stream *stream UNUSED)
{
}
void console_focus(struct console_stream *stream UNUSED)
{
}
struct console_stream *console_focused(void)
{
    return NULL;
}
void memory_release(struct account *account UNUSED)
{
}
void vm_rest_parts(struct vm *of UNUSED)
{
}
void vm_destroy_parts(struct vm *of UNUSED)
{
}
void vm_set_parts(const struct vm_part *parts UNUSED, unsigned count UNUSED)
{
}
struct vm *vm_build(const struct vm_config *config UNUSED, unsigned id UNUSED)
{
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(worlds, 0, sizeof(worlds));
    memset(configs, 0, sizeof(configs));
    memset(vms, 0, sizeof(vms));
    memset(in, 0, sizeof(in));
    memset(&boot_cpu, 0, sizeof(boot_cpu));
    fake_this_cpu = cpus[0] = &boot_cpu;
    fake_tsc = HZ;
    loads = starts = 0;
    memset(noted, 0, sizeof(noted));
    shifted = 0;
    ends_while_leaving = step_does = 0;
    stuck = power_off_asked = comes_late = false;
    calls = NULL;
    while_loading = NULL;
    for (unsigned n = 0; n < 2; n++) {
        worlds[n].config = &configs[n];
        worlds[n].id = n;
        worlds[n].fresh = true;
        worlds[n].vcpu_count = VCPUS;
        for (unsigned i = 0; i < VCPUS; i++) {
            vcpus[n][i] = (struct vcpu){.vm = &worlds[n], .id = i};
            worlds[n].vcpus[i] = &vcpus[n][i];
        }
        vms[n] = n == 0 ? &worlds[n] : NULL;
    }
    life_setup(NULL, 0);
    return 0;
}
