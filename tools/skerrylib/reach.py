# SPDX-License-Identifier: BSD-2-Clause
"""How much code can run once guests do: python3 tools/skerrylib/reach.py BUILD [--list]

Lines of code, those between the braces, of the functions that an exit of a guest, an interrupt or the loop of a CPU
can reach, by the calls of `make calls` (see calls.py). What a relocation does not show is read from the source: which
function stands in a field that is called, and which one is handed over to be called later. Tables do not count.
"""

import argparse
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

if not __package__:
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from skerrylib.calls import Part, read_calls  # noqa: E402
from skerrylib.common import BUILD, REPO, ToolError, main  # noqa: E402
from skerrylib.count import HYPERVISOR, filled, without_c_comments, without_line_comments  # noqa: E402

# Where it begins: the stubs of exits and of traps, what an exit calls (those who enter are told), the loop of a CPU.
ROOTS = ("vmx/entry.asm", "svm/entry.asm", "arch/x86/trap_stubs.asm", "vmx_exited", "vmx_observer", "svm_exited", "svm_observer",
         "sched_loop")
# Functions that are passed to one of these are called later, from an exit or an interrupt.
REGISTRARS = ("interrupt_install", "trap_set_handler", "console_set_input", "console_set_alarm", "uart_init", "vm_set_ended",
              "panic_set_last_words", "shared_attach")
# An object with operations, and its type: `backend.run(...)` calls what a `struct backend` has as .run, and no other.
OPERATIONS = {"backend": ("backend",), "ops": ("device_ops", "pci_function_ops", "virtio_ops"), "hooks": ("loop_hooks",), "loop": ("loop_hooks",),
              "parts": ("vm_part",), "memory": ("ring_memory",)}
# Members that are set to a function which others call.
MEMBERS = ("device_work", "eoi", "is_closed")

# What reports, ends and starts again, which the second figure leaves out: by the name of a file or of a function.
CUT_FILES = re.compile(r"core/(monitor|report)/.*|boot/host/(power|release)\.c|core/vm/statistics\.c|"
                       r"(vmx|svm)/(dump|check)\.c")
CUT_NAMES = re.compile(r"log_\w+|panic\w*|blackbox_\w+|trace_show\w*|vm_load|vm_last_out|vmx_explain_failed_entry|svm_explain_failed_entry")

FUNCTION = re.compile(r"^(\w[^;{}#]*?)\n\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(\w+(\(.*?\))?\)\)|\b[A-Z_]+\([^()]*\)")
TABLE = re.compile(r"\bstruct (\w+)(?: \w+(?:\[\w*\])? = |\))\{(.*?)\};", re.DOTALL)
SETTING = re.compile(rf"->(?:{'|'.join(MEMBERS)}) = (\w+);")
HANDING = re.compile(rf"\b(?:{'|'.join(REGISTRARS)})\(([^;{{]*)\);")
OPERATION = re.compile(rf"\b({'|'.join(OPERATIONS)})(?:\[\w+\])?(?:\.|->)(\w+)\(")


@dataclass
class Source:
    """What the text says: bodies by (file, name), which header has a function, operations, who is handed over."""

    functions: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    operations: dict = field(default_factory=dict)
    handed: set = field(default_factory=set)

    def read(self, file, text):
        """Take in one C file, without its comments."""
        for head, body in FUNCTION.findall(text):
            name = re.search(r"(\w+)\s*\(", ATTRIBUTE.sub("", head))
            if name:
                self.functions[file, name.group(1)] = body
                if file.endswith(".h"):
                    self.headers[name.group(1)] = file
        for kind, rows in TABLE.findall(text):
            for member, value in re.findall(r"\.(\w+) = &?(\w+)", rows):
                self.operations.setdefault((kind, member), set()).add(Part(file, value))
        self.handed.update(Part(file, name) for name in SETTING.findall(text))
        for arguments in HANDING.findall(text):
            self.handed.update(Part(file, word) for word in re.findall(r"\w+", arguments))

    def place(self, part):
        """Where the text of a part is: in its own file, or in a header. None: it is no function."""
        for file in (part.file, self.headers.get(part.name)):
            if (file, part.name) in self.functions:
                return file, part.name
        return None


def read_source(top):
    """All functions of the hypervisor; an assembly file is one."""
    source = Source()
    for path in sorted(path for folder in HYPERVISOR for path in (top / folder).rglob("*")):
        file = str(path.relative_to(top))
        if path.suffix == ".asm":
            source.functions[file, file] = without_line_comments(path.read_text(encoding="utf-8"), ";")
        elif path.suffix in (".c", ".h"):
            source.read(file, without_c_comments(path.read_text(encoding="utf-8")))
    return source


def is_cut(part):
    return CUT_FILES.fullmatch(part.file) or CUT_NAMES.fullmatch(part.name)


def roots(calls, source):
    """The parts where it begins. Names that are gone would make the figures too good."""
    found = {part for part in calls.functions if part.name in ROOTS}
    known = {part.name for part in calls.functions | set(calls.uses)} | {kind for kind, _ in source.operations}
    missing = {*ROOTS, *REGISTRARS, *(kind for kinds in OPERATIONS.values() for kind in kinds)} - known
    if missing:
        raise ToolError(f"there is no {min(missing)}, expected what tools/skerrylib/reach.py begins with")
    return found | source.handed & calls.functions


def called(calls, source, part):
    """What a part calls: by name, and through an object with operations."""
    direct = {other for other in calls.uses.get(part, ()) if other.name not in OPERATIONS}
    text = source.functions.get(source.place(part), "")
    values = [source.operations.get((kind, member), ()) for name, member in OPERATION.findall(text) for kind in OPERATIONS[name]]
    return direct | {calls.named.get(value.name, value) for found in values for value in found}


def reached(calls, source, cut):
    """The functions that can run, as (file, name)."""
    todo = [part for part in roots(calls, source) if not (cut and is_cut(part))]
    seen = set(todo)
    while todo:
        new = {part for part in called(calls, source, todo.pop()) if part not in seen and not (cut and is_cut(part))}
        seen |= new
        todo += new
    return {source.place(part) for part in seen} - {None}


def lines(source, places):
    return sum(filled(source.functions[place]) for place in places)


def measure(build=BUILD):
    """Lines that can run: all, and without reports, ends and restarts."""
    calls, source = read_calls(build / "calls"), read_source(REPO)
    return tuple(lines(source, reached(calls, source, cut)) for cut in (False, True))


def show(places, source):
    folders = {}
    for place in sorted(places):
        folders.setdefault(place[0], []).append(place)
    for file, inner in folders.items():
        print(f"{lines(source, inner):6} {file}: {' '.join(name for _, name in inner)}")


def run(words):
    parser = argparse.ArgumentParser(prog="reach", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=BUILD, type=Path, metavar="BUILD")
    parser.add_argument("--list", action="store_true", help="name the functions, by file")
    options = parser.parse_args(words)
    calls, source = read_calls(options.build / "calls"), read_source(REPO)
    for cut, what in ((False, "that can run once guests do"), (True, "of them without reports, ends and restarts")):
        places = reached(calls, source, cut)
        if options.list:
            show(places, source)
        print(f"{lines(source, places)} lines {what}, {len(places)} functions")
    return 0


if __name__ == "__main__":
    main("reach", run)
