# SPDX-License-Identifier: BSD-2-Clause
"""How long a frame takes from VM to VM, alone and beside a neighbour's storm."""

import re

from . import figures, interrupts
from .common import ToolError

LINE = re.compile(r"\| delay: frame_64 p50 (\d+) p99 (\d+) p999 (\d+) max (\d+) of (\d+)$", re.MULTILINE)
SHARES = ("p50", "p99", "p99.9", "max")
SWITCHES = {"exit": ("", "the switch in the sender's exit"), "cpu": ("cpus = 3\n", "the switch on a CPU of its own")}
NEIGHBOURS = {"quiet": ("absent", "quiet"), "storm": ("storm", "beside a storm")}
# The neighbour sends bursts of 16 frames of 1514 bytes from one of its cards to the other, without end; the one that
# is timed does so, too, a frame at a time, so that one CPU's clock tells all. CPU 0 has no guest.
CONFIG = """[net lan]
{switch}[vm victim]
kernel = delay.elf
memory = 16M
cpus = 1
net = lan
net = lan
on-exit = poweroff
[vm neighbour]
kernel = delay.elf
cmdline = {neighbour}
memory = 16M
cpus = 2
net = lan
net = lan
"""


def measure(name, config, cpu):
    """The four figures of one configuration."""
    text = figures.boot(name, config, {"delay.elf": figures.GUESTS / "delay.elf"}, cpu, 400,
                        *interrupts.exact_time(), "--smp=4")
    found = LINE.search(text)
    if not found or "FAIL" in text:
        raise ToolError(f"{name}: it did not come to its end")
    return [int(value) for value in found.groups()[:4]]


def rows(table, cpu):
    """From before the doorbell until the frame is seen in the receiver's ring, in ticks of the sender's CPU."""
    table.title("A frame of 64 bytes from card to card, on four CPUs")
    for switch, (setting, where) in SWITCHES.items():
        for neighbour, (word, what) in NEIGHBOURS.items():
            config = CONFIG.format(switch=setting, neighbour=word)
            for share, value in zip(SHARES, measure(f"delay-{switch}-{neighbour}", config, cpu)):
                table.row(f"delay.{switch}.{neighbour}.{share}", f"{where}, {what}: {share}", value, "ticks")
