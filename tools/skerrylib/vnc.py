# SPDX-License-Identifier: BSD-2-Clause
"""The screen and the keyboard of a Bochs that shows itself by RFB, the protocol of VNC (RFC 6143, version 3.3)."""

import contextlib
import re
import socket
import struct
import threading
import time
from pathlib import Path

from .common import ToolError

RAW, DESKTOP_SIZE = 0, -223
SHIFT, CTRL = 0xffe1, 0xffe3
KEYS = {0x0d: 0xff0d, 0x0a: 0xff0d, 0x09: 0xff09, 0x1b: 0xff1b, 0x7f: 0xff08, 0x08: 0xff08}
SHIFTED = '~!@#$%^&*()_+{}|:"<>?'
ANSWERS = 0.5  # seconds in which it does
PAUSE = 0.02  # between keys: the emulated controller has a small buffer


def listening_port(pid):
    """The TCP port that a process listens at, or None."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                return int(words[1].split(":")[1], 16)
    return None


class Screen:
    """A connection, and what the server has shown since."""

    def __init__(self, pid, seconds=20):
        for _ in range(seconds * 10):
            if port := listening_port(pid):
                break
            time.sleep(0.1)
        else:
            raise ToolError("the emulator shows no screen")
        self.width = self.height = 0
        self._pixels = bytearray()
        self._line = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._greet()
        self._line.settimeout(None)
        threading.Thread(target=self._follow, daemon=True).start()

    def _take(self, size):
        data = b""
        while len(data) < size:
            part = self._line.recv(size - len(data))
            if not part:
                raise OSError("the emulator has closed its screen")
            data += part
        return data

    def _greet(self):
        self._take(12)
        self._line.sendall(b"RFB 003.003\n")
        if struct.unpack(">I", self._take(4))[0] != 1:
            raise ToolError("the emulator's screen wants a password")
        self._line.sendall(b"\1")
        self._resize(*struct.unpack(">HH", self._take(4)))
        depth = self._take(16)[0]
        if depth != 8:
            raise ToolError(f"the emulator's screen has {depth} bits a pixel, expected 8")
        self._take(struct.unpack(">I", self._take(4))[0])
        self._line.sendall(struct.pack(">BBHii", 2, 0, 2, RAW, DESKTOP_SIZE))

    def _rectangle(self):
        left, top, width, height, encoding = struct.unpack(">HHHHi", self._take(12))
        if encoding == DESKTOP_SIZE:
            self._resize(width, height)
            return
        data = self._take(width * height)
        for y in range(min(height, self.height - top)):
            at = (top + y) * self.width + left
            self._pixels[at:at + width] = data[y * width:(y + 1) * width]

    def _resize(self, width, height):
        self.width, self.height = width, height
        self._pixels = bytearray(width * height)

    def _follow(self):
        """Everything that it shows is read at once: it waits for ever for a client that does not."""
        with contextlib.suppress(OSError):
            while True:
                kind, _, count = struct.unpack(">BBH", self._take(4))
                if kind != 0:
                    return
                for _ in range(count):
                    self._rectangle()

    def _ask(self):
        self._line.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        time.sleep(ANSWERS)

    def picture(self):
        """(width, height, a byte for each pixel). Asked for twice: in answer to the first the size may change."""
        self._ask()
        self._ask()
        return self.width, self.height, bytes(self._pixels)

    def _key(self, symbol, down):
        self._line.sendall(struct.pack(">BBHI", 4, down, 0, symbol))
        time.sleep(PAUSE)

    def _press(self, symbol, *held):
        for key in (*held, symbol):
            self._key(key, 1)
        for key in (symbol, *reversed(held)):
            self._key(key, 0)

    def type(self, data):
        """Bytes of a terminal as keys. The server takes the last of them when the next message comes."""
        for byte in data:
            if byte in KEYS:
                self._press(KEYS[byte])
            elif byte < 0x20:
                self._press(byte + 0x60 if byte <= 26 else byte + 0x40, CTRL)
            elif chr(byte).isupper() or chr(byte) in SHIFTED:
                self._press(byte, SHIFT)
            else:
                self._press(byte)
        self._ask()


def write_ppm(path, picture):
    """As a PPM: of a pixel's eight bits it is told whether it is lit."""
    width, height, pixels = picture
    body = b"".join(b"\xc0\xc0\xc0" if pixel else b"\0\0\0" for pixel in pixels)
    Path(path).write_bytes(b"P6\n%d %d\n255\n" % (width, height) + body)
