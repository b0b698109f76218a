# SPDX-License-Identifier: BSD-2-Clause
"""The monitor on a machine's screen, from its keyboard: pixels and keys of the one host that has VMX."""

import os
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import bochs, media, screen, vmhost  # noqa: E402

GUEST = REPO / "build/tests/guests/listen.elf"
CONFIG = "[host]\nkeyboard = ps2\n\n[vm ear]\nkernel = listen.elf\nmemory = 2M\ncpus = 1\n"
CELL = 9  # pixels of a VGA's text cell
# What is typed when the console has said that: the monitor's key, a command, and what does nothing. The screen is drawn by the
# boot CPU, which has no guest here, a few lines whenever something has woken it.
STEPS = [(b"listens", b"\x1c"), (b"skerry> ", b"vm\r"), (b" runs ", b" \x15" * 15 + b"the end")]
ANSWERS = ("Skerry's monitor; 'help' lists the commands, Ctrl-\\ leaves", "VM               state      vCPUs     memory",
           "ear              runs           1      2 MiB")


@unittest.skipUnless(GUEST.is_file() and media.KERNEL.is_file() and not vmhost.why_not(bochs.find()),
                     "needs Bochs with its module, and the guests")
class Monitor(unittest.TestCase):
    def test_is_on_the_screen(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        folder = Path(work.name)
        (folder / "skerry.cfg").write_text(CONFIG, encoding="ascii")
        (folder / "listen.elf").symlink_to(GUEST)
        command = [sys.executable, str(REPO / "tools/skerry"), "run", str(folder / "skerry.cfg"), "--host", "bochs", "--smp", "2",
                   "--keyboard", "--screenshot", str(folder / "screen.ppm"), "--timeout", "60", "--until", "skerry> the end"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said = self.converse(process)
            words = process.stderr.read().decode(errors="replace")
        self.assertEqual(process.returncode, 0, said[-1500:].decode(errors="replace") + words)
        shown = screen.text_of(folder / "screen.ppm", screen.vga_font(bochs.find().root / "usr/share/bochs/VGABIOS-lgpl-latest"), CELL)
        for row in ANSWERS:
            self.assertIn(row, [line[:len(row)] for line in shown], "\n".join(shown))

    @staticmethod
    def converse(process):
        """What the machine said, while each step was typed in its turn."""
        said, steps, at = b"", list(STEPS), 0
        killer = threading.Timer(90, process.kill)
        killer.start()
        while data := os.read(process.stdout.fileno(), 4096):
            said += data
            while steps and (found := said.find(steps[0][0], at)) >= 0:
                wait, keys = steps.pop(0)
                at = found + len(wait)
                process.stdin.write(keys)
                process.stdin.flush()
        killer.cancel()
        return said


if __name__ == "__main__":
    unittest.main()
