# SPDX-License-Identifier: BSD-2-Clause
"""`skerry measure`: what skerry.efi will have measured into a TPM when it has loaded a configuration (boot/efi/measure.h)."""

import hashlib
import struct
import tempfile
from pathlib import Path

from . import media
from .common import ToolError

PCR_CONFIGURATION, PCR_FILES = 8, 9
EV_IPL = 13
# TPM_ALG_ID of the banks that a log may have, in its order.
BANKS = {"sha1": 0x04, "sha256": 0x0b, "sha384": 0x0c, "sha512": 0x0d}


def events(config_path, append="", kernel=None, lenient=False, settings=()):
    """[(PCR, name, bytes)], in the order of the loader."""
    with tempfile.TemporaryDirectory() as folder:
        files = media.contents(config_path, append, kernel, lenient, settings, Path(folder))
        data = {name: Path(path).read_bytes() for name, path in files}
    data["skerry.cmd"] = data["skerry.cmd"].split(b"\n")[0]
    order = ["skerry.cmd", "skerry.cfg", "skerry.elf", *(name for name, _ in files[3:])]
    of_configuration = ("skerry.cfg", "skerry.cmd")
    return [(PCR_CONFIGURATION if name in of_configuration else PCR_FILES, name, data[name]) for name in order]


def pcrs(measured):
    """{PCR: its value}, from zero on."""
    values = {PCR_CONFIGURATION: bytes(32), PCR_FILES: bytes(32)}
    for pcr, _, data in measured:
        values[pcr] = hashlib.sha256(values[pcr] + hashlib.sha256(data).digest()).digest()
    return values


def log(measured, banks=("sha256",)):
    """The events as TCG_PCR_EVENT2 (TCG PC Client Platform Firmware Profile, section 10.2.2) of a log with these banks."""
    text = b""
    for pcr, name, data in measured:
        event = name.encode() + b"\0"
        text += struct.pack("<III", pcr, EV_IPL, len(banks))
        for bank in banks:
            text += struct.pack("<H", BANKS[bank]) + hashlib.new(bank, data).digest()
        text += struct.pack("<I", len(event)) + event
    return text


def run(options):
    """The `measure` command."""
    banks = options.banks.split(",")
    if not set(banks) <= set(BANKS):
        raise ToolError(f"--banks {options.banks}: expected some of {','.join(BANKS)}, in this order")
    measured = events(options.source, options.append, options.kernel, options.lenient, options.settings)
    for pcr, name, data in measured:
        print(f"PCR {pcr} EV_IPL sha256 {hashlib.sha256(data).hexdigest()} {name}")
    for pcr, value in pcrs(measured).items():
        print(f"measured: PCR {pcr} sha256 {value.hex()}")
    if options.output:
        Path(options.output).write_bytes(log(measured, banks))
    return 0
