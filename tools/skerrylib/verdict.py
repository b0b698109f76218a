# SPDX-License-Identifier: BSD-2-Clause
"""Decide how a run ended from what the hypervisor said on the serial console.

The hypervisor starts its own lines with `skerry: `. After the last of them nothing else happens, but
neither a halted machine nor every emulator ends by itself: a decisive line followed by some seconds of
silence ends the run.
"""

POWER_OFF, HALTED, PANIC, VANISHED, TIMEOUT = 0, 3, 4, 5, 124

# Start of line, exit status, seconds of silence that end the run. First match wins.
ENDINGS = (
    ("skerry: power off", POWER_OFF, 5.0),  # the emulator should end by itself, and does so sooner
    ("skerry: halted: explain", POWER_OFF, 1.0),
    ("skerry: halted: ", HALTED, 1.0),
    ("skerry: panic", PANIC, 2.0),  # a register dump and a backtrace follow
)

MEANING = {
    POWER_OFF: "ended cleanly",
    HALTED: "the hypervisor halted",
    PANIC: "the hypervisor panicked",
    VANISHED: "the machine ended without a word from the hypervisor",
    TIMEOUT: "timeout",
}


class Transcript:
    """Watches the serial console, byte by byte as it comes."""

    def __init__(self, until="", times=1):
        self.status = None  # by the latest decisive line
        self.silence = None  # seconds of it that end the run
        self.until_seen = False
        self._until, self._times = until.encode(), times
        self._tail = b""
        self._line = b""

    def feed(self, data):
        """Take the next bytes."""
        if self._until and not self.until_seen:
            *before, rest = (self._tail + data).split(self._until)
            self._times -= len(before)
            self.until_seen = self._times <= 0
            self._tail = rest[-len(self._until):]
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._judge(line)
        self._line = rest[-4096:]

    def finish(self):
        """No more bytes will come. Emulators may lose the very last one: an open line counts."""
        self._judge(self._line)
        self._line = b""
        return VANISHED if self.status is None else self.status

    def _judge(self, line):
        text = line.decode("utf-8", errors="replace")
        for start, status, silence in ENDINGS:
            if text.startswith(start):
                self.status, self.silence = status, silence
                return
