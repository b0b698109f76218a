/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/monitor/monitor.h"

#include "arch/x86/percpu.h"
#include "arch/x86/string.h"
#include "core/base/console.h"
#include "core/base/format.h"
#include "core/base/latency.h"
#include "core/base/log.h"
#include "core/base/panic.h"
#include "core/life/breakpoint.h"
#include "core/monitor/line_edit.h"
#include "core/monitor/monitor_command.h"
#include "core/vm/vm.h"
#include "dev/pc.h"

#define KEY_MONITOR 0x1c /* Ctrl-\ */
#define PROMPT      "skerry> "
#define KEYS        256

_Static_assert((KEYS & (KEYS - 1)) == 0, "head and tail run on through 2^32");
_Static_assert(sizeof(PROMPT) - 1 + LINE_SIZE - 1 <= CONSOLE_PROMPT, "the longest line is drawn whole");

static const struct config *config;
static struct line_edit line;
static struct console_stream own = {.name = "monitor"};
static struct console_stream *before; /* the stream that had the focus */
static uint8_t keys[KEYS];            /* typed and not yet taken; the boot CPU's, interrupts off */
static unsigned keys_head, keys_tail;
static uint64_t waits_since;  /* the first of them */
static bool open, fresh;      /* fresh: no key has been typed since */
static void (*watched)(void); /* shown each second; NULL: nothing */
static uint64_t next_look;    /* TSC */

bool monitor_is_open(void)
{
    return open;
}

static struct vm *focused_vm(void)
{
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (vm_lives(vm) && &vm->console == console_focused())
            return vm;
    }
    return NULL;
}

static void draw(void)
{
    char text[CONSOLE_PROMPT + 1];

    format(text, sizeof(text), PROMPT "%s", line.text);
    console_set_prompt(text, sizeof(PROMPT) - 1 + line.cursor);
}

static void open_monitor(void)
{
    open = fresh = true;
    before = console_focused();
    console_focus(&own);
    console_set_prefixes(true);
    print("Skerry's monitor; 'help' lists the commands, Ctrl-\\ leaves\n");
    draw();
}

void monitor_close(struct vm *focus)
{
    struct vm *any = NULL;

    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (vm_lives(vm) && !any)
            any = vm;
        if (vm_lives(vm) && !focus && &vm->console == before)
            focus = vm;
    }
    focus = focus ? focus : any;
    open = false;
    console_set_prompt("", 0);
    console_set_prefixes(vm_count > 1);
    console_focus(focus ? &focus->console : NULL);
    if (focus)
        log_info("console: %s", focus->config->name);
}

/* Between two runs of a vCPU. */
static void ask_for_work(void)
{
    struct cpu *cpu = this_cpu();

    cpu->work = true;
    if (cpu->vcpu)
        vcpu_note(cpu->vcpu, ASKED_LEAVE);
}

/* --- what is shown again and again --- */

void monitor_watch(void (*show)(void))
{
    ASSERT(show);
    watched = show;
    next_look = rdtsc();
}

static void stop_watching(void)
{
    watched = NULL;
    console_set_alarm(0, NULL);
}

static void look_again(void)
{
    if (!watched || rdtsc() < next_look)
        return;
    watched();
    next_look = rdtsc() + machine.tsc_hz;
    console_set_alarm(next_look, ask_for_work);
}

/* --- keys --- */

static void on_key(uint8_t byte)
{
    struct vm *vm;

    if (!open && byte != KEY_MONITOR) {
        vm = keys_head == keys_tail ? focused_vm() : NULL;
        if (vm) {
            pc_input(vm, byte);
            return;
        }
    }
    if (keys_head == keys_tail)
        waits_since = rdtsc();
    if (keys_head - keys_tail < KEYS)
        keys[keys_head++ % KEYS] = byte;
    ask_for_work();
}

void monitor_setup(const struct config *c)
{
    ASSERT(c);
    config = c;
    console_set_input(on_key);
}

/* The first candidate's beginning as far as all have it; all of them, if that adds nothing. */
static void complete(void)
{
    const char *other = monitor_candidate(config, line.text, line.cursor, 0);
    unsigned start = line.cursor, common, typed;
    char first[LINE_SIZE];

    while (start > 0 && line.text[start - 1] != ' ')
        start--;
    typed = line.cursor - start;
    if (!other)
        return;
    format(first, sizeof(first), "%s", other);
    common = (unsigned)strlen(first);
    for (unsigned n = 1; (other = monitor_candidate(config, line.text, line.cursor, n)); n++) {
        while (strncmp(first, other, common))
            common--;
    }
    if (common > typed)
        line_insert(&line, first + typed, common - typed);
    if (!monitor_candidate(config, line.text, line.cursor, 1)) {
        line_insert(&line, " ", 1);
        return;
    }
    for (unsigned n = 0; common == typed && (other = monitor_candidate(config, line.text, line.cursor, n));
         n++)
        print("  %s\n", other);
}

static void run_line(void)
{
    char text[LINE_SIZE];

    memcpy(text, line.text, sizeof(text));
    line_clear(&line);
    console_set_prompt("", 0);
    print(PROMPT "%s\n", text);
    monitor_run(config, text);
}

/* pass: the key that opened it was meant for the guest. */
static void leave(bool pass)
{
    struct vm *vm;

    monitor_close(NULL);
    vm = pass ? focused_vm() : NULL;
    if (vm)
        pc_input(vm, KEY_MONITOR);
}

/* True: a command has run. */
static bool take_key(uint8_t byte)
{
    if (!open) {
        if (byte == KEY_MONITOR)
            open_monitor();
        return false;
    }
    if (watched) {
        stop_watching();
        return false;
    }
    if (byte == KEY_MONITOR) {
        leave(fresh);
        return false;
    }
    fresh = false;
    switch (line_key(&line, byte)) {
    case LINE_DONE: run_line(); return true;
    case LINE_COMPLETE: complete(); return false;
    default: return false;
    }
}

/* A VM has stopped at a breakpoint. */
static void show_stop(struct vm *vm)
{
    if (!open)
        open_monitor();
    monitor_show_stop(vm);
}

void monitor_work(void)
{
    bool ran = false;

    console_set_waiting(true);
    /* Before the look at what others have left: they do it first, and then set the flag
     * (core/life/breakpoint.c).
     */
    __atomic_store_n(&this_cpu()->work, false, __ATOMIC_SEQ_CST);
    for (struct vm *vm; (vm = vm_next_stop());)
        show_stop(vm);
    if (keys_head != keys_tail)
        latency_note(LATENCY_KEY, waits_since);
    while (keys_head != keys_tail && !ran)
        ran = take_key(keys[keys_tail++ % KEYS]);
    look_again();
    if (open && !watched)
        draw();
    waits_since = rdtsc();
    if (keys_head != keys_tail)
        this_cpu()->work = true;
    console_set_waiting(false);
}
