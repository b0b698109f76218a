# SPDX-License-Identifier: BSD-2-Clause
"""Boots machine tests and tells the progress what came of them."""

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import case as cases  # noqa: E402
from progress import SHOWN  # noqa: E402
from skerrylib import bochs, vmhost  # noqa: E402
from skerrylib import run as skerry_run  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

REPO = cases.REPO
LOGS = REPO / "build/logs"
# A run ends itself at its timeout; this much later it is taken for hung.
MARGIN = 60
# Seconds that the tests of the tools take.
TOOLS = 40


class Typist(threading.Thread):
    """Reads the console and types the test's input when its time has come."""

    def __init__(self, process, steps):
        super().__init__(daemon=True)
        self._process, self._steps = process, list(steps)

    def run(self):
        seen = b""
        while data := os.read(self._process.stdout.fileno(), 4096):
            seen += data
            while self._steps and (at := seen.find(self._steps[0][0].encode())) >= 0:
                wait, keys = self._steps.pop(0)
                seen = seen[at + len(wait):]
                try:
                    os.write(self._process.stdin.fileno(), keys)
                except OSError:
                    self._steps.clear()
            if not self._steps:
                seen = b""


class Runner:
    """Runs cases and commands; on interruption its children end too."""

    def __init__(self, progress):
        self._progress = progress
        self._children = set()
        self._stopped = False

    def missing(self, case):
        """Why a case cannot run here, or ''."""
        for name in case.needs:
            if not (REPO / name).exists():
                return f"{name} is not there"
        try:
            skerry_run.check_host(skerry_run.pick_host(case.host), case.firmware)
        except ToolError as error:
            return str(error)
        return vmhost.why_not(bochs.find()) if case.vmhost else ""

    def case(self, case):
        """One machine test, from skip to verdict."""
        reason = self.missing(case)
        if reason or self._stopped:
            self._progress.end(case.name, f"skip {case.name}: {reason or 'interrupted'}", skipped=1)
            return
        self._progress.begin(case.name)
        log = LOGS / f"{case.name}.log"
        log.unlink(missing_ok=True)
        status, words = self._boot(case, log)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        why = cases.judge(case, text, status)
        if why and status == 2 and words:
            why = words  # wrong use or a missing file: there never was a machine
        if why:
            self._progress.end(case.name, f"FAIL {case.name}: {why}, see {log.relative_to(REPO)}", failed=1,
                               lines=text.splitlines()[-SHOWN:])
        else:
            self._progress.end(case.name, f"ok {case.name}", passed=1)

    def tools(self):
        """The unit tests of the tools, in this process."""
        self._progress.begin("tools")
        result = unittest.TestResult()
        unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py").run(result)
        lines = [f"FAIL {test.id()}: {trace.strip().splitlines()[-1]}" for test, trace in result.failures + result.errors]
        lines += [f"skip {test.id()}: {reason}" for test, reason in result.skipped]
        bad = len(result.failures) + len(result.errors)
        good = result.testsRun - bad - len(result.skipped)
        self._progress.end("tools", f"{'FAIL' if bad else 'ok'} tools ({good} tests)", passed=good, failed=bad,
                           skipped=len(result.skipped), lines=lines)

    def part(self, name):
        """A part of `make test`: what it says is shown when it has ended, its counts are in a file of its own."""
        if self._stopped:
            return
        self._progress.begin(name)
        with subprocess.Popen(["make", "--no-print-directory", name], cwd=REPO, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as process:
            self._children.add(process)
            lines = process.stdout.read().splitlines()
            status = process.wait()
            self._children.discard(process)
        self._progress.end(name, f"FAIL {name}: status {status}" if status else f"ok {name}", lines=lines)

    def _boot(self, case, log):
        if case.text:
            path = REPO / case.config
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(case.text, encoding="utf-8")
        command = [str(REPO / "tools/skerry"), "run", case.config, f"--timeout={case.timeout:g}", f"--log={log}",
                   *case.options]
        if not any(option.startswith("--host") for option in case.options):
            command.append(f"--host={case.host}")
        with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, start_new_session=True) as process:
            self._children.add(process)
            typist = Typist(process, case.steps)
            typist.start()
            killer = threading.Timer(case.timeout + MARGIN, process.kill)
            killer.start()
            words = process.stderr.read().decode(errors="replace").strip()
            typist.join()
            status = process.wait()
            killer.cancel()
            self._children.discard(process)
        return status, (words.splitlines() or [""])[-1]

    def stop(self):
        """Let nothing run on."""
        self._stopped = True
        for process in list(self._children):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, signal.SIGTERM)

    def run(self, jobs, count):
        """Run [(function, argument...)] in this order, COUNT at a time."""
        LOGS.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, count)) as pool:
            pending = [pool.submit(*job) for job in jobs]
            try:
                for future in pending:
                    future.result()
            finally:
                self.stop()
