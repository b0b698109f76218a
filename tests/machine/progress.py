# SPDX-License-Identifier: BSD-2-Clause
"""How far the tests are, and how long they will take by what they took here the last time."""

import sys
import threading
import time

from skerrylib.common import cache_dir

# Of what a failed test printed, this many lines are said again at the end.
SHOWN = 12


def kept():
    """The file of these times."""
    return cache_dir() / "test-seconds"


def read_seconds(path):
    """{name: seconds} of a file with a name and a number a line; what is no such line is passed over."""
    seconds = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return seconds
    for pair in (line.split() for line in lines):
        try:
            seconds[pair[0]] = float(pair[1])
        except (IndexError, ValueError):
            continue
    return seconds


def write_seconds(path, seconds):
    """The other way round; the file appears whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(f"{name} {value:.1f}\n" for name, value in sorted(seconds.items())), encoding="utf-8")
    part.replace(path)


class History:
    """What each test took here."""

    def __init__(self):
        self.seconds = read_seconds(kept())
        self._lock = threading.Lock()

    def note(self, name, seconds):
        with self._lock:
            self.seconds[name] = seconds

    def save(self):
        """Keep it for the next run; a cache that cannot be written is no failure of a test."""
        try:
            write_seconds(kept(), self.seconds)
        except OSError as error:
            print(f"tests: {kept()}: cannot write: {error.strerror}", file=sys.stderr)


def words(seconds):
    """A time as a person says it."""
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


class Progress:
    """Counts what ended, and prints it with the time that is left."""

    def __init__(self, history, jobs=1):
        self.passed = self.failed = self.skipped = 0
        self.failures = []  # what was printed of each that is not well
        self._history, self._jobs = history, jobs
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._total = self._ended = 0
        self._open = {}  # name -> seconds expected, of what has not ended
        self._running = {}  # name -> when it began
        self._expected = self._took = 0.0  # of what has ended

    def plan(self, guesses):
        """{name: seconds} of what will run, for those that have not run here yet. Returns the names, longest first."""
        self._open = {name: self._history.seconds.get(name, guess) for name, guess in guesses.items()}
        self._total = len(self._open)
        return sorted(self._open, key=lambda name: -self._open[name])

    def left(self):
        """Seconds until all have ended: no less than the longest, and as many at a time as there are jobs."""
        now = time.monotonic()
        left = [max(seconds - (now - self._running.get(name, now)), 0) for name, seconds in self._open.items()]
        # By how much this run is slower than the one that was measured.
        pace = min(max(self._took / self._expected, 0.25), 4) if self._expected > 60 else 1
        return max([sum(left) / self._jobs, *left]) * pace if left else 0

    def write_totals(self, path):
        """The counts, as tests/summary reads them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.passed} {self.failed} {self.skipped}\n", encoding="ascii")

    def begin(self, name):
        with self._lock:
            self._running[name] = time.monotonic()

    def end(self, name, verdict, passed=0, failed=0, skipped=0, lines=()):
        """NAME has ended: the VERDICT is printed below its LINES. What it took is kept if it was good."""
        with self._lock:
            now = time.monotonic()
            took = now - self._running.pop(name, now)
            expected = self._open.pop(name, took)
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
            self._ended += 1
            if verdict.startswith("ok "):
                verdict += f" {took:.1f}s"
                self._history.note(name, took)
                self._expected, self._took = self._expected + expected, self._took + took
            elif verdict.startswith("FAIL "):
                self.failures += [*lines[-SHOWN:], verdict]
            spent = int(now - self._start)
            head = f"[{self._ended}/{self._total} {spent // 60}:{spent % 60:02}, about {words(self.left())} left]"
            # Not by way of sys.stdout, which a test of the tools turns elsewhere for a moment.
            print(*lines, f"{head} {verdict}", sep="\n", file=sys.__stdout__, flush=True)
