# SPDX-License-Identifier: BSD-2-Clause
"""`skerry report`: a survey of skerry.efi as a table, by the hypervisor's own list of what it needs (tools/report)."""

import subprocess
import sys

from .common import BUILD, ToolError

PROGRAM = BUILD / "skerry-report"


def run(options):
    """The `report` command: 0 if the machine is fit, 1 if not."""
    if not PROGRAM.is_file():
        raise ToolError(f"{PROGRAM}: not found: expected it from 'make'")
    done = subprocess.run([str(PROGRAM), options.file], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise ToolError(done.stderr.strip().removeprefix("skerry-report: ") or f"{PROGRAM}: {done.returncode}")
    sys.stdout.write(done.stdout)
    return done.returncode
