# SPDX-License-Identifier: BSD-2-Clause
"""What interrupts and timers cost on each rung of what the processor may do for them.

The guests of tests/guests measure it: apic-cost, ipi-cost and timer-lateness, under Skerry and, as the base of all
comparison, in its place. The machine has two CPUs and exact time, so that every instruction is a tick.
"""

import re
from dataclasses import dataclass

from . import bochs, figures, vmhost
from .common import ToolError

# Name of a rung, and what switches off all above it.
RUNGS = {"software": "tpr-shadow=off", "tpr": "apicv=off", "apicv": "posted=off", "posted": "ipiv=off", "all": None}

GUESTS = {  # [vm] section beside kernel and memory
    "apic-cost": "",
    "ipi-cost": "vcpus = 2\n",
    "timer-lateness": "",
}


@dataclass(frozen=True)
class Operation:
    """A row. Aims are for the rungs without, with, and with all of hardware APIC virtualization (None: no aim); KVM's
    cost of the same (Linux 6.1, mitigations off) without it and with it."""

    guest: str
    key: str
    name: str
    aims: tuple = (None, None, None)
    kvm: tuple = (None, None)

    def aim(self, rung):
        if rung == "bare":
            return None
        return self.aims[2 if rung == "all" else 0 if rung in ("software", "tpr") else 1]


OPERATIONS = (
    Operation("apic-cost", "xapic_read", "xAPIC register read", (700, 1, 1), (7112, 1)),
    Operation("apic-cost", "xapic_tpr_write", "xAPIC TPR write", (400, 2, 2), (3846, 2)),
    Operation("apic-cost", "xapic_eoi", "xAPIC EOI"),
    Operation("apic-cost", "xapic_self_ipi", "xAPIC self-IPI, handler, EOI", (900, 19, 19), (9310, 19)),
    Operation("apic-cost", "cr8_write", "MOV to CR8"),
    Operation("apic-cost", "cr8_read", "MOV from CR8"),
    Operation("apic-cost", "x2apic_read", "x2APIC register read"),
    Operation("apic-cost", "x2apic_tpr_write", "x2APIC TPR write"),
    Operation("apic-cost", "x2apic_eoi", "x2APIC EOI"),
    Operation("apic-cost", "x2apic_self_ipi", "x2APIC self-IPI by ICR, handler, EOI", (500, 150, 150), (4054, 1612)),
    Operation("apic-cost", "x2apic_self_ipi_msr", "x2APIC self-IPI by SELF_IPI, same", (500, 21, 21), (4081, 21)),
    Operation("ipi-cost", "xapic_send", "xAPIC IPI, sender's ICR write", (250, 250, 2), (8117, 1336)),
    Operation("ipi-cost", "xapic_to_spinning", "xAPIC IPI, to the remote handler"),
    Operation("ipi-cost", "xapic_ping_pong", "xAPIC IPI ping-pong", (None, 350, 350), (26531, 1363)),
    Operation("ipi-cost", "xapic_to_halted_short", "xAPIC IPI to a vCPU just halted"),
    Operation("ipi-cost", "xapic_to_halted_long", "xAPIC IPI to a vCPU long halted"),
    Operation("ipi-cost", "x2apic_send", "x2APIC IPI, sender's ICR write", (200, 200, 3), (1358, 1437)),
    Operation("ipi-cost", "x2apic_to_spinning", "x2APIC IPI, to the remote handler", (500, 150, 150), (2406, 495)),
    Operation("ipi-cost", "x2apic_ping_pong", "x2APIC IPI ping-pong", (None, 300, 60), (8078, 1502)),
    Operation("ipi-cost", "x2apic_to_halted_short", "x2APIC IPI to a vCPU just halted", (700, 700, 700), (2283, 1758)),
    Operation("ipi-cost", "x2apic_to_halted_long", "x2APIC IPI to a vCPU long halted", (700, 700, 700), (6058, 5667)),
)

# Backends of the guest's timer: what it runs on, rung and setting; None is the bare machine.
BACKENDS = {
    "bare": ("bare", None, None),
    "preemption": ("preemption timer", "all", None),
    "host": ("CPU's own timer", "all", "hv-timer=off"),
    "preemption-software": ("preemption timer, software APIC", "software", None),
    "host-software": ("CPU's own timer, software APIC", "software", "hv-timer=off"),
}
TIMERS = {  # key of the guest: what it is, aim, KVM; both for the preemption timer and the host's
    "spinning": ("deadline lateness, spinning", (70, 200), ("965", "1,941")),
    "halted": ("deadline lateness, in HLT", (400, 400), ("3,085", "")),
    "halted_long": ("... in HLT for 10 ms", (None, None), ("", "")),
    "loop_loss": ("lost to one shot by a loop", (150, 150), ("925", "")),
}

