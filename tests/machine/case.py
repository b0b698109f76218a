# SPDX-License-Identifier: BSD-2-Clause
"""What a machine test is: read from data, judged by what the machine said."""

import configparser
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
GUESTS = "build/tests/guests"  # the files that configurations name
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import verdict  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

KEYS = {"also", "also-on", "instead-on", "long", "check", "config", "host", "cpu", "smp", "memory", "firmware", "append", "timeout", "expect", "forbid", "input",
        "status", "needs", "lenient", "until", "times", "kernel", "vmhost", "cpu-knobs", "set", "medium", "uefi-vars", "keyboard",
        "qemu", "acpi"}
PASSED_ON = ("host", "cpu", "smp", "memory", "firmware", "append", "until", "times", "kernel", "vmhost", "cpu-knobs", "uefi-vars", "qemu")


# Where a test may run a second time, with another backend; and what says that it is about this machine alone.
OTHER_HOSTS = ("tcg-svm", "bochs-svm")
BOUND_BY = ("host", "cpu", "cpu-knobs", "vmhost", "firmware", "medium", "kernel", "keyboard", "qemu", "acpi")


@dataclass
class Case:
    """One section of a .test file."""

    name: str
    config: str  # its path from the top of the tree
    timeout: float
    status: int
    host: str
    firmware: str
    vmhost: bool = False  # cannot do without the module
    options: list = field(default_factory=list)  # of `tools/skerry run`
    expect: list = field(default_factory=list)
    also: list = field(default_factory=list)
    forbid: list = field(default_factory=list)
    steps: list = field(default_factory=list)  # (text to wait for, bytes to send)
    needs: list = field(default_factory=list)
    check: bool = False  # belongs to `make check`
    text: str = ""  # of the configuration, when it stands in the section
    also_on: list = field(default_factory=list)  # of OTHER_HOSTS, in `make test`
    seldom: bool = False  # not in `make test`
    portable: bool = False  # may run on all of them

    def elsewhere(self, host):
        """The same test on another host."""
        return replace(self, name=f"{self.name}@{host}", host=host, check=False, seldom=False, options=[*self.options, f"--host={host}"])

    @property
    def guess(self):
        """Seconds that it takes, for who does not know: timeouts leave room for a machine that does much else."""
        return self.timeout if self.status == verdict.TIMEOUT else self.timeout / 10


def hosts(where, values, key):
    """The words of `also-on` or `instead-on`."""
    words = values.get(key, "").split()
    for host in words:
        if host not in OTHER_HOSTS:
            raise ToolError(f"{where}: {key} '{host}': expected {' or '.join(OTHER_HOSTS)}")
    return words


def lines_of(value):
    """The lines of a value that stands on several."""
    return [line.strip() for line in value.splitlines() if line.strip()]


def input_step(where, line):
    """`TEXT -> KEYS`; KEYS know Python's escapes, such as \\r for the return key."""
    wait, arrow, keys = line.partition(" -> ")
    if not arrow:
        raise ToolError(f"{where}: input '{line}': expected 'TEXT TO WAIT FOR -> KEYS TO SEND'")
    return wait.strip(), keys.encode("ascii").decode("unicode_escape").encode("latin-1")


def configuration(where, name, value):
    """Path and text of a configuration: VALUE is the path of a file, or the text on the lines below the key."""
    if not value.startswith("\n"):
        return value, ""
    if (HERE / "configs" / f"{name}.cfg").exists():
        raise ToolError(f"{where}: configs/{name}.cfg exists too: expected one configuration of this name")
    return f"{GUESTS}/{name}.cfg", value[1:] + "\n"


def make_case(where, name, values):
    """A case from a section's keys and values."""
    for key in values:
        if key not in KEYS:
            raise ToolError(f"{where}: unknown key '{key}': expected one of {', '.join(sorted(KEYS))}")
    if "config" not in values:
        raise ToolError(f"{where}: key 'config' is missing")
    patterns = {key: lines_of(values.get(key, "")) for key in ("expect", "also", "forbid")}
    for pattern in sum(patterns.values(), []):
        try:
            re.compile(pattern)
        except re.error as error:
            raise ToolError(f"{where}: '{pattern}': expected a regular expression: {error}") from error
    options = [word for key in PASSED_ON if key in values for word in (f"--{key}={values[key]}",)]
    options += [f"--set={line}" for line in lines_of(values.get("set", ""))]
    options += [f"--acpi={word}" for word in values.get("acpi", "").split()]
    if "medium" in values:
        options.append(f"--{values['medium']}")
    if values.get("keyboard") == "yes":
        options.append("--keyboard")
    if values.get("lenient") == "yes":
        options.append("--lenient")
    config, text = configuration(where, name, values["config"])
    also, instead = (hosts(where, values, key) for key in ("also-on", "instead-on"))
    return Case(name=name, config=config, text=text, check=values.get("check") == "yes", timeout=float(values.get("timeout", 120)),
                status=int(values.get("status", 0)), host=values.get("host", "bochs"),
                firmware=values.get("firmware", "bios"),
                vmhost=values.get("vmhost") == "on" or "cpu-knobs" in values, options=options, expect=patterns["expect"],
                also=patterns["also"], forbid=patterns["forbid"], needs=values.get("needs", "").split(),
                steps=[input_step(where, line) for line in lines_of(values.get("input", ""))],
                also_on=also + instead, seldom=bool(instead) or values.get("long") == "yes",
                portable=not any(key in values for key in BOUND_BY))


def read_cases(paths, everywhere=False):
    """
    The cases of some .test files, each followed by itself on other hosts: those of `make test`, or all. Names are unique,
    as logs are named by them.
    """
    cases = {}
    for path in paths:
        # A comment begins at the start of a line and becomes an empty one: a configuration keeps its own, and its lines
        # their numbers.
        text = re.sub("^#.*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=None, strict=True)
        try:
            parser.read_string(text, str(path))
        except configparser.Error as error:
            raise ToolError(str(error).replace("\n", " ")) from error
        for name in parser.sections():
            where = f"{path.name}: [{name}]"
            if name in cases:
                raise ToolError(f"{where}: this name is taken by another test")
            cases[name] = make_case(where, name, dict(parser[name]))
    return [variant for case in cases.values()
            for variant in (case, *(case.elsewhere(host) for host in OTHER_HOSTS
                                    if host in case.also_on or (everywhere and case.portable)))
            if everywhere or not variant.seldom]


def judge(case, text, status):
    """Why a run failed, or '' when it did not. TEXT is what the serial console showed."""
    lines = re.split("\r*\n|\r", text)
    for pattern in case.forbid:
        for line in lines:
            if re.search(pattern, line):
                return f"forbidden '{pattern}' in '{line.strip()[:100]}'"
    rest = iter(lines)
    for pattern in case.expect:
        # Each search goes on where the one before ended: the order counts.
        if not any(re.search(pattern, line) for line in rest):
            return f"'{pattern}' expected and not seen (in this place), status {status}"
    for pattern in case.also:
        if not any(re.search(pattern, line) for line in lines):
            return f"'{pattern}' expected and not seen, status {status}"
    if status != case.status:
        return f"status {status}, expected {case.status}"
    return ""
