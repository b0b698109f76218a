# SPDX-License-Identifier: BSD-2-Clause
"""What guests that were written to hurt take from others: a VM of equal weight on the same CPU, and one that has a CPU
and a tick of 1 kHz to itself."""

from . import figures, interrupts

MS = 300
AIM_STANDSTILL = 2000
SHARED = "sched = shared\ncpus = 0\n"
# What it is, kernel, command line, further keys, and the share that the other one has a right to.
ATTACKERS = (
    ("a timer that ends each entry", "storm", "", "", 50),
    ("#AC in the delivery of #AC", "ac-loop", "", "", 50),
    ("#DB in the delivery of #DB", "attack", "db", "", 50),
    ("locks across cache lines", "attack", "locks", "", 50),
    ("IPIs without end, 2 vCPUs", "attack", "ipis", "vcpus = 2\n", 33),
    ("exits and nothing else", "attack", "exits", "", 50),
    ("writes of CR0", "attack", "cr0", "", 50),
    ("writes of MSRs", "attack", "msrs", "", 50),
    ("output without end", "words", "line=1000", "", 50),
    ("crashes", "crasher", "", "on-crash = restart\n", 50),
    ("resets, 16 MiB", "crasher", "reset", "", 50),
    ("naps of 15 us", "nap", "ticks=1500", "", 50),
)


def _measure(cpu, number, attacker):
    """Percent of the CPU, and the longest stand-still of the dedicated VM."""
    _, kernel, cmdline, keys, _ = attacker
    config = f"[host]\nfocus = equal\n[vm bad]\nkernel = {kernel}.elf\ncmdline = {cmdline}\nmemory = 16M\n{SHARED}{keys}" \
             f"[vm equal]\nkernel = share.elf\ncmdline = ms={MS + 100} least=1\nmemory = 16M\n{SHARED}" \
             f"[vm alone]\nkernel = gap.elf\ncmdline = ms={MS} hz=1000\nmemory = 16M\ncpus = 1\n"
    files = {f"{name}.elf": figures.GUESTS / f"{name}.elf" for name in (kernel, "share", "gap")}
    log = figures.boot(f"isolation-{number}", config, files, cpu, 120, "--until=share: done", *interrupts.exact_time(),
                       trace=True)
    return (figures.find(r"share: ok (\d+) percent", log, "'share: ok N percent'"),
            figures.find(r"longest stand-still (\d+) ticks", log, "'longest stand-still N ticks'"))


def rows(table, cpu):
    """For each attacker: what is left of the CPU that it shares, and how long a CPU beside it stands still."""
    table.title("Beside guests that were written to hurt: share of the CPU, stand-still of a dedicated CPU with a tick")
    for number, attacker in enumerate(ATTACKERS):
        name, kernel, cmdline, _, right = attacker
        table.progress(f"beside {name}")
        share, standstill = _measure(cpu, number, attacker)
        key = f"isolation.{'-'.join([kernel, *cmdline.split('=')[0].split()])}"
        table.row(f"{key}.share", f"share beside {name}", share, "percent", None, f"of {right}; aim: at least {right - 2}")
        table.row(f"{key}.standstill", "  stand-still of the dedicated one", standstill, "ticks", AIM_STANDSTILL)
