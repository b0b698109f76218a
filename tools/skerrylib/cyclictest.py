# SPDX-License-Identifier: BSD-2-Clause
"""cyclictest in a Linux guest: how late a thread wakes up, in microseconds of the emulated clock of 100 MHz."""

import re
import subprocess
from dataclasses import dataclass

from . import bare, figures
from .common import BUILD, REPO, ToolError

INITRD = BUILD / "cyclictest/initramfs.cpio.gz"
# The interval has no part in common with the guest's tick of 4 ms: wake-ups fall on all of its phases.
WORDS = "cyclictest=-q,-m,-p,90,-i,997,-l,2000,-h,400"
END = "cyclictest: end"
# The bare kernel would believe the model's name, which says 3.5 GHz.
BARE_CLOCK = "tsc_early_khz=100000 tsc=reliable"

RUNS = {  # key: what it is, further words for the kernel, and the setting that makes the difference; None: bare
    "poll.bare": ("bare, waits in a loop", "idle=poll", None),
    "poll.on": ("preemption timer, guest waits in a loop", "idle=poll", "hv-timer=on"),
    "poll.off": ("CPU's own timer, guest waits in a loop", "idle=poll", "hv-timer=off"),
    "halt.bare": ("bare, waits in HLT", "", None),
    "halt.on": ("preemption timer, guest waits in HLT", "", "hv-timer=on"),
    "halt.off": ("CPU's own timer, guest waits in HLT", "", "hv-timer=off"),
}

# As KVM's authors published it with the preemption timer: guest with idle=poll on a Xeon E5-2699 v3, 600,000 rounds.
PUBLISHED = (("with the preemption timer", 4, 6), ("without", 5, 8))


@dataclass(frozen=True)
class Result:
    """Rounds by microseconds late, and cyclictest's own sums."""

    histogram: tuple
    least: int
    average: int
    most: int

    def percentile(self, percent):
        """The least lateness that so many percent of the rounds do not exceed."""
        seen, total = 0, sum(count for _, count in self.histogram)
        for late, count in self.histogram:
            seen += count
            if seen * 100 >= total * percent:
                return late
        return self.most


def parse(text):
    """A Result from what the console showed."""
    rows = re.findall(r"^cyclictest\| (\d{6}) (\d{6})$", text, re.MULTILINE)
    sums = [re.search(rf"^cyclictest\| # {name} Latencies: (\d+)$", text, re.MULTILINE) for name in ("Min", "Avg", "Max")]
    if not all(sums) or "cyclictest: status 0" not in text:
        raise ToolError("cyclictest did not come to its end")
    return Result(tuple((int(late), int(count)) for late, count in rows if int(count)),
                  *(int(found.group(1)) for found in sums))


def boot(key, cpu, kernel):
    """One of RUNS."""
    _, words, setting = RUNS[key]
    cmdline = f"console=ttyS0 quiet {words} {WORDS}"
    if setting is None:
        return parse(bare.boot(kernel, INITRD, f"{cmdline} {BARE_CLOCK}", END, cpu))
    config = f"[vm cyclictest]\nkernel = vmlinuz\ninitrd = initrd\nmemory = 128M\ncmdline = {cmdline}\n"
    return parse(figures.boot(f"cyclictest-{key}", config, {"vmlinuz": kernel, "initrd": INITRD}, cpu, 300,
                              f"--set={setting}"))


def row(name, least, median, average, p99, most):
    print(f"  {name:46}{least:>8}{median:>8}{average:>8}{p99:>8}{most:>8}", flush=True)


def rows(table, cpu, kernel):
    """The table of all runs."""
    fetched = subprocess.run([str(REPO / "tests/linux/cyclictest/fetch")], check=False)
    if fetched.returncode:
        table.problem("cyclictest is not there")
        return
    results = {}
    for key in RUNS:
        table.progress(f"cyclictest, {key}")
        try:
            results[key] = boot(key, cpu, kernel)
        except ToolError as error:
            table.problem(f"cyclictest, {key}: {error}")
    table.title("cyclictest in Linux, 1 CPU, 2000 rounds of 997 us: microseconds late, at 100 instructions each")
    row("", "min", "median", "average", "p99", "max")
    for key, result in results.items():
        name = RUNS[key][0]
        median, p99 = result.percentile(50), result.percentile(99)
        row(name, result.least, median, result.average, p99, result.most)
        table.keep(f"cyclictest.{key}", name, {
            "unit": "us", "min": result.least, "value": result.average, "median": median, "p99": p99, "max": result.most,
            "histogram": result.histogram})
    print("  Published by KVM's authors, for silicon and so not comparable: " +
          "; ".join(f"{name} min {least}, average {average}" for name, least, average in PUBLISHED))
