# SPDX-License-Identifier: BSD-2-Clause
"""What sharing CPUs costs: the work that guests get done, alone and several on a CPU, and what VMCLEAR at each
schedule-out has to do with it."""

import re
from math import prod

from . import bochs, figures, interrupts, vmhost
from .common import BUILD, ToolError

TICKS = 300  # millions that are counted, with all guests there
SETTLE = 20  # millions before and after
GUESTS = 7
SLICE_US = 133  # about 7,500 changes a second and CPU
SECOND = bochs.IPS / 1e6  # millions of ticks
COUNTS = (2, 4, 8, 16, 32, 64)
MAX_VMS = 32
AIM_SWITCH = 600
AIM_SHARE = 2.0
AIM_WORK = 0.97

# The two tables of the comparison: rounds differ in when their guests begin.
ROUNDS = 5
ROUND_TICKS = 100
DELAY = 37  # thousands of ticks, times the round and the place of the guest
EXPERIMENT = BUILD / "vmclear-at-migration/skerry.elf"
LOADS = ("compute", "copy", "ports", "ping")
AIM_DIFFERENCE = 1.0

SHARED = f"sched = shared\nslice = {SLICE_US}us\n"
# A guest says it twice, as the console may tear a line of the one that has the keyboard.
WORK = re.compile(r"^(?:(\w+)\| )?worker: (?:ok (\d+) thousand turns|work (\d+) longest)", re.MULTILINE)
SCORE = re.compile(r"^(?:(\w+)\| )?mixed: (?:ok )?(\w+) (\d+) times$", re.MULTILINE)
LOCKS = re.compile(r"locks: taken (\d+)$", re.MULTILINE)
SWITCHES = re.compile(r" (\d+) switches, ")


def _section(vm, kernel, cmdline, keys=SHARED):
    return f"[vm {vm}]\nkernel = {kernel}.elf\ncmdline = {cmdline}\nmemory = 4M\n{keys}"


def _boot(cpu, name, sections, *words):
    """What the console showed, and how often CPUs changed hands."""
    files = {f"{kernel}.elf": figures.GUESTS / f"{kernel}.elf" for kernel in ("worker", "mixed", "locks")}
    log = figures.boot(name, "".join(sections), files, cpu, 300, *words)
    if "FAIL" in log:
        raise ToolError(f"{name}: a guest failed")
    return log, sum(int(n) for n in SWITCHES.findall(log))


def _workers(cpu, name, count, keys, *words):
    """The work of each of so many, and how often CPUs changed hands meanwhile."""
    cmdline = f"ticks={TICKS} settle={SETTLE}"
    if count > MAX_VMS:  # two vCPUs each
        count, cmdline, keys = count // 2, f"{cmdline} both", f"{keys}vcpus = 2\n"
    log, switches = _boot(cpu, name, [_section(f"w{i}", "worker", cmdline, keys) for i in range(count)], *words)
    work = list({vm: int(done or said) for vm, done, said in WORK.findall(log)}.values())
    if len(work) != count:
        raise ToolError(f"{name}: {len(work)} of {count} guests said what they got done")
    return work, switches * TICKS / (TICKS + 2 * SETTLE)


def _lost(work, alone, switches):
    """Ticks that a change costs."""
    return round((1 - sum(work) / alone) * TICKS * 1e6 / switches)


def _share_rows(table, cpu, alone):
    work, switches = _workers(cpu, "workers", GUESTS, SHARED)
    error = max(abs(part / (sum(work) / GUESTS) - 1) for part in work) * 100
    table.title(f"Sharing: {GUESTS} guests that only compute on one CPU, {switches / TICKS * SECOND:,.0f} changes a second")
    table.row("sharing.work", f"work done, of one dedicated guest's (aim: at least {AIM_WORK})",
              round(sum(work) / alone, 4), "")
    table.row("sharing.switch", "lost to a change, from guest to guest", _lost(work, alone, switches), "ticks", AIM_SWITCH)
    table.row("sharing.error", "largest difference from an equal share", round(error, 3), "percent", AIM_SHARE)


def _two_cpu_rows(table, cpu):
    """The same on each of two, whose vCPUs may move."""
    words = interrupts.exact_time()
    (alone,), _ = _workers(cpu, "worker-2", 1, "", *words)
    work, switches = _workers(cpu, "workers-2", 2 * GUESTS, SHARED, *words)
    error = max(abs(part / (sum(work) / len(work)) - 1) for part in work) * 100
    table.title(f"Sharing: {2 * GUESTS} guests on two CPUs, {switches / TICKS * SECOND:,.0f} changes a second in all")
    table.row("sharing.two.work", f"work done, of two dedicated guests' (aim: at least {AIM_WORK})",
              round(sum(work) / alone / 2, 4), "")
    table.row("sharing.two.error", "largest difference from an equal share", round(error, 3), "percent", AIM_SHARE)


