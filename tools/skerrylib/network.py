# SPDX-License-Identifier: BSD-2-Clause
"""What a frame from one VM to another costs."""

import re

from . import figures
from .common import ToolError

FRAME = re.compile(r"\| wire: (\w+) min \d+ average \d+ median (\d+) ", re.MULTILINE)
KVM_OUT = 3123  # an OUT to user space
ROWS = {  # as tests/guests/wire.c calls them: what it is, aim beside the copy
    "frame_64": ("a frame of 64 bytes, one a kick", 608),
    "frame_64_of_16": ("the same, each of 16 of one kick", 168),
    "frame_1500": ("a frame of 1514 bytes, one a kick", 789),
    "frame_1500_of_16": ("the same, each of 16 of one kick", 349),
}
# One CPU: the clock counts this guest's and the hypervisor's instructions, as nobody else runs meanwhile.
CONFIG = """{network}[vm sender]
kernel = wire.elf
cmdline = {words}
memory = 16M
sched = shared
{card}
[vm receiver]
kernel = wire.elf
memory = 16M
sched = shared
{card}
"""
KINDS = {"link": ("", "link = wire\n"), "switch": ("[net lan]\n", "net = lan\n")}
SAME = ("frame_64", "frame_64_of_16")  # the rows of a switch that has more to look through
ABSENT = "".join(f"[vm absent{n}]\nkernel = wire.elf\ncmdline = absent\nmemory = 16M\nsched = shared\n"
                 + 8 * "net = lan\n" for n in range(3))
SWITCHES = {  # all rows of one with 2 ports are above
    "ports": ("a switch of 32 ports", "send bench", 4, ABSENT),
    "learned": ("4,096 frames of other sources before", "send bench many", 1, ""),
}


def measure(name, config, cpu):
    """{key: ticks} of one configuration."""
    files = {"wire.elf": figures.GUESTS / "wire.elf"}
    found = {key: int(value) for key, value in FRAME.findall(figures.boot(name, config, files, cpu, 400, trace=True))}
    if set(found) != set(ROWS):
        raise ToolError(f"{name}: it did not come to its end")
    return found


def rows(table, cpu):
    """From before the doorbell to behind it: exit, the frames to the receiver's buffers, and entry. Trace on."""
    table.title("Frames from VM to VM, in the sender's exit")
    for kind, (network, card) in KINDS.items():
        found = measure(f"wire-{kind}", CONFIG.format(network=network, card=card, words="send bench"), cpu)
        for key, (what, aim) in ROWS.items():
            table.row(f"wire.{kind}.{key}", f"{kind}: {what}", found[key], "ticks", aim,
                      f"KVM's OUT to user space {KVM_OUT:,}" if key == "frame_64" else "")
    for name, (what, words, cards, others) in SWITCHES.items():
        config = CONFIG.format(network="[net lan]\n", card=cards * "net = lan\n", words=words) + others
        found = measure(f"wire-{name}", config, cpu)
        for key in SAME:
            table.row(f"wire.{name}.{key}", f"{what}: {ROWS[key][0]}", found[key], "ticks", ROWS[key][1], "")