LINE = re.compile(r"^[\w-]+: (\w+) min (\d+) average (\d+) median (\d+) p99 (\d+) max (\d+) of (\d+)$", re.MULTILINE)
HISTOGRAM = re.compile(r"^[\w-]+: histogram (\w+) (\d+) (\d+)$", re.MULTILINE)
FIELDS = ("min", "average", "value", "p99", "max", "of")  # the value of a figure is the median


def parse(text):
    """Each measurement that a guest printed, by its key."""
    found = {key: dict(zip(FIELDS, map(int, numbers))) for key, *numbers in LINE.findall(text)}
    for key, start, count in HISTOGRAM.findall(text):
        found[key].setdefault("histogram", []).append((int(start), int(count)))
    return found


def exact_time():
    """Words for `skerry run` that make every instruction a tick; none where the module does not fit."""
    words = ["--smp=2"]
    return words if vmhost.why_not(bochs.find(), "exact") else [*words, "--cpu-knobs=exact"]


def boot(guest, cpu, rung, settings=()):
    """What the console shows. Rung None: the guest runs in the place of Skerry."""
    name, image = f"{guest}-{rung or 'bare'}", figures.GUESTS / f"{guest}.elf"
    if rung is None:
        words = [f"--kernel={image}", f"--until={guest}: done"]
        text = figures.boot(name, "", {}, cpu, 120, *exact_time(), *words)
    else:
        words = [f"--set={setting}" for setting in (RUNGS[rung], *settings) if setting]
        config = f"[vm test]\nkernel = {guest}.elf\nmemory = 16M\n{GUESTS[guest]}"
        text = figures.boot(name, config, {image.name: image}, cpu, 120, *exact_time(), *words)
    failed = re.search(r"^.*\bFAIL\b.*$", text, re.MULTILINE)
    if failed or f"{guest}: done" not in text:
        raise ToolError(f"{name}: {failed.group(0) if failed else 'it did not come to its end'}")
    return parse(text)


def measured(table, what, *words):
    """What boot() returns, or nothing, and the table knows why."""
    table.progress(what)
    try:
        return boot(*words)
    except ToolError as error:
        table.problem(str(error))
        return {}


def shown(value, aim):
    """A figure in a column; one that misses its aim is marked."""
    if value is None:
        return "-"
    return f"{value:,}" + ("!" if aim is not None and value > aim else " ")


def both(values):
    """Several figures in one column."""
    return " / ".join("-" if value is None else f"{value:,}" for value in values) if any(values) else ""


def rung_rows(table, cpu):
    """The table of operations by rung."""
    columns = ["bare", *RUNGS]
    results = {}
    for rung in columns:
        results[rung] = {}
        for guest in ("apic-cost", "ipi-cost"):
            results[rung] |= measured(table, f"{guest}, {rung}", guest, cpu, None if rung == "bare" else rung)
    table.title("Interrupts: ticks (median) by rung; ! misses the aim")
    print("  " + ", ".join(f"{rung}: {setting}" for rung, setting in RUNGS.items() if setting) + ", all: all on")
    print(f"  {'':37}" + "".join(f"{rung:>9}" for rung in columns) +
          f"  {'aim: without / with / all':27} KVM: without / with")
    for row in OPERATIONS:
        cells = ""
        for rung in columns:
            figure = results[rung].get(row.key)
            cells += f"{shown(figure and figure['value'], row.aim(rung)):>9}"
            if figure:
                table.keep(f"interrupts.{rung}.{row.key}", row.name, figure, aim=row.aim(rung), kvm=row.kvm)
        print(f"  {row.name:37}{cells}  {both(row.aims):27} {both(row.kvm)}".rstrip(), flush=True)


def timer_rows(table, cpu):
    """The table of timers by what they run on."""
    results = {key: measured(table, f"timer-lateness, {key}", "timer-lateness", cpu, rung, (setting,))
               for key, (_, rung, setting) in BACKENDS.items()}
    table.title("Timers: ticks; ! misses the aim")
    print(f"  {'':63}{'min':>9}{'median':>9}{'p99':>9}{'max':>9}{'aim':>9}{'KVM':>9}")
    for key, (name, aims, kvm) in TIMERS.items():
        for backend, (what, rung, setting) in BACKENDS.items():
            figure = results[backend].get(key)
            if not figure:
                continue
            aim = aims[1 if setting else 0] if rung else None
            table.keep(f"timers.{backend}.{key}", f"{name}, {what}", figure, aim=aim)
            cells = "".join(f"{shown(figure[field], aim if field == 'value' else None):>9}"
                            for field in ("min", "value", "p99", "max"))
            print(f"  {name:30} {what:32}{cells}{both((aim,)):>9}{kvm[1 if setting else 0] if rung else '':>9}".rstrip(),
                  flush=True)
    print("  KVM's busy-wait before a deadline is off; with it 199 spinning and 398 in HLT")


def rows(table, cpu):
    """Both tables."""
    reason = vmhost.why_not(bochs.find(), "exact")
    if reason:
        print(f"  time is not exact: {reason}")
    rung_rows(table, cpu)
    timer_rows(table, cpu)
