# SPDX-License-Identifier: BSD-2-Clause
"""Find the files that a skerry.cfg names.

This is all that the tools read from a configuration. Whether it makes sense is for the hypervisor
to say, so lines that do not parse are passed over in silence here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from .common import ToolError

# That an emulator is given without being asked.
MOST_CPUS = 8

FILE_KEYS = {"vm": ("kernel", "initrd", "module", "disk"), "host": ("release", "release-initrd", "release-module")}


@dataclass(frozen=True)
class FileReference:
    """A file named by the configuration: as written, where, and where it is on this machine."""

    name: str
    line: int
    path: Path


def strip_comment(line):
    """The line without its comment: '#' counts at the start of the line and after white space."""
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def file_names(text):
    """(name, line number) of each file that a [vm NAME] section or [host] names, in order."""
    keys = ()
    names = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = strip_comment(raw)
        section = re.fullmatch(r"\[\s*(\S+)[^\]]*\]", line)
        if section:
            keys = FILE_KEYS.get(section.group(1), ())
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not (equals and value and key in keys):
            continue
        # `module = FILE words of its command line`, `disk = FILE how`; the other keys take the whole value.
        names.append((value.split()[0] if key.endswith("module") or key == "disk" else value, number))
    return names


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
    for name, line in file_names(data.decode("utf-8", errors="replace")):
        references.setdefault(name, FileReference(name, line, path.parent / name))
    return data, list(references.values())


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
