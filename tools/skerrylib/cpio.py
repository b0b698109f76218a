# SPDX-License-Identifier: BSD-2-Clause
"""Write an initial RAM file system: a cpio archive in `newc` format, the same bytes every time.

Written here rather than by cpio(1), because device nodes then need no root, and owners, dates and
inode numbers are ours to fix.
"""

import gzip
import stat
from pathlib import PurePosixPath


class Archive:
    """Entries by path; written in sorted order, so that a folder comes before what is in it."""

    def __init__(self):
        self._entries = {}

    def folder(self, path):
        self._entries[path] = (stat.S_IFDIR | 0o755, b"", (0, 0))

    def file(self, path, data, mode=0o644):
        """A file, and the folders above it: the kernel makes none by itself."""
        for folder in PurePosixPath(path).parents[:-1]:
            self.folder(str(folder))
        self._entries[path] = (stat.S_IFREG | mode, data, (0, 0))

    def link(self, path, target):
        self._entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def character_device(self, path, major, minor):
        self._entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def to_bytes(self):
        """The archive."""
        parts = [_record(number, path, *self._entries[path])
                 for number, path in enumerate(sorted(self._entries), start=1)]
        parts.append(_record(0, "TRAILER!!!", 0, b"", (0, 0)))
        return b"".join(parts)

    def to_gzip(self):
        """The archive, compressed, without date and name."""
        return gzip.compress(self.to_bytes(), compresslevel=9, mtime=0)


def _record(inode, path, mode, data, device):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(data)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
