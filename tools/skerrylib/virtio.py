# SPDX-License-Identifier: BSD-2-Clause
"""What requests to virtio devices cost."""

import re

from . import figures, interrupts
from .common import ToolError

KICK = re.compile(r"^virtio: (\w+) min \d+ average \d+ median (\d+) ", re.MULTILINE)
KVM_OUT = 3123  # an OUT to user space, which any device of its takes at least
ROWS = {  # as tests/guests/virtio.c calls them: what it is, aim
    "kick_nothing": ("a kick by port that finds nothing", None),
    "kick_port": ("a kick by port that finds a request, no data", 250),
    "kick_memory": ("the same by memory", None),
    "read_512": ("512 bytes read from a disk, by port", None),
    "read_4k": ("4 KiB read from a disk, 512 ticks of them copied", 1200),
}
CONFIG = """[vm virtio]
kernel = virtio.elf
cmdline = bench
memory = 16M
disk = disk.img ro
"""


def rows(table, cpu):
    """From before the doorbell to behind it: exit, work and entry."""
    files = {name: figures.GUESTS / name for name in ("virtio.elf", "disk.img")}
    found = dict(KICK.findall(figures.boot("virtio", CONFIG, files, cpu, 60, *interrupts.exact_time())))
    if set(found) != set(ROWS):
        raise ToolError("virtio: it did not come to its end")
    table.title("Requests to virtio devices, trace = off")
    for key, (what, aim) in ROWS.items():
        table.row(f"virtio.{key}", what, int(found[key]), "ticks", aim, f"KVM's OUT to user space {KVM_OUT:,}")
