# SPDX-License-Identifier: BSD-2-Clause
"""The test host's module refuses what it does not know, and leaves it alone."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import bochs, vmhost  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

REDIRECTED = 0x169A01  # one of the places


@unittest.skipIf(vmhost.why_not(bochs.find()), vmhost.why_not(bochs.find()) or "")
class Refusal(unittest.TestCase):
    def setUp(self):
        self.bochs = bochs.find()

    def test_another_program(self):
        done = subprocess.run(["/bin/echo", "as ever"], env=dict(os.environ, LD_PRELOAD=str(vmhost.MODULE)),
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "as ever\n")
        self.assertRegex(done.stderr, r"^skerry-vmhost: not attached: build id '\w+', expected \w{40}\n$")

    def test_other_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "bochs-bin"
            shutil.copyfile(self.bochs.command()[-1], copy)
            copy.chmod(0o755)
            with open(copy, "r+b") as file:
                file.seek(REDIRECTED)
                file.write(b"\x90")
            command = [*self.bochs.command(vmhost.MODULE)[:-1], str(copy), "--help", "cpu"]
            done = subprocess.run(command, env=self.bochs.environment(vmhost.MODULE), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
        self.assertIn(f"skerry-vmhost: not attached: unknown bytes at {REDIRECTED:x}\n", done.stderr)
        self.assertIn("corei7_skylake_x", done.stdout + done.stderr)

    def test_unknown_words(self):
        for knobs in ("nonsense", "shift=32", "cr3-targets=5", "-481.32", "-999.1", "-no-such-bit", "shift=5x"):
            with self.assertRaisesRegex(ToolError, f"unknown word '{knobs}'"):
                vmhost.choose(self.bochs, "auto", f"-posted,{knobs}")

    def test_off(self):
        self.assertIsNone(vmhost.choose(self.bochs, "off", ""))
        with self.assertRaisesRegex(ToolError, "expected --vmhost auto or on"):
            vmhost.choose(self.bochs, "off", "shift=5")


if __name__ == "__main__":
    unittest.main()
