# SPDX-License-Identifier: BSD-2-Clause
"""Who calls whom, as the linker sees it: read from the relocations of objects.

The objects (`make calls`) are compiled without optimisation, with a section for each function and each variable. So
every call that the source has is there; the section of a relocation says who calls, and its symbol whom. To take a
function's address, in code or in a table, counts as a call of it, and so does the use of a variable: whoever does it
cannot be linked without the other. An assembly file is one part, whatever it defines.
"""

import subprocess
from dataclasses import dataclass, field

from .common import REPO, ToolError

NOT_LOADED = (".debug", ".eh_frame", ".note", ".comment")


@dataclass(frozen=True, order=True)
class Part:
    """A function or a variable, or a whole assembly file."""

    file: str  # the source, from the top of the tree
    name: str


@dataclass
class Calls:
    """Each part with those that it uses, the part that each global name stands for, and which parts are functions."""

    uses: dict = field(default_factory=dict)
    named: dict = field(default_factory=dict)
    functions: set = field(default_factory=set)

    def pairs(self):
        """All pairs of caller and callee."""
        return ((caller, callee) for caller, callees in self.uses.items() for callee in callees)


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def part(source, name):
    """The part of a source that a symbol or a section (.text.unlikely.name, .bss.name.5) belongs to."""
    if source.endswith(".asm"):
        return Part(source, source)
    if name.startswith("."):
        words = [word for word in name.split(".")[2:] if not word.isdigit()]
        return Part(source, words[-1] if words else name)
    return Part(source, name.split(".")[0])


def source_of(path, folder, top):
    """The source that an object was made from, by its place. None: moved away since, and the object left behind."""
    stem = str(path.relative_to(folder).with_suffix(""))
    return next((stem + suffix for suffix in (".c", ".asm") if (top / (stem + suffix)).is_file()), None)


def read_calls(folder, top=REPO):
    """The calls between all objects below a folder of them, whose sources are below TOP."""
    sources = {str(path): source_of(path, folder, top) for path in sorted(folder.rglob("*.o"))}
    objects = {path: source for path, source in sources.items() if source}
    if not objects:
        raise ToolError(f"{folder}: no objects, expected what 'make calls' makes")
    calls = Calls()
    read_symbols(calls, objects)
    read_relocations(calls, objects)
    return calls


def read_symbols(calls, objects):
    """Who defines what."""
    for line in output("nm", "-A", "-P", "--defined-only", *objects):
        path, _, symbol = line.partition(": ")
        name, kind = symbol.split()[:2]
        if kind in "tT":
            calls.functions.add(part(objects[path], name))
        if kind.isupper():
            calls.named[name] = part(objects[path], name)


def read_relocations(calls, objects):
    """What each section of the image refers to. What the linker script defines belongs to nobody."""
    source, caller = next(iter(objects.values())), None
    for line in output("readelf", "-r", "-W", *objects):
        if line.startswith("File: "):
            source = objects[line[6:]]
        elif line.startswith("Relocation section"):
            section = line.split("'")[1].removeprefix(".rela")
            caller = None if section.startswith(NOT_LOADED) else part(source, section)
        elif caller and "R_X86_64_" in line:
            symbol = line.split()[4]
            callee = calls.named.get(symbol) or part(source, symbol)
            if callee != caller:
                calls.uses.setdefault(caller, set()).add(callee)


def circles(edges):
    """The groups of nodes that reach each other (Tarjan's strongly connected components), largest first."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted((group for group in found if len(group) > 1), key=lambda group: (-len(group), group))
