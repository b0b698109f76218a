# SPDX-License-Identifier: BSD-2-Clause
"""What sharing a CPU costs: the work that guests get done who only compute, alone and seven on one CPU."""

import re

from . import figures
from .common import ToolError

TICKS = 300  # millions
GUESTS = 7
SLICE_US = 133  # about 7,500 changes a second and CPU
AIM_SWITCH = 600
AIM_SHARE = 2.0

WORK = re.compile(r"worker: work (\d+) longest (\d+)$", re.MULTILINE)
SWITCHES = re.compile(r" (\d+) switches, ")


def _boot(cpu, name, sections):
    text = "".join(f"[vm {vm}]\nkernel = worker.elf\ncmdline = ticks={TICKS}\nmemory = 4M\n{keys}"
                   for vm, keys in sections)
    log = figures.boot(name, text, {"worker.elf": figures.GUESTS / "worker.elf"}, cpu, 120)
    work = [int(done) for done, _ in WORK.findall(log)]
    if len(work) != len(sections):
        raise ToolError(f"{name}: {len(work)} of {len(sections)} guests said what they got done")
    return work, sum(int(n) for n in SWITCHES.findall(log))


def rows(table, cpu):
    """Prints and keeps the figures."""
    table.progress("sharing")
    (alone,), _ = _boot(cpu, "worker", [("w", "")])
    shared = f"sched = shared\nslice = {SLICE_US}us\n"
    work, switches = _boot(cpu, "workers", [(f"w{i}", shared) for i in range(GUESTS)])
    ratio = sum(work) / alone
    error = max(abs(part / (sum(work) / GUESTS) - 1) for part in work) * 100
    table.title(f"Sharing: {GUESTS} guests that only compute on one CPU, {switches / (TICKS / 100):,.0f} changes a second")
    table.row("sharing.work", "work done, of one dedicated guest's (aim: at least 0.97)", round(ratio, 4), "")
    table.row("sharing.switch", "lost to a change, from guest to guest", int((1 - ratio) * TICKS * 1e6 / switches),
              "ticks", AIM_SWITCH)
    table.row("sharing.error", "largest difference from an equal share", round(error, 3), "percent", AIM_SHARE)
