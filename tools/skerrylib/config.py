# SPDX-License-Identifier: BSD-2-Clause
"""What is in a skerry.cfg: by the hypervisor's own parser (tools/check), which says its errors and its files.

How large a machine it wants, and settings from a command line, are read and put in here.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .common import BUILD, ToolError

CHECKER = BUILD / "skerry-check"

# That an emulator is given without being asked.
MOST_CPUS = 8

@dataclass(frozen=True)
class FileReference:
    """A file named by the configuration: as written, where, and where it is on this machine."""

    name: str
    line: int
    path: Path


def strip_comment(line):
    """The line without its comment: '#' counts at the start of the line and after white space."""
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def parse(data):
    """([(line, error)], [(line, file name)]) of the bytes of a configuration."""
    if not CHECKER.is_file():
        raise ToolError(f"{CHECKER}: not found: expected it from 'make'")
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        done = subprocess.run([str(CHECKER), file.name], capture_output=True, check=False)
    if done.returncode:
        raise ToolError(f"{CHECKER}: {done.stderr.decode().strip() or done.returncode}")
    found = {"error": [], "file": []}
    for row in done.stdout.decode("ascii", errors="replace").splitlines():
        kind, line, text = row.split(" ", 2)
        found[kind].append((int(line), text))
    return found["error"], found["file"]


def with_settings(text, settings):
    """The text with each setting (`KEY=VALUE`) in every [vm NAME] section, in place of what it has there."""
    wanted = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals and value):
            raise ToolError(f"--set {setting}: expected KEY=VALUE, as in a [vm NAME] section")
        wanted[key] = f"{key} = {value}"
    lines, in_vm = [], False
    for raw in text.split("\n") if wanted else [text]:
        line = strip_comment(raw)
        if in_vm and line.partition("=")[0].strip() in wanted:
            continue
        lines.append(raw)
        if line.startswith("["):
            in_vm = re.match(r"\[\s*vm\s", line) is not None
            lines += wanted.values() if in_vm else []
    return "\n".join(lines)


def read(path, settings=()):
    """The bytes of a configuration, with these settings in every VM, and the files that it names, each name once."""
    path = Path(path)
    try:
        # A byte is a character, as what is not text is for the hypervisor to refuse.
        data = with_settings(path.read_bytes().decode("latin-1"), settings).encode("latin-1")
    except OSError as error:
        raise ToolError(f"{path}: cannot read the configuration: {error.strerror}") from error
    references = {}
    for line, name in parse(data)[1]:
        references.setdefault(name, FileReference(name, line, path.parent / name))
    return data, list(references.values())


def refuse_errors(path, data, more=()):
    """Fail, with a line for each error of the text and each of `more`, unless there is none."""
    lines = [f"{path}:{line}: {text}" for line, text in parse(data)[0]] + list(more)
    if lines:
        for line in lines:
            print(line, file=sys.stderr)
        raise ToolError(f"{path}: {len(lines)} error{'s' if len(lines) > 1 else ''}, see above")


def check(options):
    """The `check` command: every error of a configuration, and every file that is not there."""
    data, references = read(options.source, options.settings)
    missing = [f"{options.source}:{r.line}: file '{r.name}' not found: expected it at {r.path}"
               for r in references if not r.path.is_file()]
    refuse_errors(options.source, data, missing)
    cpus, memory = machine_for(data.decode("utf-8", errors="replace"))
    print(f"{options.source}: no error; {len(references)} files; wants {cpus} CPUs and {memory >> 20} MiB of memory")
    return 0


SIZE = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "": 1}


def settings_of(text):
    """(section, its settings) of each section, in order; of a key that is given several times the last one."""
    sections = []
    for raw in text.splitlines():
        line = strip_comment(raw)
        if section := re.fullmatch(r"\[\s*(\S+)[^\]]*\]", line):
            sections.append((section.group(1), {}))
        elif sections and "=" in line:
            key, _, value = (part.strip() for part in line.partition("="))
            sections[-1][1][key] = value
    return sections


def machine_for(text):
    """CPUs and bytes of memory of a machine on which the configuration has what it asks for; no less than two, and 1 GiB."""
    cpus = shared = memory = 0
    highest = -1
    for kind, settings in settings_of(text):
        named = [int(number) for number in re.findall(r"\d+", settings.get("cpus", ""))]
        highest = max([highest, *named])
        if kind == "vm" and settings.get("sched") == "shared":
            shared = 1
        elif kind == "vm" and settings.get("vcpus", "1").isdigit():
            cpus += int(settings.get("vcpus", "1"))
        elif kind == "net":
            cpus += len(named)
        if kind == "vm" and (size := re.fullmatch(r"(\d+)([KMG]?)", settings.get("memory", ""), re.IGNORECASE)):
            memory += int(size.group(1)) * SIZE[size.group(2).upper()]
    return min(max(2, cpus + shared, highest + 1), MOST_CPUS), max(1 << 30, memory + (512 << 20))
