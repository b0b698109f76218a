# SPDX-License-Identifier: BSD-2-Clause
"""Unit tests of tools/skerry net. Run by tests/machine/run, or: python3 -m unittest discover tests/machine"""

import sys
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import netmap  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

LOG = """\
skerry> net lan\x1b[Kskerry> net lan
lan: a switch of 2 ports\r
  a up, 02:53:4b:00:00:00: sent 5 frames, 300 bytes, delivered 4 of 5; got 7 frames, 420 bytes; 2/s\r
      not sent: rate 1\r
  b:1 down, 02:53:4b:00:01:01: sent 7 frames, 420 bytes, delivered 7 of 7; got 4 frames, 240 bytes; 0/s\r
skerry> net
line.1: a link of 2 ports
  a up, 02:53:4b:00:00:01: sent 1 frames, 60 bytes, delivered 1 of 1; got 0 frames, 0 bytes; 0/s
  b:0 no VM, 02:53:4b:00:01:00: sent 0 frames, 0 bytes, delivered 0 of 0; got 1 frames, 60 bytes; 0/s
"""


class Reading(unittest.TestCase):
    def test_networks(self):
        found = netmap.parse(LOG, "log")
        self.assertEqual(["lan", "line.1"], list(found))
        lan, line = found.values()
        self.assertEqual(("switch", "link"), (lan.kind, line.kind))
        self.assertEqual([("a", "up", 5, 7, 2, ["not sent rate 1"]), ("b:1", "down", 7, 4, 0, [])],
                         [(p.name, p.state, p.sent, p.got, p.rate, p.drops) for p in lan.ports])
        self.assertEqual("b", lan.ports[1].vm)

    def test_the_last_counts(self):
        found = netmap.parse(LOG + LOG.replace("sent 5", "sent 6"), "log")
        self.assertEqual(6, found["lan"].ports[0].sent)

    def test_nothing(self):
        with self.assertRaisesRegex(ToolError, "log: no line as 'lan: a switch"):
            netmap.parse("skerry> net\nthere is no network\n", "log")


class Drawing(unittest.TestCase):
    def test_graph(self):
        graph = netmap.dot(netmap.parse(LOG, "log"))
        self.assertIn('"vm a" [shape=box, label="a"];', graph)
        self.assertIn('"vm a" -- "net lan" [style=solid, label="sent 5, got 7\\n2/s\\nnot sent rate 1"];', graph)
        self.assertIn('"net line.1" -- "vm b" [style=dashed', graph)


if __name__ == "__main__":
    unittest.main()
