# SPDX-License-Identifier: BSD-2-Clause
"""Initial RAM file systems with programs of Debian's packages, for Linux guests that test something."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import aptbox
from .common import BUILD, REPO, ToolError, cache_dir, locked


def _download(name, suite, files, kept):
    """Fill the cache folder KEPT, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", suffix=".part", dir=kept.parent) as folder:
        work = Path(folder)
        box = aptbox.AptBox(suite, work / "apt")
        packages = sorted({package for package, _ in files.values()})
        print(f"{name}: downloading {' '.join(packages)} of Debian {suite}", file=sys.stderr, flush=True)
        box.update()
        # What else these packages depend on is for programs that are not taken.
        for package, deb in zip(packages, box.fetch(*packages, with_dependencies=False)):
            aptbox.unpack(deb, work / package)
        for place, (package, file) in files.items():
            found = [path for path in (work / package).rglob(file) if path.is_file()]
            if not found:
                raise ToolError(f"{package} of Debian {suite}: expected a file {file} in it")
            (work / "kept" / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found[0], work / "kept" / place)
        os.rename(work / "kept", kept)


def make(name, suite, files, init, further=(), output=None):
    """
    Make initramfs.cpio.gz in OUTPUT, else in build/NAME: busybox, INIT, FILES of packages and FURTHER ones of this tree.

    FILES: where it stands in the guest -> package and file; FURTHER: (file, where). Returns an exit status.
    """
    kept = cache_dir() / f"{name}-{suite}"
    with locked(cache_dir() / f"{name}-{suite}.lock"):
        if not all((kept / place).is_file() for place in files):
            shutil.rmtree(kept, ignore_errors=True)
            _download(name, suite, files, kept)
    output = output or BUILD / name
    output.mkdir(parents=True, exist_ok=True)
    additions = [f"--add={kept / place}:/{place}" for place in files]
    additions += [f"--add={file}:/{place}" for file, place in further]
    done = subprocess.run([str(REPO / "tools/make-initramfs"), "-o", str(output / "initramfs.cpio.gz"), "--init",
                           str(init), *additions], check=False)
    return done.returncode
