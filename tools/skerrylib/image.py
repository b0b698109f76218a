# SPDX-License-Identifier: BSD-2-Clause
"""Make a bootable image from a configuration and the files that it names.

One ISO starts on BIOS and on UEFI machines, from CD and from a USB stick.

Two images of the same files are equal byte for byte: their dates are SOURCE_DATE_EPOCH, and grub-mkrescue, which
names the volume by the time of day so that its GRUB finds its own medium again, is shown that time.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from . import config
from .common import BUILD, REPO, ToolError, work_folder

TEMPLATE = REPO / "iso/grub.cfg.in"
KERNEL = BUILD / "skerry.elf"

# What grub.cfg uses, and what finds the medium again once GRUB's core runs: fewer modules, faster start.
# On UEFI that core asks for every kind of partition table, and complains about those it does not find.
PARTITION_TABLES = "acorn amiga apple bsd dfly dvh gpt msdos plan sun sunpc"
GRUB_MODULES = " ".join(["normal multiboot2 iso9660 fat search search_fs_file all_video serial terminal halt echo",
                         "test boot", *(f"part_{kind}" for kind in PARTITION_TABLES.split())])

# 2026-01-01 00:00:00 UTC
DEFAULT_EPOCH = 1767225600


def quote(word):
    """A word of grub.cfg, taken literally by GRUB's shell."""
    if re.fullmatch(r"[A-Za-z0-9_./,:=+-]+", word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def grub_config(append, modules, tables=()):
    """The text of grub.cfg; modules are (stored path, name) in loading order, tables stored paths of ACPI tables."""
    lines = "".join(f"        module2 --nounzip {quote(stored)} {quote(name)}\n" for stored, name in modules)
    words = "".join(f" {quote(word)}" for word in append.split())
    acpi = f"    acpi{''.join(f' {quote(stored)}' for stored in tables)}\n" if tables else ""
    text = TEMPLATE.read_text(encoding="utf-8")
    return text.replace("@ACPI@\n", acpi).replace("@APPEND@", words).replace("@MODULES@", lines)


def usable(reference, config_path):
    """Fail with one line unless the medium can carry this file under its name."""
    where = f"{config_path}:{reference.line}"
    if not reference.path.is_file():
        raise ToolError(f"{where}: file '{reference.name}' not found: expected it at {reference.path}")
    # GRUB escapes these on the way, so that the hypervisor would see another name.
    if re.search(r"[\s'\"\\]", reference.name):
        raise ToolError(f"{where}: file name '{reference.name}' has a space, quote or backslash in it: "
                        "GRUB cannot pass such a name on")


def present_files(config_path, data, references, lenient):
    """The files that go on the medium; with lenient, without those that cannot, and whatever is wrong with the text."""
    if not lenient:
        config.refuse_errors(config_path, data)
    found = []
    for reference in references:
        try:
            usable(reference, config_path)
            found.append(reference)
        except ToolError:
            if not lenient:
                raise
    return found


def store_tables(tree, tables):
    """Copy ACPI tables onto the medium; returns where they are."""
    stored = []
    for name in tables:
        if not Path(name).is_file():
            raise ToolError(f"--acpi {name}: not found: expected a file with an ACPI table")
        stored.append(f"/files/acpi{len(stored)}")
        shutil.copyfile(name, tree / stored[-1].lstrip("/"))
    return stored


def stage(tree, config_path, append, kernel, lenient, settings=(), tables=()):
    """Fill the folder that becomes the medium."""
    data, references = config.read(config_path, settings)
    references = present_files(config_path, data, references, lenient)
    if not Path(kernel).is_file():
        raise ToolError(f"{kernel}: hypervisor not found: expected it from 'make'")
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "files").mkdir()
    shutil.copyfile(kernel, tree / "skerry.elf")
    (tree / "skerry.cfg").write_bytes(data)
    stored, modules = {}, []
    for reference in references:
        source = reference.path.resolve()
        if source not in stored:
            # Numbered, so that no name can be one that ISO 9660 or FAT would change.
            stored[source] = f"/files/{len(stored)}"
            shutil.copyfile(source, tree / stored[source].lstrip("/"))
        modules.append((stored[source], reference.name))
    (tree / "boot/grub/grub.cfg").write_text(grub_config(append, modules, store_tables(tree, tables)), encoding="utf-8")


def make_rescue(tree, output, modules=GRUB_MODULES):
    """Run grub-mkrescue over a folder."""
    if not shutil.which("grub-mkrescue"):
        raise ToolError("grub-mkrescue not found: install it with 'tools/setup build'")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", DEFAULT_EPOCH))
    for entry in [tree, *tree.rglob("*")]:
        os.utime(entry, (epoch, epoch))
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), TZ="UTC", LC_ALL="C")
    if not shutil.which("faketime"):
        raise ToolError("faketime not found: install it with 'tools/setup build'")
    command = ["faketime", "-f", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(epoch)), "grub-mkrescue", "-o", str(output), f"--install-modules={modules}", "--fonts=", "--locales=",
               "--themes=", str(tree), "--", "-volid", "SKERRY"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.search(r"error|fail", line, re.IGNORECASE)]
        raise ToolError(f"grub-mkrescue could not make {output}: {lines[-1] if lines else done.returncode}")


def make(config_path, output, append="", kernel=None, lenient=False, settings=(), tables=()):
    """Write the image OUTPUT; it appears whole or not at all."""
    with work_folder(output) as name:
        tree = Path(name) / "tree"
        stage(tree, config_path, append, kernel or KERNEL, lenient, settings, tables)
        make_rescue(tree, Path(name) / "image.iso", f"{GRUB_MODULES} acpi" if tables else GRUB_MODULES)
        os.replace(Path(name) / "image.iso", output)
