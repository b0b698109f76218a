# SPDX-License-Identifier: BSD-2-Clause
"""QEMU as a host: with KVM it lends the hypervisor real VMX, with TCG it has none."""

import shutil
import subprocess
from pathlib import Path

from . import media
from .common import ToolError

PROGRAM = "qemu-system-x86_64"
KVM_NESTED = Path("/sys/module/kvm_intel/parameters/nested")
OVMF = Path("/usr/share/OVMF")


def nested_vmx(device=Path("/dev/kvm"), parameter=KVM_NESTED):
    """Whether a KVM guest on this machine can use VMX."""
    try:
        return device.exists() and parameter.read_text(encoding="ascii").strip() in ("Y", "1")
    except OSError:
        return False


def firmware_files():
    """OVMF's code and its empty variable store, as packaged from Debian 12 on; None without it."""
    code, variables = OVMF / "OVMF_CODE_4M.fd", OVMF / "OVMF_VARS_4M.fd"
    return (code, variables) if code.exists() and variables.exists() else None


def _machine(accelerator, model):
    if accelerator == "kvm":
        # The remapping unit is what the hypervisor's interrupt and DMA code needs; it stands before all devices.
        return ["-machine", "q35,kernel-irqchip=split", "-accel", "kvm",
                "-cpu", f"{model or 'host'},+vmx,migratable=off",
                "-device", "intel-iommu,intremap=on,caching-mode=on,eim=on"]
    # Without SVM, "max" would end its extended leaves before the one that tells the width of addresses, which Linux needs.
    return ["-machine", "q35", "-accel", "tcg", "-cpu", model or "max,-svm,xlevel=0x8000000A"]


def _firmware(firmware, folder):
    if firmware == "bios":
        return []
    files = firmware_files()
    if files is None:
        raise ToolError(f"UEFI firmware not found in {OVMF}: install it with 'tools/setup test'")
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={files[0]}",
            "-drive", f"if=pflash,format=raw,unit=1,file={folder}/OVMF_VARS.fd"]


def prepare(firmware, folder, variables=None):
    """Give the run its own variable store, which the firmware writes to: empty, or a copy of VARIABLES."""
    if firmware == "uefi" and (files := firmware_files()):
        if variables and not Path(variables).is_file():
            raise ToolError(f"--uefi-vars {variables}: not found: expected a variable store of OVMF")
        shutil.copyfile(variables or files[1], Path(folder) / "OVMF_VARS.fd")


def _medium(image, firmware):
    """An ISO is a CD, a folder what a boot server has, anything else a disk."""
    if Path(image).suffix == ".iso":
        return ["-cdrom", str(image), "-nic", "none"]
    if Path(image).is_dir():
        return ["-netdev", f"user,id=net,tftp={image},bootfile={media.NET_IMAGE[firmware]}",
                "-device", "virtio-net-pci,netdev=net,bootindex=1"]
    return ["-drive", f"if=none,id=disk,format=raw,file={image}", "-device", "ide-hd,drive=disk,bootindex=1", "-nic", "none"]


def start_tpm(folder):
    """A TPM of software for one run: it ends with QEMU."""
    if not shutil.which("swtpm"):
        raise ToolError("swtpm not found: install it with 'tools/setup test'")
    state = Path(folder).resolve() / "tpm"
    state.mkdir()
    done = subprocess.run(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={state}/sock",
                           "--terminate", "--daemon"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"swtpm: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
    return ["-chardev", f"socket,id=tpm,path={state}/sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
            "-device", "tpm-tis,tpmdev=tpm0"]


def _serial(more):
    """The console is on COM1, unless the words that a user adds have it elsewhere."""
    return ["-serial", "none" if any(word.startswith("stdio,") for word in more) else "stdio"]


def command(accelerator, image, model, count, memory, firmware, folder, monitor=None, more=()):
    """The command line; MEMORY in MiB. -no-reboot: a machine that resets itself has failed."""
    return [PROGRAM, *_machine(accelerator, model), "-smp", str(count), "-m", f"{memory}M",
            *_firmware(firmware, folder), *_medium(image, firmware), "-display", "none",
            *_serial(more), "-monitor", monitor or "none", "-no-reboot", *more]
