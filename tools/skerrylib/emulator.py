# SPDX-License-Identifier: BSD-2-Clause
"""Start an emulator with its serial port in our hands, and make sure that it ends with us."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import threading
import tty
from pathlib import Path

from .common import ToolError

PR_SET_PDEATHSIG = 1


def _die_with_parent():
    """Runs in the child: even when this tool is killed outright, no emulator stays behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _terminals(pid):
    """Numbers of the pseudo-terminals that a process has opened the master sides of."""
    found = []
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            text = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text(encoding="ascii")
        except OSError:
            continue
        found += re.findall(r"^tty-index:\s*(\d+)$", text, re.MULTILINE)
    return found


def _discard(descriptor):
    with contextlib.suppress(OSError):  # the other side has gone
        tty.setraw(descriptor)  # else what is drawn is edited, echoed and held back as if it were typed
        while os.read(descriptor, 65536):
            pass
    os.close(descriptor)


def _seconds(ticks):
    return int(ticks) / os.sysconf("SC_CLK_TCK")


class Emulator:
    """A running emulator; `input` and `output` are the file descriptors of the machine's serial port."""

    def __init__(self, command, environment, log, cwd, serial_pipes):
        self._socket = None
        self.keyboard = None
        self.screen = None
        pipe = subprocess.PIPE if serial_pipes else None
        try:
            # An own session: a Ctrl-C at the terminal is ours to handle, not the emulator's.
            self.process = subprocess.Popen(
                command, env=environment, cwd=cwd, stdin=pipe or subprocess.DEVNULL, stdout=pipe or log,
                stderr=log, start_new_session=True, preexec_fn=_die_with_parent)
        except OSError as error:
            raise ToolError(f"cannot start {command[0]}: {error.strerror}") from error
        if serial_pipes:
            self.input = self.process.stdin.fileno()
            self.output = self.process.stdout.fileno()

    def accept(self, listener, seconds=30):
        """Take the serial connection of an emulator that connects to a listening socket."""
        listener.settimeout(0.2)
        for _ in range(seconds * 5):
            try:
                self._socket, _address = listener.accept()
                break
            except socket.timeout:
                if self.process.poll() is not None:
                    break
        if self._socket is None:
            raise ToolError("the emulator did not open its serial port")
        self._socket.setblocking(True)
        self.input = self.output = self._socket.fileno()

    def discard_screen(self):
        """Read what an emulator draws on pseudo-terminals of its own: with nobody there it would wait for ever. What is written
        there is typed on the machine's keyboard."""
        for number in _terminals(self.process.pid):
            try:
                screen = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
            except OSError:
                continue
            self.keyboard = screen
            threading.Thread(target=_discard, args=(screen,), daemon=True).start()

    def state(self):
        """What it is doing, for a run that took too long: does it work, wait for something, or get no CPU?"""
        lines = []
        for task in sorted(Path(f"/proc/{self.process.pid}/task").glob("*")):
            try:
                name, _, rest = (task / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")
                waits = (task / "wchan").read_text(encoding="ascii")
            except OSError:
                continue
            words = rest.split()  # proc_pid_stat(5), from field 3 on
            lines.append(f"emulator: thread {name.split('(')[-1]}: state {words[0]} ({waits}), "
                         f"{_seconds(words[11]):.1f} s of CPU time, {_seconds(words[12]):.1f} s in the kernel")
        return lines or ["emulator: it has ended"]

    def stop(self):
        """End it, politely at first. Bochs swallows SIGTERM; on SIGHUP it writes its registers to the log."""
        for number, seconds in ((signal.SIGHUP, 2), (signal.SIGKILL, 10)):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    pass
        if self._socket:
            self._socket.close()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                try:
                    stream.close()
                except OSError:
                    pass  # unsent keys of a machine that has gone
