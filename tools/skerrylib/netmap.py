# SPDX-License-Identifier: BSD-2-Clause
"""Draw what the monitor's `net` has printed: VMs, switches, wires, and what went through each port."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .common import ToolError

# A line may have something in front: a prompt, or escape sequences of the line editor.
NETWORK = re.compile(r"(?:^|[\x1b\]> ])(\S+): a (switch|link) of \d+ ports\s*$")
PORT = re.compile(r"^  (\S+) (up|down|no VM), \S+: sent (\d+) frames, \d+ bytes, delivered \d+ of \d+; got (\d+) frames, "
                  r"\d+ bytes; (\d+)/s")
DROP = re.compile(r"^      (not sent|not taken): (\S+) (\d+)")


@dataclass
class Port:
    """A line of a port, and what was dropped there."""

    name: str
    state: str
    sent: int
    got: int
    rate: int
    drops: list = field(default_factory=list)

    @property
    def vm(self):
        return self.name.partition(":")[0]


@dataclass
class Network:
    """A network with its ports."""

    name: str
    kind: str
    ports: list


def parse(text, name):
    """{name: network} as each was shown last."""
    found, network = {}, None
    for line in text.replace("\r", "").splitlines():
        if match := NETWORK.search(line):
            network = found[match.group(1)] = Network(*match.groups(), [])
        elif network and (match := PORT.search(line)):
            port, state, *counts = match.groups()
            network.ports.append(Port(port, state, *map(int, counts)))
        elif network and network.ports and (match := DROP.search(line)):
            network.ports[-1].drops.append(" ".join(match.groups()))
        else:
            network = None
    if not found:
        raise ToolError(f"{name}: no line as 'lan: a switch of 2 ports', expected a log of 'net'")
    return found


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def label(port):
    return "\\n".join([f"sent {port.sent}, got {port.got}", f"{port.rate}/s", *port.drops])


def dot(networks):
    """The same as a graph in the language of Graphviz."""
    lines = ["graph networks {", '  node [fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];', "  rankdir=LR;"]
    vms = {port.vm for network in networks.values() for port in network.ports}
    lines += [f"  {quoted('vm ' + vm)} [shape=box, label={quoted(vm)}];" for vm in sorted(vms)]
    for network in networks.values():
        middle = quoted("net " + network.name)
        shape = "ellipse" if network.kind == "switch" else "plaintext"
        lines.append(f"  {middle} [shape={shape}, label={quoted(network.name)}];")
        for i, port in enumerate(network.ports):
            style = "solid" if port.state == "up" else "dashed"
            ends = [quoted("vm " + port.vm), middle]
            if network.kind == "link" and i:  # from left to right along a chain
                ends.reverse()
            lines.append(f"  {' -- '.join(ends)} [style={style}, label=\"{label(port)}\"];")
    return "\n".join([*lines, "}", ""])


def run(options):
    """`skerry net LOG`: the graph as text, or drawn."""
    try:
        text = Path(options.log).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"{options.log}: cannot read: {error.strerror}") from error
    graph = dot(parse(text, options.log))
    if not options.output:
        sys.stdout.write(graph)
        return 0
    if not shutil.which("dot"):
        raise ToolError("dot not found: install Debian's package graphviz, or leave -o out and draw the graph elsewhere")
    done = subprocess.run(["dot", "-Tsvg", "-o", options.output], input=graph, text=True, check=False)
    return done.returncode
