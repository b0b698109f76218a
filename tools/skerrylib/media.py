# SPDX-License-Identifier: BSD-2-Clause
"""Media for UEFI without GRUB: one signed file, and a disk with the files beside the loader; and a folder for a boot server.

Two images of the same files are equal byte for byte.
"""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from . import config
from .common import BUILD, REPO, ToolError, work_folder
from .image import DEFAULT_EPOCH, KERNEL, present_files, stage

LOADER = BUILD / "skerry.efi"
BOOT_PATH = "EFI/BOOT/BOOTX64.EFI"  # what firmware starts on a medium that it does not know
PAGE = 4096
MIB = 1 << 20
# Sections of the one-file image: boot/efi/files.h.
MOST_FILES = 62
# sbat: the shim's table of generations, one line for the format and one for us.
SBAT = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\nskerry,1,Skerry,skerry,{version},-\n"
NX_COMPAT = 0x100

# Where sfdisk is, and whoever is not root does not look.
SBIN = ":/usr/sbin:/sbin"

# A FAT32 volume has at least 65,525 clusters, of 512 bytes here.
LEAST_VOLUME = 40 * MIB
DISK_ID = "5b1e7a00-0000-4000-8000-000000000001"
PART_ID = "5b1e7a00-0000-4000-8000-000000000002"
SERIAL = "5B1E7A00"
SECTOR = 512


def run_program(words, package, text=None):
    """Run a program of a package, with TEXT to read, or say in one line what went wrong."""
    program = shutil.which(words[0], path=os.environ.get("PATH", "") + SBIN)
    if not program:
        raise ToolError(f"{words[0]} not found: install package {package} ('tools/setup build' installs what images need)")
    epoch = os.environ.get("SOURCE_DATE_EPOCH", str(DEFAULT_EPOCH))
    environment = dict(os.environ, SOURCE_DATE_EPOCH=epoch, TZ="UTC", LC_ALL="C", MTOOLS_SKIP_CHECK="1")
    done = subprocess.run([program, *words[1:]], env=environment, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{words[0]}: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}")
    return done.stdout


def stripped(kernel, folder):
    """The hypervisor as it is loaded: its backtraces need no debugging information of the file."""
    small = Path(folder) / "skerry.elf"
    if not Path(kernel).is_file():
        raise ToolError(f"{kernel}: hypervisor not found: expected it from 'make'")
    run_program(["objcopy", "--strip-all", str(kernel), str(small)], "binutils")
    return small


def contents(config_path, append, kernel, lenient, settings, folder):
    """[(name as the loader asks for it, path)], the hypervisor and its configuration first."""
    data, references = config.read(config_path, settings)
    references = present_files(config_path, data, references, lenient)
    (folder / "skerry.cfg").write_bytes(data)
    (folder / "skerry.cmd").write_text(append + "\n", encoding="ascii")
    if len(references) > MOST_FILES:
        raise ToolError(f"{config_path}: names {len(references)} files, expected at most {MOST_FILES}")
    return [("skerry.elf", stripped(kernel or KERNEL, folder)), ("skerry.cfg", folder / "skerry.cfg"),
            ("skerry.cmd", folder / "skerry.cmd"), *((r.name, r.path) for r in references)]


def loader():
    """The loader's path."""
    if not LOADER.is_file():
        raise ToolError(f"{LOADER}: loader not found: expected it from 'make'")
    return LOADER


# --- one file ---

def sections_of(files, folder):
    """[(section, path)]: the loader takes them by these names."""
    names = folder / "names"
    names.write_bytes(b"".join(name.encode() + b"\0" for name, _ in files[3:]))
    (folder / "sbat").write_text(SBAT.format(version=version()), encoding="ascii")
    fixed = [(".sbat", folder / "sbat"), (".skelf", files[0][1]), (".skcfg", files[1][1]), (".skcmd", files[2][1])]
    numbered = [(f".skm{number:02}", path) for number, (_, path) in enumerate(files[3:])]
    return [*fixed, *([(".sknames", names)] if numbered else []), *numbered]


