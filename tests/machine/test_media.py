# SPDX-License-Identifier: BSD-2-Clause
"""Media without GRUB: equal when made again, closed to what is not signed, and measured as foretold."""

import contextlib
import io
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
from skerrylib import image, measure, media, qemu, screen  # noqa: E402
from skerrylib.common import ToolError  # noqa: E402

SKERRY = [sys.executable, str(REPO / "tools/skerry")]
CONFIG = "[vm a]\nkernel = sub/k\nmodule = m words\nmemory = 2M\n"
BUILT = media.LOADER.is_file() and media.KERNEL.is_file()


@unittest.skipUnless(BUILT, "nothing is built: run 'make'")
class Media(unittest.TestCase):
    """Each kind, from a configuration with two files."""

    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.folder = Path(work.name)
        (self.folder / "sub").mkdir()
        for name, text in (("skerry.cfg", CONFIG), ("sub/k", "kernel"), ("m", "module")):
            (self.folder / name).write_text(text, encoding="ascii")
        self.config = self.folder / "skerry.cfg"

    def make(self, kind, name, **words):
        output = self.folder / name
        media.make(kind, self.config, output, **words)
        return output

    def sections(self, path):
        """{name: (bytes by its virtual size, flags)}."""
        data = path.read_bytes()
        header = struct.unpack_from("<I", data, 0x3c)[0]
        count, optional = struct.unpack_from("<H", data, header + 6)[0], struct.unpack_from("<H", data, header + 20)[0]
        found = {}
        for i in range(count):
            at = header + 24 + optional + 40 * i
            name, size, _, _, offset = struct.unpack_from("<8sIIII", data, at)
            found[name.rstrip(b"\0").decode()] = (data[offset:offset + size], struct.unpack_from("<I", data, at + 36)[0])
        return found

    def test_equal_when_made_again(self):
        for kind in ("efi", "disk"):
            self.assertEqual(self.make(kind, "1").read_bytes(), self.make(kind, "2").read_bytes(), kind)
        image.make(self.config, self.folder / "1.iso")
        image.make(self.config, self.folder / "2.iso")
        self.assertEqual((self.folder / "1.iso").read_bytes(), (self.folder / "2.iso").read_bytes())
        nets = [self.make("pxe", name) for name in ("net1", "net2")]
        texts = [{f.relative_to(net): f.read_bytes() for f in net.rglob("*") if f.is_file()} for net in nets]
        self.assertEqual(*texts)

    def test_one_file(self):
        sections = self.sections(self.make("efi", "x.efi", append="explain"))
        self.assertEqual(sections[".skcfg"][0], CONFIG.encode())
        self.assertEqual(sections[".skcmd"][0], b"explain\n")
        self.assertEqual(sections[".sknames"][0], b"sub/k\0m\0")
        self.assertEqual((sections[".skm00"][0], sections[".skm01"][0]), (b"kernel", b"module"))
        self.assertTrue(sections[".sbat"][0].startswith(b"sbat,1,"))
        for name, (_, flags) in sections.items():
            self.assertNotEqual(flags & 0xa0000000, 0xa0000000, f"{name} is writable and executable")
        data = (self.folder / "x.efi").read_bytes()
        header = struct.unpack_from("<I", data, 0x3c)[0]
        self.assertTrue(struct.unpack_from("<H", data, header + 24 + 70)[0] & media.NX_COMPAT)

    def test_disk_is_a_gpt(self):
        disk = self.make("disk", "x.img")
        self.assertEqual(disk.read_bytes()[512:520], b"EFI PART")
        listing = subprocess.run(["mdir", "-i", f"{disk}@@1M", "-/", "-b", "::"], capture_output=True, text=True, check=True)
        for name in ("EFI/BOOT/BOOTX64.EFI", "skerry/skerry.elf", "skerry/skerry.cfg", "skerry/skerry.cmd", "skerry/sub/k", "skerry/m"):
            self.assertIn(f"::/{name}\n", listing.stdout)

    def test_bad_input_is_one_line(self):
        with self.assertRaisesRegex(ToolError, "--sign: .*no.key not found: expected a key and a certificate"):
            self.make("efi", "x.efi", sign=("no.key", "no.crt"))
        (self.folder / "m").write_bytes(b"")
        with self.assertRaisesRegex(ToolError, "is empty: expected at least a byte"):
            self.make("efi", "x.efi")
        (self.folder / "m").unlink()
        with self.assertRaisesRegex(ToolError, "skerry.cfg:3: file 'm' not found"):
            self.make("disk", "x.img")
        (self.folder / "taken").mkdir()
        with self.assertRaisesRegex(ToolError, "not made by this"):
            self.make("pxe", "taken", lenient=True)
        self.assertEqual([p.name for p in self.folder.iterdir() if p.name.startswith(".image") or p.suffix], ["skerry.cfg"])

    def test_measure(self):
        words = SimpleNamespace(source=self.config, append="a b", kernel=None, lenient=False, settings=(),
                                output=self.folder / "log")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            measure.run(words)
        self.assertEqual([line.split()[-1] for line in out.getvalue().splitlines()[:5]],
                         ["skerry.cfg", "skerry.elf", "skerry.cmd", "sub/k", "m"])
        log = (self.folder / "log").read_bytes()
        self.assertEqual(struct.unpack_from("<IIIH", log), (8, 13, 1, 11))
        self.assertTrue(log.endswith(b"\2\0\0\0m\0"))


@unittest.skipUnless(BUILT and qemu.firmware_files() and shutil.which(qemu.PROGRAM) and shutil.which("swtpm"),
                     "needs QEMU, OVMF and swtpm")
class Started(unittest.TestCase):
    """One start of the one-file image: its TPM holds what was foretold, and its screen shows what its serial port said."""

    def test_tpm_and_screen(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        picture = Path(work.name) / "screen.ppm"
        words = [str(REPO / "tests/machine/no-vms.cfg"), "--append", "explain"]
        foretold = subprocess.run([*SKERRY, "measure", *words], capture_output=True, text=True, check=True).stdout
        ran = subprocess.run([*SKERRY, "run", *words, "--efi", "--tpm", "--host", "tcg", "--timeout", "60",
                              "--screenshot", str(picture)], capture_output=True,
                             text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout[-2000:] + ran.stderr)
        of_machine = re.findall(r"skerry.efi: (measured: .*[0-9a-f])", ran.stdout)
        self.assertEqual(of_machine, [line for line in foretold.splitlines() if line.startswith("measured")])
        self.assertEqual(len(of_machine), 2)
        shown = screen.text_of(picture)
        while not shown[-1]:
            shown.pop()
        said = [line.rstrip() for line in ran.stdout.replace("\r", "").splitlines()]
        self.assertEqual(shown, said[-len(shown):])
        self.assertGreater(len(shown), 30)


if __name__ == "__main__":
    unittest.main()
