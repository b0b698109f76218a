# SPDX-License-Identifier: BSD-2-Clause
"""The module that mends and extends Bochs's CPU (tools/vmhost): where it is, and whether it fits."""

import functools
import subprocess

from .common import BUILD, ToolError

MODULE = BUILD / "vmhost/skerry-vmhost.so"
VERBOSE = "SKERRY_VMHOST_VERBOSE"


@functools.lru_cache(maxsize=None)
def _answer(command, environment):
    """What the module says in a program that does nothing else."""
    try:
        done = subprocess.run([*command, "--help", "cpu"], env=dict(environment), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line for line in done.stderr.splitlines() if "skerry-vmhost" in line]
    return lines[0] if lines else "no word from it"


def why_not(program, knobs=""):
    """Why PROGRAM (a bochs.Bochs) cannot have the module with these knobs, or ''."""
    if program is None:
        return "no Bochs"
    if not MODULE.is_file():
        return f"{MODULE} is not there: make it with 'make vmhost'"
    environment = dict(program.environment(MODULE, knobs), **{VERBOSE: "1"})
    answer = _answer(tuple(program.command(MODULE)), tuple(sorted(environment.items())))
    return "" if answer == "skerry-vmhost: attached" else answer


def choose(program, wanted, knobs):
    """The module to preload, or None. WANTED: auto, on or off."""
    if wanted == "off":
        if knobs:
            raise ToolError(f"--cpu-knobs {knobs}: expected --vmhost auto or on with it")
        return None
    reason = why_not(program, knobs)
    if reason and (wanted == "on" or knobs):
        raise ToolError(f"--vmhost {wanted}: {reason}")
    return None if reason else MODULE
