# SPDX-License-Identifier: BSD-2-Clause
"""Debian's cloud kernel of any suite, with some of its modules as the kernel loads them."""

import lzma
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from . import aptbox
from .common import ToolError, cache_dir, locked

META_PACKAGE = "linux-image-cloud-amd64"
# Drivers of the devices in docs/devices.md, in the order in which a guest loads them.
VIRTIO = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "virtio-rng",
          "virtio_console")


def _module_data(tree, suite, name):
    """A module from its file, which may be compressed."""
    found = [path for path in tree.rglob(f"{name}.ko*") if re.fullmatch(rf"{name}\.ko(\.xz)?", path.name)]
    if len(found) != 1:
        raise ToolError(f"{META_PACKAGE} of Debian {suite}: expected one module {name}, found {len(found)}")
    data = found[0].read_bytes()
    return lzma.decompress(data) if found[0].suffix == ".xz" else data


def _download(name, suite, modules, kept):
    """Fill the cache folder KEPT, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", suffix=".part", dir=kept.parent) as folder:
        work = Path(folder)
        box = aptbox.AptBox(suite, work / "apt")
        print(f"{name}: downloading the kernel of Debian {suite}", file=sys.stderr, flush=True)
        box.update()
        (package,) = [package for package in box.depends(META_PACKAGE) if re.match(r"linux-image-\d", package)]
        (deb,) = box.fetch(package, with_dependencies=False)
        aptbox.unpack(deb, work / "tree")
        (work / "kept").mkdir()
        (vmlinuz,) = (work / "tree/boot").glob("vmlinuz-*")
        shutil.copyfile(vmlinuz, work / "kept/vmlinuz")
        for module in modules:
            (work / "kept" / f"{module}.ko").write_bytes(_module_data(work / "tree", suite, module))
        os.rename(work / "kept", kept)


def with_modules(name, suite, modules):
    """A folder with vmlinuz and MODULE.ko for each of MODULES, in the cache under NAME."""
    kept = cache_dir() / f"{name}-{suite}"
    with locked(cache_dir() / f"{name}-{suite}.lock"):
        if not kept.is_dir():
            _download(name, suite, modules, kept)
    return kept
