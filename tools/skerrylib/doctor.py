# SPDX-License-Identifier: BSD-2-Clause
"""`skerry doctor`: what this machine can host, one line each, and what to install for the rest."""

import os
import re
import shutil
from pathlib import Path

from . import bochs, qemu, vmhost
from .common import BUILD


def cpu_has_vmx():
    """Whether this machine's own processor offers VMX."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^flags\s*:.*\bvmx\b", text, re.MULTILINE) is not None


def programs(*names):
    """Whether all of these are installed."""
    return all(shutil.which(name) for name in names)


def grub_tools():
    """Whether images can be made for both firmwares."""
    return (programs("grub-mkrescue", "xorriso", "mformat") and Path("/usr/lib/grub/i386-pc").is_dir()
            and Path("/usr/lib/grub/x86_64-efi").is_dir())


def kernels():
    """The guest kernels that were fetched."""
    return sorted(path.parent.name for path in BUILD.glob("guests/*/vmlinuz"))


def report():
    """(what, found, remark) for each line, and whether there is a host with VMX."""
    vmx, device = cpu_has_vmx(), Path("/dev/kvm").exists()
    emulator = programs(qemu.PROGRAM)
    nested = qemu.nested_vmx() and os.access("/dev/kvm", os.R_OK | os.W_OK) and emulator
    own_bochs = bochs.find()
    unfit = vmhost.why_not(own_bochs)
    found = kernels()
    lines = [
        ("VMX in this processor", vmx, "" if vmx else "needed by --host kvm only"),
        ("/dev/kvm", device, "" if device else "needed by --host kvm only"),
        ("nested VMX (host kvm)", nested, "" if nested else "an Intel machine with kvm_intel nested=Y; else Bochs"),
        ("Bochs 3.0 (host bochs)", own_bochs is not None,
         f"in {own_bochs.root}" if own_bochs else "tools/setup build"),
        ("Bochs CPU module", not unfit, unfit),
        ("QEMU (hosts kvm, tcg)", emulator, "AMD's SVM by --host tcg-svm" if emulator else "tools/setup test"),
        ("OVMF (--firmware uefi)", qemu.firmware_files() is not None,
         "" if qemu.firmware_files() else "tools/setup test"),
        ("GRUB tools (images)", grub_tools(), "" if grub_tools() else "tools/setup build"),
        ("guest kernels", bool(found), ", ".join(found) if found else "tools/fetch-kernel"),
    ]
    return lines, nested or own_bochs is not None


def run():
    """Print the report; 0 when some host has VMX."""
    lines, usable = report()
    for what, found, remark in lines:
        print(f"{what:<24}{'yes' if found else 'no':<5}{remark}".rstrip())
    print("ready: --host auto has VMX" if usable else "not ready: no host with VMX; run 'tools/setup build' as root")
    return 0 if usable else 1
