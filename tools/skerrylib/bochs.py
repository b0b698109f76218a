# SPDX-License-Identifier: BSD-2-Clause
"""Bochs as a host: where it is, how it is started, and what it is told."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .common import ToolError, cache_dir

DEFAULT_MODEL = "corei7_skylake_x"

# Simulated instructions per simulated second: ticks of every clock of the machine.
IPS = 100_000_000

# The host memory that Bochs 3.0 can hold; a larger machine runs until it touches more.
MAX_HOST_MEMORY = 2048

# MSR 1A0h is unknown to the models that report fast short REP MOVSB, so "fast strings" reads as off
# and Linux 6.1 then trips over its own memmove. Bit 0 is what the real processors have there.
# Fields: MSR, type, reset value, reserved bits, ignored bits; each value as high and low half.
FAST_STRINGS = "0x1a0 0 00000000 00000001 00000000 00000000 ffffffff ffffffff\n"


@dataclass(frozen=True)
class Quirks:
    """What a model of Bochs 3.0 needs to run at all."""

    msrs: str = ""
    exclude: str = ""  # instruction sets that are offered but do not work


# TPAUSE never wakes up; AMX cannot be enabled; system management mode dies with LA57.
QUIRKS = {
    "corei7_icelake_u": Quirks(FAST_STRINGS),
    "tigerlake": Quirks(FAST_STRINGS),
    "arrow_lake": Quirks(FAST_STRINGS, "waitpkg"),
    "sapphire_rapids": Quirks(FAST_STRINGS, "waitpkg,amx,amx_int8,amx_bf16,la57"),
}


def cached_root():
    """Where tools/fetch-bochs puts its tree."""
    return cache_dir() / "bochs-3.0"


@dataclass
class Bochs:
    """One Bochs: a tree unpacked by tools/fetch-bochs, or (root = /) the machine's own."""

    root: Path

    @property
    def _libraries(self):
        return self.root / "usr/lib/x86_64-linux-gnu"

    def command(self, module=None):
        """The words that start the program, without its own arguments. MODULE is to be loaded before it."""
        if self.root == Path("/"):
            before = ["/usr/bin/env", f"LD_PRELOAD={module}"] if module else []
            return [*before, "/usr/bin/bochs-bin"]
        # Through the tree's own dynamic linker and libraries: it was built for a newer libc.
        return [str(self.root / "usr/lib64/ld-linux-x86-64.so.2"), *(["--preload", str(module)] if module else []),
                "--library-path", f"{self._libraries}:{self.root / 'usr/lib'}", str(self.root / "usr/bin/bochs-bin")]

    def environment(self, module=None, knobs=""):
        """Where the program finds its ROM images and plugins, and the module its knobs."""
        return dict(os.environ, BXSHARE=str(self.root / "usr/share/bochs"),
                    LTDL_LIBRARY_PATH=str(self._libraries / "bochs/plugins"),
                    # The display draws by escape sequences, whatever our own terminal is.
                    TERM="xterm", **({"SKERRY_VMHOST": knobs} if module else {}))

    def version(self):
        """The version that the program itself prints, or ''."""
        try:
            done = subprocess.run([*self.command(), "--help"], env=self.environment(), text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"Bochs x86 Emulator (\d+(\.\d+)*)", done.stdout + done.stderr)
        return found.group(1) if found else ""

    def check(self):
        """Fail unless the program runs and is recent enough."""
        version = self.version()
        if tuple(int(part) for part in version.split(".") if part) < (3, 0):
            raise ToolError(f"Bochs in {self.root}: found version '{version}', expected 3.0 or later")


def find():
    """The Bochs to use: the machine's own when it is 3.0 or later, else the unpacked one."""
    own = Bochs(Path("/"))
    if shutil.which("bochs-bin") and own.version() >= "3":
        return own
    if cached_root().is_dir():
        return Bochs(cached_root())
    return None


def describe_cpu(model, count, msrs_file):
    """The `cpu:` line of the rc file."""
    quirks = QUIRKS.get(model, Quirks())
    words = [f"model={model}", f"count={count}", f"ips={IPS}", "reset_on_triple_fault=0"]
    if quirks.msrs:
        words.append(f'msrs="{msrs_file}"')
    if quirks.exclude:
        words.append(f'exclude_features="{quirks.exclude}"')
    return "cpu: " + ", ".join(words)


def rc_text(image, model, count, memory, serial, folder, pixels=False):
    """The rc file of one run. MEMORY in MiB; SERIAL as Bochs words it; its files stay in FOLDER."""
    return "\n".join([
        "plugin_ctrl: unmapped=1, biosdev=1",
        describe_cpu(model, count, f"{folder}/msrs"),
        f"memory: guest={memory}, host={min(memory, MAX_HOST_MEMORY)}",
        # The BIOS would wait three seconds for a key.
        "romimage: file=$BXSHARE/BIOS-bochs-latest, options=fastboot",
        "vgaromimage: file=$BXSHARE/VGABIOS-lgpl-latest",
        # Draws on a terminal, that is into a file; the one with pixels opens a network port.
        'display_library: rfb, options="timeout=0"' if pixels else "display_library: term",
        "boot: cdrom",
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
        f'ata0-master: type=cdrom, path="{image}", status=inserted',
        f"com1: enabled=1, {serial}",
        "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy",
        # Nothing depends on the time of day: a run can be repeated to the tick.
        "clock: sync=none, time0=utc",
        f'log: "{folder}/bochs.log"',
        "panic: action=fatal",
        "error: action=report",
        "info: action=ignore",
        "debug: action=ignore",
    ]) + "\n"
