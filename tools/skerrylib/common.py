# SPDX-License-Identifier: BSD-2-Clause
"""Where things are, and how a tool says that it cannot go on."""

import contextlib
import fcntl
import os
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
BUILD = REPO / "build"


class ToolError(Exception):
    """A failure the user can act on. The text is one line: what, where, what was expected."""

    def __init__(self, text, status=2):
        super().__init__(text)
        self.status = status


def cache_dir():
    """Downloads that survive `make clean`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base) / "skerry"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(path):
    """Two runs that would make the same thing take turns; the second then finds it made."""
    with open(path, "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def work_folder(output):
    """A temporary folder beside OUTPUT, so that what is made in it appears whole or not at all: os.replace()."""
    output = Path(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".image-", dir=output.parent)
    except OSError as error:
        raise ToolError(f"{output}: cannot write there: {error.strerror}") from error


def main(name, function):
    """Run a tool's main function: errors become one line on stderr, never a traceback."""
    try:
        status = function(sys.argv[1:])
    except ToolError as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # The reader of our output has gone; keep the interpreter's own flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141
    sys.exit(status)
