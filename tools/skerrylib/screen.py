# SPDX-License-Identifier: BSD-2-Clause
"""What a machine's screen shows: taken from QEMU, and read back into text by the font that it was drawn with."""

import contextlib
import socket
import time
from pathlib import Path

from .common import BUILD, ToolError

FONT = BUILD / "font.bin"
WIDTH, HEIGHT = 8, 16
FACE = bytes.fromhex("00007e81a58181bd9981817e00000000")


def ask(monitor, command, seconds=20):
    """What QEMU's monitor, behind this socket, answers."""
    answer = b""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
        line.settimeout(seconds)
        line.connect(str(monitor))
        line.sendall(command.encode() + b"\n")
        while answer.count(b"(qemu)") < 2 and (data := line.recv(4096)):
            answer += data
    return answer.decode(errors="replace")


def take(monitor, path, seconds=10):
    """Have QEMU write its screen to PATH: a PNG if it is named so, else a PPM. MONITOR: its monitor's socket."""
    kind = " -f png" if Path(path).suffix == ".png" else ""
    try:
        answer = ask(monitor, f"screendump {Path(path).resolve()}{kind}", seconds)
    except OSError as error:
        raise ToolError(f"{path}: no picture of the screen: {error}") from error
    for _ in range(seconds * 10):
        if Path(path).exists():
            return
        time.sleep(0.1)
    raise ToolError(f"{path}: no picture of the screen: {answer.splitlines()[-2]}")


def take_memory(monitor, path, size):
    """Have QEMU write the first SIZE bytes of its memory to PATH."""
    try:
        ask(monitor, f'pmemsave 0 {size} "{Path(path).resolve()}"')
    except OSError as error:
        raise ToolError(f"{path}: no copy of the memory: {error}") from error


def read_ppm(path):
    """(width, height, RGB bytes) of a binary PPM without comments, as QEMU writes it."""
    magic, width, height, most, pixels = _split(Path(path).read_bytes())
    if magic != b"P6" or most != b"255":
        raise ToolError(f"{path}: expected a PPM of 255 levels")
    return int(width), int(height), pixels


def _split(data):
    words, at = [], 0
    while len(words) < 4:
        end = at
        while data[end:end + 1] not in (b" ", b"\n"):
            end += 1
        words.append(data[at:end])
        at = end + 1
    return (*words, data[at:])


def own_font():
    """The glyphs of the hypervisor's framebuffer console, 16 bytes each."""
    return FONT.read_bytes()


def vga_font(rom):
    """Those of a VGA BIOS for 8x16 cells: its table begins with a blank and a face."""
    data = Path(rom).read_bytes()
    at = data.find(FACE)
    if at < HEIGHT:
        raise ToolError(f"{rom}: no font of 8x16 pixels found in it")
    return data[at - HEIGHT:at - HEIGHT + 256 * HEIGHT]


def text_of(path, glyphs, cell=WIDTH):
    """Its lines, in cells of so many pixels. What is none of the glyphs is '\N{REPLACEMENT CHARACTER}'."""
    width, height, pixels = read_ppm(path)
    known = {glyphs[code * HEIGHT:(code + 1) * HEIGHT]: chr(code) for code in range(126, 31, -1)}
    lit = bytes(1 if red else 0 for red in pixels[::3])
    lines = []
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        line = ""
        for left in range(0, width - cell + 1, cell):
            rows = (lit[(top + y) * width + left:(top + y) * width + left + WIDTH] for y in range(HEIGHT))
            glyph = bytes(sum(bit << (7 - x) for x, bit in enumerate(row)) for row in rows)
            line += known.get(glyph, "\N{REPLACEMENT CHARACTER}")
        lines.append(line.rstrip())
    return lines
