# SPDX-License-Identifier: BSD-2-Clause
"""Boot what the benchmark needs, and read the figures from what the console showed."""

import re
import subprocess
import sys
from pathlib import Path

from .common import BUILD, REPO, ToolError

BENCH = BUILD / "bench"
DEMO = BUILD / "examples/two-linux"
GUESTS = BUILD / "tests/guests"


def boot(name, config, files, cpu, timeout, *words, trace=False):
    """Boot a configuration, on one CPU unless WORDS, further words for `skerry run`, say otherwise; returns what the
    console showed. Its exits are not recorded unless TRACE says so."""
    BENCH.mkdir(parents=True, exist_ok=True)
    for stored, source in files.items():
        if not Path(source).is_file():
            raise ToolError(f"{source}: not found: expected it from 'make guests' and 'examples/two-linux/prepare'")
        link = BENCH / stored
        link.unlink(missing_ok=True)
        link.symlink_to(Path(source).resolve())
    source, log = BENCH / f"{name}.cfg", BENCH / f"{name}.log"
    source.write_text(config, encoding="ascii")
    command = [sys.executable, str(REPO / "tools/skerry"), "run", str(source), "--host=bochs", f"--cpu={cpu}",
               "--smp=1", "--memory=512M", f"--timeout={timeout}", f"--log={log}",
               f"--set=trace={'on' if trace else 'off'}", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.splitlines() or ["no word"])[-1]
        raise ToolError(f"{name}: {last}; see {log}")
    return log.read_text(encoding="utf-8", errors="replace").replace("\r", "")


def boot_exits(cpu, trace):
    """The guest that measures exits."""
    config = "[vm exits]\nkernel = exits.elf\nmemory = 16M\n"
    return boot("exits", config, {"exits.elf": GUESTS / "exits.elf"}, cpu, 60, trace=trace)


def boot_linux(cpu, kernel, initrd):
    """The kernel of the demo, up to user space and off again."""
    config = "[vm linux]\nkernel = vmlinuz\ninitrd = initrd\nmemory = 128M\n" \
             "cmdline = console=ttyS0 quiet skerry.name=linux\n"
    return boot("linux", config, {"vmlinuz": kernel, "initrd": initrd}, cpu, 300, trace=True)


def find(pattern, text, what):
    """The number that a pattern's group finds."""
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise ToolError(f"the console lacks {what}")
    return int(found.group(1))


def first_entry(text):
    """Ticks from the boot loader's jump to the first guest instruction."""
    return find(r"^skerry: first guest entry (\d+) TSC ticks", text, "'skerry: first guest entry N TSC ticks'")


def vm_costs(text):
    """(VM, MiB of RAM, KiB beside it) of each VM."""
    rows = re.findall(r"^skerry: \[vm (\S+)\] costs (\d+) KiB beside its (\d+) MiB", text, re.MULTILINE)
    if not rows:
        raise ToolError("the console lacks 'skerry: [vm NAME] costs N KiB beside its N MiB'")
    return [(name, int(ram), int(cost)) for name, cost, ram in rows]


def userspace(text, name):
    """The guest's time-stamp counter when its first program ran."""
    return find(rf"^{name}: tsc: (\d+)", text, f"'{name}: tsc: N'")


def exits(text):
    """Ticks of each operation, by the guest's own name for it."""
    rows = re.findall(r"^exits: (\w+) (\d+)$", text, re.MULTILINE)
    if not rows:
        raise ToolError("the console lacks 'exits: NAME N'")
    return {name: int(value) for name, value in rows}
