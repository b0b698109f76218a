# SPDX-License-Identifier: BSD-2-Clause
"""`skerry measure`: what skerry.efi will have measured into a TPM when it has loaded a configuration (boot/efi/measure.h)."""

import hashlib
import struct
import tempfile
from pathlib import Path

from . import media

PCR_CONFIGURATION, PCR_FILES = 8, 9
EV_IPL = 13
SHA256 = 0x0b  # TPM_ALG_SHA256


def events(config_path, append="", kernel=None, lenient=False, settings=()):
    """[(PCR, name, SHA-256 of it)], in the order of the loader."""
    with tempfile.TemporaryDirectory() as folder:
        files = media.contents(config_path, append, kernel, lenient, settings, Path(folder))
        data = {name: Path(path).read_bytes() for name, path in files}
    data["skerry.cmd"] = data["skerry.cmd"].split(b"\n")[0]
    order = ["skerry.cmd", "skerry.cfg", "skerry.elf", *(name for name, _ in files[3:])]
    of_configuration = ("skerry.cfg", "skerry.cmd")
    return [(PCR_CONFIGURATION if name in of_configuration else PCR_FILES, name, hashlib.sha256(data[name]).digest())
            for name in order]


def pcrs(measured):
    """{PCR: its value}, from zero on."""
    values = {PCR_CONFIGURATION: bytes(32), PCR_FILES: bytes(32)}
    for pcr, _, digest in measured:
        values[pcr] = hashlib.sha256(values[pcr] + digest).digest()
    return values


def log(measured):
    """The events as TCG_PCR_EVENT2 of a log with one bank (TCG PC Client Platform Firmware Profile, section 10.2.2)."""
    text = b""
    for pcr, name, digest in measured:
        event = name.encode() + b"\0"
        text += struct.pack("<IIIH", pcr, EV_IPL, 1, SHA256) + digest + struct.pack("<I", len(event)) + event
    return text


def run(options):
    """The `measure` command."""
    measured = events(options.source, options.append, options.kernel, options.lenient, options.settings)
    for pcr, name, digest in measured:
        print(f"PCR {pcr} EV_IPL sha256 {digest.hex()} {name}")
    for pcr, value in pcrs(measured).items():
        print(f"measured: PCR {pcr} sha256 {value.hex()}")
    if options.output:
        Path(options.output).write_bytes(log(measured))
    return 0
