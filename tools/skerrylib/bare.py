# SPDX-License-Identifier: BSD-2-Clause
"""Measure the reference: a kernel's way to user space on the same emulated machine without a hypervisor.

A guest's time-stamp counter starts with the guest, that of a bare machine with its firmware. So the
kernel gets a few instructions in front that print the counter where GRUB hands over.
"""

import re
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import bochs, image
from .common import BUILD, REPO, ToolError

CMDLINE = "console=ttyS0 quiet skerry.name=bare"
REACHED = "bare: userspace reached"

GRUB_CONFIG = """set timeout=0
menuentry 'bare' {{
    linux /vmlinuz {cmdline}
    initrd /initrd
}}
"""


@dataclass(frozen=True)
class Boot:
    """Ticks of the time-stamp counter, which in Bochs are instructions."""

    entry: int
    userspace: int

    @property
    def ticks(self):
        """From the kernel's first instruction to the first program in user space."""
        return self.userspace - self.entry


def with_entry_mark(kernel):
    """A bzImage that says when it is entered."""
    if kernel[0x202:0x206] != b"HdrS":
        raise ToolError("bare boot: expected a Linux bzImage")
    entry = (kernel[0x1F1] + 1) * 512
    low, high = struct.unpack_from("<IB", kernel, entry)
    distance = len(kernel) - entry
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "entry.bin"
        done = subprocess.run(["nasm", "-f", "bin", f"-DDISTANCE={distance}", f"-DLOW={low}", f"-DHIGH={high}",
                               "-o", str(binary), str(REPO / "tools/bare-entry.asm")],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(f"nasm: {done.stderr.strip()}")
        mark = binary.read_bytes()
    jump = b"\xe9" + struct.pack("<i", distance - 5)
    return kernel[:entry] + jump + kernel[entry + 5:] + mark


def make_image(kernel, initrd, cmdline, output):
    """An image whose GRUB starts the kernel itself."""
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        tree = Path(folder)
        (tree / "boot/grub").mkdir(parents=True)
        (tree / "vmlinuz").write_bytes(with_entry_mark(kernel.read_bytes()))
        (tree / "initrd").write_bytes(initrd.read_bytes())
        (tree / "boot/grub/grub.cfg").write_text(GRUB_CONFIG.format(cmdline=cmdline), encoding="utf-8")
        image.make_rescue(tree, output, f"{image.GRUB_MODULES} linux")


def parse(text):
    """The two counters from what the console showed."""
    entry = re.search(r"^entry: ([0-9a-f]{16})", text, re.MULTILINE)
    userspace = re.search(r"^bare: tsc: (\d+)", text, re.MULTILINE)
    if not (entry and userspace):
        raise ToolError("bare boot: the console lacks 'entry: HEX' or 'bare: tsc: N'")
    return Boot(int(entry.group(1), 16), int(userspace.group(1)))


def boot(kernel, initrd, cmdline, until, cpu=bochs.DEFAULT_MODEL, memory="128M", timeout=300):
    """Boot KERNEL with INITRD on one CPU in Bochs, up to the text UNTIL; returns what the console showed."""
    for path in (kernel, initrd):
        if not Path(path).is_file():
            raise ToolError(f"{path}: not found: expected it from 'examples/two-linux/prepare'")
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bare-", dir=BUILD) as folder:
        medium, log = Path(folder) / "bare.iso", Path(folder) / "serial.log"
        make_image(Path(kernel), Path(initrd), cmdline, medium)
        done = subprocess.run([sys.executable, str(REPO / "tools/skerry"), "run", str(medium), "--host", "bochs",
                               "--cpu", cpu, "--smp", "1", "--memory", memory, "--timeout", str(timeout),
                               "--until", until, "--log", str(log)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.splitlines() or ["no word"])[-1]
            raise ToolError(f"bare boot on {cpu} failed: {last}")
        return log.read_text(encoding="utf-8", errors="replace").replace("\r", "")


def measure(kernel, initrd, cpu=bochs.DEFAULT_MODEL, memory="128M"):
    """The way of KERNEL with INITRD to user space; returns a Boot."""
    return parse(boot(kernel, initrd, CMDLINE, REACHED, cpu, memory))