def _count_rows(table, cpu, alone):
    table.title("Sharing: lost to a change by the number of vCPUs on the CPU")
    for count in COUNTS:
        work, switches = _workers(cpu, f"workers-of-{count}", count, SHARED)
        table.row(f"sharing.switch.{count}", f"{count} vCPUs", _lost(work, alone, switches), "ticks", AIM_SWITCH)


def _lock_rows(table, cpu):
    sections = [_section("locks", "locks", "ticks=100", "sched = shared\nvcpus = 4\n"),
                *(_section(f"w{i}", "worker", "ticks=100", "sched = shared\n") for i in range(2))]
    log, _ = _boot(cpu, "locks", sections)
    table.title("Sharing: a ticket lock among four vCPUs, on one CPU with two guests that compute")
    table.row("sharing.locks", "how often it is taken in a second", int(LOCKS.findall(log)[0]), "", None,
              "1,516 if who spins lets anybody run")


# --- VMCLEAR at each schedule-out, or only where a vCPU moves ---

def _mixed(cpu, name, number, kinds, kernel):
    """The score of each kind in one round."""
    sections = [_section(f"m{i}", "mixed", f"{kind} ticks={ROUND_TICKS} settle={SETTLE} delay={DELAY * number * i}",
                         SHARED + ("vcpus = 2\n" if kind == "ping" else ""))
                for i, kind in enumerate(kinds)]
    log, _ = _boot(cpu, f"{name}-{number}", sections, *([f"--kernel={kernel}"] if kernel else []))
    scores = list({vm: (kind, int(score)) for vm, kind, score in SCORE.findall(log)}.values())
    if len(scores) != len(kinds):
        raise ToolError(f"{name}: {len(scores)} of {len(kinds)} guests said what they got done")
    return scores


def _difference(without, with_it):
    return (with_it / without - 1) * 100


def _compare(table, key, columns, rounds):
    """A table of rounds, each without and with VMCLEAR at schedule-out, and the averages."""
    print(f"  {'':18}{'':9}" + "".join(f"{column:>12}" for column in columns), flush=True)
    for number, pair in enumerate([*rounds, [[sum(values) / len(rounds) for values in zip(*(pair[i] for pair in rounds))]
                                             for i in range(2)]]):
        name = "average" if number == len(rounds) else f"round {number + 1}"
        for what, values in zip(("without", "with"), pair):
            print(f"  {name:18}{what:9}" + "".join(f"{value:12,.2f}" for value in values))
            name = ""
    for column, without, with_it in zip(columns, *pair):
        table.row(f"{key}.{column}", f"difference, {column}", round(abs(_difference(without, with_it)), 3), "percent",
                  AIM_DIFFERENCE, "more with it" if with_it > without else "")


def _rounds(cpu, name, kinds, values):
    """For each round, VALUES of the scores without and with VMCLEAR at schedule-out."""
    return [[values(_mixed(cpu, f"{name}-{what}", number, kinds, kernel))
             for what, kernel in (("without", EXPERIMENT), ("with", None))]
            for number in range(ROUNDS)]


def _scores_and_mean(scores):
    row = [dict(scores)[kind] for kind in LOADS]
    return [*row, prod(row) ** (1 / len(row))]


def _vmclear_rows(table, cpu, alone):
    if not EXPERIMENT.is_file():
        table.problem(f"{EXPERIMENT} is not there, expected it from 'make BUILD={EXPERIMENT.parent} "
                      f"EXPERIMENT={EXPERIMENT.parent.name}': no comparison of VMCLEAR at schedule-out")
        return
    table.title("VMCLEAR at each schedule-out, or only where a vCPU moves")
    work, switches = _workers(cpu, "workers-without", GUESTS, SHARED, f"--kernel={EXPERIMENT}")
    table.row("vmclear.switch", "lost to a change without it", _lost(work, alone, switches), "ticks", None,
              "VMCLEAR and VMPTRLD are a tick each")
    table.progress("VMCLEAR, mixed load")
    rounds = _rounds(cpu, "mixed", LOADS, _scores_and_mean)
    table.title("Consolidation: four guests with different loads on one CPU, score without and with VMCLEAR at schedule-out")
    _compare(table, "vmclear.mixed", [*LOADS, "mean"], rounds)
    table.progress("VMCLEAR, overcommit")
    rounds = _rounds(cpu, "overcommit", ["compute"] * GUESTS, lambda scores: [sum(score for _, score in scores)])
    table.title(f"Overcommit {GUESTS}:1: work done, without and with VMCLEAR at schedule-out")
    _compare(table, "vmclear.overcommit", ["work"], rounds)


def rows(table, cpu):
    """Prints and keeps the figures."""
    table.progress("sharing")
    (alone,), _ = _workers(cpu, "worker", 1, "")
    _share_rows(table, cpu, alone)
    table.progress("sharing, by number of guests")
    _count_rows(table, cpu, alone)
    table.progress("sharing, locks")
    _lock_rows(table, cpu)
    if not vmhost.why_not(bochs.find(), "exact"):
        table.progress("sharing, two CPUs")
        _two_cpu_rows(table, cpu)
    _vmclear_rows(table, cpu, alone)
