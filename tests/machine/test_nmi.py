# SPDX-License-Identifier: BSD-2-Clause
"""Bursts of NMIs, as a failing PCI card or an impatient hand sends them, while a VM is started again and again."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import media, run  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

GUEST = REPO / "build/tests/guests/reset.elf"
CONFIG = "[vm one]\nkernel = reset.elf\ncmdline = cf9 quiet\nmemory = 2M\nmax-restarts = 400\n"
BURST = 40
BURSTS = 25


def has_host():
    try:
        run.check_host(run.pick_host("tcg-svm"), "bios")
    except ToolError:
        return False
    return True


@unittest.skipUnless(GUEST.is_file() and media.KERNEL.is_file() and has_host(), "needs QEMU, and the guests")
class Nmi(unittest.TestCase):
    def test_bursts_are_counted_and_hurt_nobody(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        folder = Path(work.name)
        (folder / "skerry.cfg").write_text(CONFIG, encoding="ascii")
        (folder / "reset.elf").symlink_to(GUEST)
        command = [sys.executable, str(REPO / "tools/skerry"), "run", str(folder / "skerry.cfg"), "--host", "tcg-svm", "--smp", "1",
                   "--timeout", "100", "--qemu", f"-monitor unix:{folder}/monitor,server=on,wait=off"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said = self.press(process, folder / "monitor")
            words = process.stderr.read().decode(errors="replace")
        text = said.decode(errors="replace")
        self.assertEqual(process.returncode, 0, text[-1500:] + words)
        self.assertIn("[vm one] has been started again 400 times, its max-restarts", text)
        self.assertNotIn("panic", text)
        counted = sum(int(n) for n in re.findall(r"error: (\d+) NMI\(s\) in root mode", text))
        self.assertGreater(counted, 0, text[-1500:])
        self.assertLessEqual(counted, BURST * BURSTS)

    @staticmethod
    def press(process, monitor):
        """What the machine said; as soon as its VM runs, NMIs come."""
        said, presser = b"", None
        killer = threading.Timer(150, process.kill)
        killer.start()

        def burst():
            with socket.socket(socket.AF_UNIX) as wire:
                wire.connect(str(monitor))
                for _ in range(BURSTS):
                    try:
                        wire.sendall(b"nmi\n" * BURST)
                    except OSError:  # the machine has ended
                        return
                    time.sleep(0.05)

        while data := os.read(process.stdout.fileno(), 4096):
            said += data
            if not presser and b"starts again (1)" in said:
                presser = threading.Thread(target=burst, daemon=True)
                presser.start()
        killer.cancel()
        return said


if __name__ == "__main__":
    unittest.main()
