# SPDX-License-Identifier: BSD-2-Clause
"""Unit tests of tools/skerry trace. Run by tests/machine/run, or: python3 -m unittest discover tests/machine"""

import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import trace  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

LOG = """\
CPU: Some CPU, 2 CPU(s), 40-bit physical addresses
  TSC 100.000 MHz by the ACPI timer, its samples within 12 ppm
skerry> trace\x1b[K\rskerry> trace
trace: CPU 1 tsc 1000         two/0        rip -                schedule in
trace: CPU 0 tsc 1300         one/0        rip 0000000000101efe MSR write: 6e0 IA32_TSC_DEADLINE = 1f: no
\r\x1b[K\rtrace: CPU 1 tsc 1100         two/0        rip 0000000000100eb1 HLT\r
trace: CPU 1 tsc 1200         two/0        rip -                schedule out: waits
trace: CPU 0 tsc 1700         one/0        rip 0000000000101efe MSR write: 6e0 IA32_TSC_DEADLINE = <2&
trace: CPU 0 tsc 1700         one          rip -                VM ends: crash
trace: CPU 1 tsc 1100         two/0        rip 0000000000100eb1 HLT
trace: CPU x tsc 1 rip
trace: nothing
"""


def tool(*words):
    """Run it as a user does."""
    return subprocess.run([sys.executable, str(REPO / "tools/skerry"), "trace", *words], capture_output=True, text=True,
                          check=False)


class Reading(unittest.TestCase):
    """What is taken from a log."""

    def test_events(self):
        events, rate = trace.parse(LOG, "x")
        self.assertEqual(rate, 100.0)
        self.assertEqual([event.tsc for event in events], [1000, 1100, 1200, 1300, 1700, 1700])
        self.assertEqual(events[1], trace.Event(1, 1100, "two/0", "0000000000100eb1", "HLT", ""))
        self.assertEqual(events[3].reason, "MSR write")
        self.assertEqual(events[3].details, "6e0 IA32_TSC_DEADLINE = 1f: no")
        self.assertEqual(events[2].words, "schedule out: waits")

    def test_nothing(self):
        for text in ("", "trace: what is that\n", "\0\xff\n"):
            with self.assertRaisesRegex(ToolError, "^a.log: no line with 'trace: ', expected a log of 'trace show'$"):
                trace.parse(text, "a.log")

    def test_without_a_rate(self):
        events, rate = trace.parse(LOG.split("\n", 2)[2], "x")
        self.assertIsNone(rate)
        self.assertEqual(trace.Clock(events, rate).unit, "ticks")
        self.assertEqual(trace.Clock(events, rate).at(events[-1]), 700)


class Words(unittest.TestCase):
    """The table and the summary."""

    def setUp(self):
        self.events, rate = trace.parse(LOG, "x")
        self.clock = trace.Clock(self.events, rate)

    def test_table(self):
        rows = [line.split() for line in trace.table(self.events, self.clock)]
        self.assertEqual(rows[0][:4], ["us", "+", "CPU", "VM/vCPU"])
        self.assertEqual(rows[1], ["0.00", "0.00", "1", "two/0", "-", "schedule", "in"])
        self.assertEqual(rows[4][:5], ["3.00", "1.00", "0", "one/0", "0000000000101efe"])
        self.assertEqual(len(rows), 7)

    def test_summary(self):
        rows = [line.split() for line in trace.summary(self.events, self.clock)]
        self.assertIn(["one", "2", "66.7%", "4.00", "MSR", "write"], rows)
        self.assertIn(["one", "1", "33.3%", "-", "VM", "ends"], rows)
        self.assertIn(["two", "1", "33.3%", "-", "HLT"], rows)


class Drawing(unittest.TestCase):
    """The timeline."""

    def test_runs(self):
        events, _ = trace.parse(LOG, "x")
        self.assertEqual(sorted(trace.runs(events)), [(0, "one/0", 1000, 1700), (1, "two/0", 1000, 1200)])

    def test_step(self):
        for length in (0.001, 0.7, 3, 10, 99, 1234, 5e6):
            self.assertTrue(1 < length / trace.step(length) <= 10, length)

    def test_colours_differ(self):
        names = [f"reason {i}" for i in range(len(trace.COLOURS))]
        self.assertEqual(len(set(trace.colours(names).values())), len(names))
        self.assertEqual(len(trace.colours([*names, "one more"])), len(names) + 1)

    def test_svg(self):
        events, rate = trace.parse(LOG, "x")
        root = xml.fromstring(trace.Picture(events, trace.Clock(events, rate)).draw())
        titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(len(titles), 6 + 2)  # events, and runs
        self.assertIn("7.00 us, CPU 0, one/0, rip 0000000000101efe: MSR write: 6e0 IA32_TSC_DEADLINE = <2&", titles)
        self.assertIn("two/0 runs for 2.00 us", titles)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        for words in ("CPU 0", "CPU 1", "MSR write", "schedule out", "us"):
            self.assertIn(words, texts)

    def test_one_event(self):
        events, rate = trace.parse("trace: CPU 0 tsc 5 a/0 rip - schedule in", "x")
        xml.fromstring(trace.Picture(events, trace.Clock(events, rate)).draw())


class Command(unittest.TestCase):
    """As a user types it."""

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            log, picture = Path(folder) / "a.log", Path(folder) / "a.svg"
            log.write_text(LOG, encoding="utf-8")
            done = tool(str(log), "-o", str(picture))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("MSR write: 6e0 IA32_TSC_DEADLINE", done.stdout)
            self.assertTrue(picture.read_text(encoding="utf-8").startswith("<svg "))
            done = tool(str(log), "-o", f"{folder}/no/a.svg")
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"^skerry: .*/no/a.svg: cannot write it: No such file or directory\n$")
            done = tool(f"{folder}/none")
            self.assertRegex(done.stderr, r"^skerry: .*/none: cannot read it: No such file or directory\n$")


if __name__ == "__main__":
    unittest.main()