def end_of_image(path):
    """Where the next section may begin: SizeOfImage of the PE header."""
    data = path.read_bytes()
    header = struct.unpack_from("<I", data, 0x3c)[0]
    return -(-struct.unpack_from("<I", data, header + 24 + 56)[0] // PAGE) * PAGE


def add_sections(sections, output):
    """Append them behind the loader's own, each at a page, for reading only."""
    words, at = ["objcopy"], end_of_image(loader())
    for name, path in sections:
        size = path.stat().st_size
        if size == 0:
            raise ToolError(f"{path}: is empty: expected at least a byte, for a section of its own")
        words += ["--add-section", f"{name}={path}", "--set-section-flags", f"{name}=alloc,load,readonly,data",
                  "--change-section-vma", f"{name}={at:#x}"]
        at += -(-size // PAGE) * PAGE
    if at >= 1 << 32:
        raise ToolError(f"{output}: the files have {at >> 20} MiB, expected less than 4096 in one image")
    run_program([*words, str(loader()), str(output)], "binutils")


def set_header(path):
    """No page is writable and executable, and the header says that we know; date and checksum (which has the date in it, and
    which the firmware does not ask for) are not ours to keep."""
    data = bytearray(path.read_bytes())
    header = struct.unpack_from("<I", data, 0x3c)[0]
    struct.pack_into("<I", data, header + 8, int(os.environ.get("SOURCE_DATE_EPOCH", DEFAULT_EPOCH)))
    struct.pack_into("<I", data, header + 24 + 64, 0)
    flags, = struct.unpack_from("<H", data, header + 24 + 70)
    struct.pack_into("<H", data, header + 24 + 70, flags | NX_COMPAT)
    path.write_bytes(data)


def sign_image(path, key, certificate):
    """Sign in place; whoever has the certificate in db, or in the shim's list, may start it."""
    for file in (key, certificate):
        if not Path(file).is_file():
            raise ToolError(f"--sign: {file} not found: expected a key and a certificate, both in PEM")
    run_program(["sbsign", "--key", str(key), "--cert", str(certificate), "--output", str(path), str(path)], "sbsigntool")


def version():
    """As the hypervisor says it."""
    lines = (REPO / "Makefile").read_text(encoding="utf-8").splitlines()
    return next(line.split(":=")[1].strip() for line in lines if line.startswith("VERSION"))


def _one_file(work, config_path, output, append, kernel, lenient, settings, sign):
    files = contents(config_path, append, kernel, lenient, settings, work)
    image = work / "image.efi"
    add_sections(sections_of(files, work), image)
    set_header(image)
    if sign:
        sign_image(image, *sign)
    os.replace(image, output)


# --- a disk ---

def fill_volume(volume, size, entries):
    """A FAT32 volume with these [(path in it, file)]."""
    with open(volume, "wb") as file:
        file.truncate(size)
    run_program(["mformat", "-i", str(volume), "-F", "-N", SERIAL, "-v", "SKERRY", "::"], "mtools")
    made = set()
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", DEFAULT_EPOCH))
    for path, file in entries:
        for parent in reversed(Path(path).parents[:-1]):
            if parent not in made:
                run_program(["mmd", "-i", str(volume), f"::/{parent}"], "mtools")
                made.add(parent)
        os.utime(file, (epoch, epoch))
        run_program(["mcopy", "-m", "-i", str(volume), str(file), f"::/{path}"], "mtools")


def volume_size(entries):
    """Bytes of a volume that holds them, with room for a report and another kernel."""
    needed = sum(-(-Path(file).stat().st_size // SECTOR) * SECTOR for _, file in entries)
    return -(-max(LEAST_VOLUME, needed + needed // 8 + 16 * MIB) // MIB) * MIB


def partition(disk, size):
    """A GPT with one EFI system partition, at 1 MiB."""
    table = (f"label: gpt\nlabel-id: {DISK_ID}\nfirst-lba: 34\n"
             f"start={MIB // SECTOR}, size={size // SECTOR}, type=U, uuid={PART_ID}, name=SKERRY\n")
    with open(disk, "wb") as file:
        file.truncate(size + 2 * MIB)
    run_program(["sfdisk", "--quiet", "--no-tell-kernel", str(disk)], "fdisk", table)


def own_copies(files, folder):
    """Copies whose dates may be changed."""
    copies = []
    for number, (name, path) in enumerate(files):
        copy = folder / f"copy{number}"
        shutil.copyfile(path, copy)
        copies.append((name, copy))
    return copies


def _disk(work, config_path, output, append, kernel, lenient, settings, sign):
    files = contents(config_path, append, kernel, lenient, settings, work)
    program = work / "loader.efi"
    shutil.copyfile(loader(), program)
    set_header(program)
    if sign:
        sign_image(program, *sign)
    entries = [(BOOT_PATH, program), *((f"skerry/{name}", path) for name, path in own_copies(files, work))]
    size = volume_size(entries)
    fill_volume(work / "volume", size, entries)
    partition(work / "disk", size)
    with open(work / "disk", "r+b") as disk, open(work / "volume", "rb") as volume:
        disk.seek(MIB)
        shutil.copyfileobj(volume, disk)
    os.replace(work / "disk", output)


# --- a folder for a boot server ---

# What the client of a PC's firmware asks for, and what GRUB's part of it needs besides what it reads by itself.
NET_IMAGE = {"bios": "boot/grub/i386-pc/core.0", "uefi": "skerry.efi"}
NET_PLATFORMS = ("i386-pc", "x86_64-efi")
NET_MODULES = "normal multiboot2 tftp http net all_video serial terminal halt echo test boot"


def _net(work, config_path, output, append, kernel, lenient, settings, sign):
    tree = work / "net"
    tree.mkdir()
    stage(tree, config_path, append, kernel or KERNEL, lenient, settings)
    for platform in NET_PLATFORMS:
        run_program(["grub-mknetdir", f"--net-directory={tree}", "--subdir=boot/grub", f"--directory=/usr/lib/grub/{platform}",
                     f"--install-modules={NET_MODULES}", "--fonts=", "--locales=", "--themes="], "grub-common")
    _one_file(work, config_path, tree / "skerry.efi", append, kernel, lenient, settings, sign)
    if output.exists() and not (output / NET_IMAGE["uefi"]).exists():
        raise ToolError(f"{output}: is there, and not made by this: expected a folder that is new or was made by --pxe")
    shutil.rmtree(output, ignore_errors=True)
    os.replace(tree, output)


KINDS = {"efi": _one_file, "disk": _disk, "pxe": _net}


def make(kind, config_path, output, append="", kernel=None, lenient=False, settings=(), sign=None):
    """Write the medium OUTPUT (kind: efi, disk or pxe); it appears whole or not at all."""
    with work_folder(output) as name:
        KINDS[kind](Path(name), config_path, Path(output), append, kernel, lenient, settings, sign)


def bare_volume(program, volume):
    """A volume that starts this one file: what QEMU is given for a one-file image."""
    with tempfile.TemporaryDirectory(dir=Path(volume).parent) as name:
        copy = Path(name) / "program"
        shutil.copyfile(program, copy)
        entries = [(BOOT_PATH, copy)]
        fill_volume(volume, volume_size(entries), entries)
