# SPDX-License-Identifier: BSD-2-Clause
"""What the paravirtual interface saves: switches of address spaces with CR3 targets, and the ticks of an idle guest."""

import re

from . import figures, interrupts
from .common import ToolError
from .sharing import TICKS, WORK

SWITCH = re.compile(r"^cr3-switch: (two_tasks|eight_tasks) min \d+ average \d+ median (\d+) ", re.MULTILINE)
EXITS = re.compile(r"^cr3-switch: (two_tasks|eight_tasks) exits (\d+) of (\d+) switches", re.MULTILINE)
TASKS = {"two_tasks": 2, "eight_tasks": 8}
SPACES = {  # as the seed of 2007 had it: what it is, and the settings; None is the bare machine
    "bare": ("bare", None),
    "exits": ("CR3 loads exit", "cr3-exits = on\n"),
    "targets": ("CR3 loads exit but for 4 registered ones", "cr3-exits = on\ncmdline = targets\n"),
    "ept": ("second-level tables, no CR3 exits", ""),
}
AIM_TARGETS = 1.05  # of bare

IDLE_HZ = 1000
IDLE = {  # what ends its interrupts
    "exit": ("EOI exits", "apicv = off\n", ""),
    "word": ("EOI by KVM's word in memory", "apicv = off\n", " eoi"),
    "processor": ("EOI by the processor", "", ""),
}


def _switch(cpu, name, settings):
    """Ticks of a round and exits of a switch, by the number of tasks."""
    image = figures.GUESTS / "cr3-switch.elf"
    words = interrupts.exact_time()
    if settings is None:
        text = figures.boot(f"cr3-{name}", "", {}, cpu, 60, *words, f"--kernel={image}", "--until=cr3-switch: done")
    else:
        config = f"[vm test]\nkernel = cr3-switch.elf\nmemory = 16M\n{settings}"
        text = figures.boot(f"cr3-{name}", config, {image.name: image}, cpu, 60, *words)
    ticks = {key: int(median) for key, median in SWITCH.findall(text)}
    exits = {key: int(count) / int(switches) for key, count, switches in EXITS.findall(text)}
    if "FAIL" in text or not ticks or set(ticks) != set(exits):
        raise ToolError(f"cr3-{name}: it did not come to its end")
    return {key: (ticks[key], exits[key]) for key in ticks}


def _switch_rows(table, cpu):
    table.title("Switch of address spaces: a round of two tasks and of eight, by guest TSC")
    bare = 0
    for key, (what, settings) in SPACES.items():
        found = _switch(cpu, key, settings)
        bare = bare or found["two_tasks"][0]
        for tasks, (ticks, exits) in found.items():
            aim = int(bare * AIM_TARGETS) if (key, tasks) == ("targets", "two_tasks") else None
            table.row(f"cr3.{key}.{tasks}", f"{TASKS[tasks]} tasks, {what}", ticks, "ticks", aim,
                      f"{exits:.2f} exits a switch" if settings is not None else "")


def _worked(cpu, name, *others):
    """The work of a guest that computes, beside OTHERS."""
    worker = f"[vm w]\nkernel = worker.elf\ncmdline = ticks={TICKS}\nmemory = 4M\nsched = shared\n"
    files = {f"{kernel}.elf": figures.GUESTS / f"{kernel}.elf" for kernel in ("worker", "neighbour")}
    log = figures.boot(name, worker + "".join(others), files, cpu, 120)
    found = WORK.findall(log)
    if "FAIL" in log or not found:
        raise ToolError(f"{name}: a guest failed")
    return int(found[-1][1] or found[-1][2])


def _idle_rows(table, cpu):
    table.title(f"An idle guest with {IDLE_HZ} timer ticks a second: what each takes from a guest that computes beside it")
    alone = _worked(cpu, "idle-none")
    ticks = TICKS * IDLE_HZ // 100 + IDLE_HZ
    for key, (what, settings, word) in IDLE.items():
        idle = f"[vm idle]\nkernel = neighbour.elf\ncmdline = ticks={ticks}{word}\nmemory = 4M\nsched = shared\n{settings}"
        lost = 1 - _worked(cpu, f"idle-{key}", idle) / alone
        table.row(f"idle.{key}", what, round(lost * TICKS * 1e6 / (TICKS * IDLE_HZ / 100)), "ticks", None,
                  f"{lost * 100:.2f} % of the CPU")


def rows(table, cpu):
    """Both tables."""
    table.progress("address spaces")
    _switch_rows(table, cpu)
    table.progress("idle guests")
    _idle_rows(table, cpu)
