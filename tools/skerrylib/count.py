# SPDX-License-Identifier: BSD-2-Clause
"""Count what the tree consists of: segments of the image, lines of code by folder."""

import io
import re
import struct
import subprocess
import tokenize
from dataclasses import dataclass

from .common import ToolError

# The folders that the image is made from.
HYPERVISOR = ("boot", "arch", "core", "sched", "apic", "dev", "vmx", "svm", "vcpu", "hypercall")
PT_LOAD = 1


@dataclass(frozen=True)
class Segment:
    """A part of the image: bytes it takes in memory, and those of them that are in the file."""

    memory: int
    file: int


def segments(path):
    """The loaded segments of an ELF64 file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path}: cannot read it: {error.strerror}: expected it from 'make'") from error
    if data[:5] != b"\x7fELF\x02":
        raise ToolError(f"{path}: expected an ELF64 file")
    (table,) = struct.unpack_from("<Q", data, 32)
    size, number = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(number):
        kind, _, _, _, _, in_file, in_memory = struct.unpack_from("<IIQQQQQ", data, table + index * size)
        if kind == PT_LOAD:
            found.append(Segment(in_memory, in_file))
    return found


C_TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)


def without_c_comments(text):
    """C without its comments; what looks like one inside a string stays. Line breaks stay too."""
    def keep(match):
        token = match.group(0)
        return "\n" * token.count("\n") if token.startswith("/") else token
    return C_TOKENS.sub(keep, text)


def without_line_comments(text, mark):
    """Text of a language whose comments go from MARK to the end of the line, outside of quotes."""
    quoted = re.compile(rf"""("(?:\\.|[^"\\\n])*"|'[^'\n]*')|(?:^|(?<=\s)){mark}[^\n]*""", re.MULTILINE)
    return quoted.sub(lambda match: match.group(1) or "", text)


def filled(text):
    """Lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def python_lines(text):
    """Lines with code of a Python file: docstrings are comments."""
    lines, docstring = set(), True
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored:
            if not (docstring and token.type == tokenize.STRING):
                lines.update(range(token.start[0], token.end[0] + 1))
            docstring = False
        elif token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            docstring = True
    return len(lines)


def code_lines(name, text):
    """Lines of code of one file, or None when it is not code."""
    suffix = name.rpartition(".")[2] if "." in name.rpartition("/")[2] else ""
    first = text.partition("\n")[0]
    if suffix == "py" or (first.startswith("#!") and "python" in first):
        return python_lines(text)
    if suffix in ("c", "h", "ld", "asl"):
        return filled(without_c_comments(text))
    if suffix == "asm":
        return filled(without_line_comments(text, ";"))
    if suffix in ("mk", "test", "cfg", "in") or name.endswith("Makefile") or first.startswith("#!"):
        return filled(without_line_comments(text, "#"))
    return None


def lines_by_folder(top):
    """Lines of code of each top folder, of core/ by its rooms ('.' for the files beside them), over the files that git knows or would add."""
    done = subprocess.run(["git", "-C", str(top), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise ToolError(f"{top}: expected a git working tree, to know its files")
    totals = {}
    for name in done.stdout.splitlines():
        path = top / name
        if not path.is_file():
            continue
        lines = code_lines(name, path.read_text(encoding="utf-8", errors="replace"))
        if lines:
            folder = "/".join(name.split("/")[:2 if name.startswith("core/") else 1]) if "/" in name else "."
            totals[folder] = totals.get(folder, 0) + lines
    return dict(sorted(totals.items()))
