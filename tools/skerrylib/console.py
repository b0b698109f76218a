# SPDX-License-Identifier: BSD-2-Clause
"""Join the user's terminal and the machine's serial port until the run is over."""

import contextlib
import os
import select
import sys
import termios
import time
import tty

from . import verdict

KEYS = "Ctrl-C ends the run, Ctrl-A c types a Ctrl-C, Ctrl-A a a Ctrl-A"

CTRL_A, CTRL_C = 0x01, 0x03


class Keys:
    """Filter for keys from a terminal: all reach the machine but Ctrl-C and what follows Ctrl-A."""

    def __init__(self):
        self._escaped = False

    def translate(self, data):
        """The bytes for the machine. Raises KeyboardInterrupt on Ctrl-C."""
        out = bytearray()
        for byte in data:
            if self._escaped:
                self._escaped = False
                if byte in b"xX":
                    raise KeyboardInterrupt
                out.append({ord("c"): CTRL_C, ord("a"): CTRL_A}.get(byte, byte))
            elif byte == CTRL_A:
                self._escaped = True
            elif byte == CTRL_C:
                raise KeyboardInterrupt
            else:
                out.append(byte)
        return bytes(out)


@contextlib.contextmanager
def raw_terminal(descriptor):
    """Keys go to the machine one by one and unechoed; the terminal is restored on every way out."""
    if not os.isatty(descriptor):
        yield False
        return
    saved = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)


def write_all(descriptor, data):
    """Write everything; False when the other side has gone."""
    try:
        while data:
            data = data[os.write(descriptor, data):]
    except OSError:
        return False
    return True


def read_some(descriptor):
    """Some bytes, or none when the other side has gone."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


class Console:
    """One run's serial traffic."""

    def __init__(self, emulator, transcript, log, typed_at=None):
        self._emulator = emulator
        self._typed_at = emulator.input if typed_at is None else typed_at
        self._transcript = transcript
        self._log = log
        self._heard = time.monotonic()

    def _type(self, data):
        if callable(self._typed_at):
            self._typed_at(data)
        else:
            write_all(self._typed_at, data)

    def _take_output(self):
        data = read_some(self._emulator.output)
        if not data:
            return False
        self._heard = time.monotonic()
        self._log.write(data)
        self._log.flush()
        self._transcript.feed(data)
        write_all(sys.stdout.fileno(), data)
        return True

    def _over(self, now, deadline):
        """The exit status when time has ended the run, else None."""
        if deadline is not None and now >= deadline:
            return verdict.TIMEOUT
        silence = self._transcript.silence
        if silence is not None and now >= self._heard + silence:
            return self._transcript.finish()
        return None

    def pump(self, timeout):
        """Run until the machine ends, falls silent after its last word, or time is up. Returns the status."""
        deadline = None if timeout is None else time.monotonic() + timeout
        keyboard = sys.stdin.fileno()
        sources = [self._emulator.output, keyboard]
        with raw_terminal(keyboard) as is_terminal:
            keys = Keys()
            while (status := self._over(time.monotonic(), deadline)) is None:
                ready, _, _ = select.select(sources, [], [], 0.1)
                if self._emulator.output in ready and not self._take_output():
                    return self._transcript.finish()
                if self._transcript.until_seen:
                    return verdict.POWER_OFF
                if keyboard in ready:
                    data = read_some(keyboard)
                    if not data:
                        sources.remove(keyboard)
                    self._type(keys.translate(data) if is_terminal else data)
            return status
