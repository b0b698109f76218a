# SPDX-License-Identifier: BSD-2-Clause
"""Media without GRUB: equal when made again, closed to what is not signed, and measured as foretold."""

import contextlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

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

    def test_disk_without_sbin_in_path(self):
        words = [word for word in os.environ["PATH"].split(":") if not word.endswith("sbin")]
        with mock.patch.dict(os.environ, PATH=":".join(words)):
            self.make("disk", "x.img")

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
                                output=self.folder / "log", banks="sha256")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            measure.run(words)
        self.assertEqual([line.split()[-1] for line in out.getvalue().splitlines()[:5]],
                         ["skerry.cmd", "skerry.cfg", "skerry.elf", "sub/k", "m"])
        log = (self.folder / "log").read_bytes()
        self.assertEqual(struct.unpack_from("<IIIH", log), (8, 13, 1, 11))
        self.assertTrue(log.endswith(b"\2\0\0\0m\0"))


# A processor with VMX: features that may be on in the upper halves. (MSR, value)
VMX = {0x3a: 5, 0x480: 0xda040000000012, 0x481: 0x7f00000016, 0x482: 0xfff9fffe0401e172, 0x483: 0x1ffffff00036dff,
       0x484: 0x3ffff000011ff, 0x485: 0x7004c1e7, 0x486: 0x80000021, 0x487: 0xffffffff, 0x488: 0x2000, 0x489: 0x7727ff,
       0x48a: 0x2e, 0x48b: 0x5fbcff00000000, 0x48c: 0xf0106734141, 0x48d: 0xff00000016, 0x48e: 0xfff9fffe04006172,
       0x48f: 0x1ffffff00036dfb, 0x490: 0x3ffff000011fb, 0x1b: 0xfee00900}


class Report(unittest.TestCase):
    """Reports of surveys as tables."""

    def table(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return subprocess.run([*SKERRY, "report", file.name], capture_output=True, text=True, check=False)

    def text(self, msrs, ecx=0x20):
        leaves = f"cpuid 0 0 d 756e6547 6c65746e 49656e69\ncpuid 1 0 506e3 0 {ecx:x} 0\ncpuid 80000007 0 0 0 0 100\n"
        rows = "".join(f"msr {msr:x} {value:x}\n" for msr, value in msrs.items())
        return f"skerry-survey 1\nversion 0.1\n{leaves}{rows}memory 7 262144\nacpi FACP 244\nacpi DMAR 100\n" \
               "tsc 3000000000\nseconds 30\nsmi-count 1\ncpu 0 300000 4\ncpu 1 3000 4\nend\n"

    def test_fit(self):
        done = self.table(self.text(VMX))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for words in ("VMX +fit", "GenuineIntel", "3000.0 MHz, invariant", "1024 MiB", "FACP DMAR",
                      "APIC ID 0 +stood still for 100.0 us at the longest, 8.0 SMIs a minute", "VMX-preemption timer|preemption"):
            self.assertRegex(done.stdout, words)

    def test_not_fit(self):
        for msrs, ecx, words in ((VMX, 0, "has no VMX"), ({**VMX, 0x3a: 1}, 0x20, "locked off by the firmware"),
                                 ({**VMX, 0x48b: 0x5fbc7f00000000}, 0x20, "lacks unrestricted guest")):
            done = self.table(self.text(msrs, ecx))
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertRegex(done.stdout, f"NOT FIT: .*{words}")

    def test_cut_off(self):
        done = self.table(self.text(VMX).replace("end\n", ""))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^skerry: [^\n]*no whole report[^\n]*\n$")


# That swtpm has on by itself.
BANKS = "sha1,sha256,sha384,sha512"


@unittest.skipUnless(BUILT and qemu.firmware_files() and shutil.which(qemu.PROGRAM) and shutil.which("swtpm"),
                     "needs QEMU, OVMF and swtpm")
class Started(unittest.TestCase):
    """One start of the one-file image: its TPM holds what was foretold, and its screen shows what its serial port said."""

    def test_tpm_and_screen(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        picture = Path(work.name) / "screen.ppm"
        words = [str(REPO / "tests/machine/no-vms.cfg"), "--append", "explain"]
        ram, log = Path(work.name) / "ram", Path(work.name) / "log"
        foretold = subprocess.run([*SKERRY, "measure", *words, "-o", str(log), "--banks", BANKS], capture_output=True, text=True, check=True).stdout
        ran = subprocess.run([*SKERRY, "run", *words, "--efi", "--tpm", "--host", "tcg", "--timeout", "60",
                              "--screenshot", str(picture), "--ram", str(ram), "--memory", "512M"], capture_output=True,
                             text=True, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout[-2000:] + ran.stderr)
        of_machine = re.findall(r"skerry.efi: (measured: .*[0-9a-f])", ran.stdout)
        self.assertEqual(of_machine, [line for line in foretold.splitlines() if line.startswith("measured")])
        self.assertEqual(len(of_machine), 2)
        self.assertIn(log.read_bytes(), ram.read_bytes(), "the firmware's event log, to the byte")
        shown = screen.text_of(picture, screen.own_font())
        while not shown[-1]:
            shown.pop()
        said = [line.rstrip() for line in ran.stdout.replace("\r", "").splitlines()]
        self.assertEqual(shown, said[-len(shown):])
        self.assertGreater(len(shown), 30)

    def test_survey(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        disk, text = Path(work.name) / "survey.img", Path(work.name) / "report.txt"
        subprocess.run([*SKERRY, "image", str(REPO / "tests/machine/no-vms.cfg"), "--disk", "--append", "survey=2", "-o", str(disk)],
                       check=True)
        for _ in range(2):  # the second takes the place of the first
            ran = subprocess.run([*SKERRY, "run", str(disk), "--host", "tcg", "--smp", "2", "--timeout", "60", "--until", "bytes"],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(ran.returncode, 0, ran.stdout[-2000:] + ran.stderr)
        subprocess.run(["mcopy", "-i", f"{disk}@@1M", "::/skerry/report.txt", str(text)], check=True)
        done = subprocess.run([*SKERRY, "report", str(text)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("NOT FIT: this CPU has no VMX", done.stdout)
        self.assertEqual(done.stdout.count("stood still"), 2)


if __name__ == "__main__":
    unittest.main()
