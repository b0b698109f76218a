# SPDX-License-Identifier: BSD-2-Clause
"""Unit tests of the tools. Run by tests/machine/run, or: python3 -m unittest discover tests/machine"""

import contextlib
import gzip
import io
import json
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "tools"))
sys.path.insert(0, str(REPO / "tests/machine"))
import case as cases  # noqa: E402
import progress  # noqa: E402
from skerrylib import (aptbox, bare, bochs, config, console, count, cpio, cyclictest, emulator, figures,  # noqa: E402
                       image, interrupts, qemu, run, verdict)
from skerrylib.common import ToolError  # noqa: E402

SKERRY = [sys.executable, str(REPO / "tools/skerry")]


def skerry(*words):
    """Run the tool as a user does."""
    return subprocess.run([*SKERRY, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


class Folder(unittest.TestCase):
    """Tests with a folder of their own."""

    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.folder = Path(work.name)

    def write(self, name, text=""):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


class Screen(Folder):
    """What an emulator draws for nobody."""

    def test_is_read(self):
        draw = "import os, time\nm, s = os.openpty()\nos.close(s)\ntime.sleep(0.5)\n" \
               "for _ in range(64): os.write(m, (b'x' * 63 + b'\\n') * 64)\n"
        with open(self.write("log"), "wb") as log:
            drawing = emulator.Emulator([sys.executable, "-c", draw], None, log, self.folder, serial_pipes=False)
            self.addCleanup(drawing.stop)
            for _ in range(100):
                drawing.discard_screen()
                if emulator._terminals(drawing.process.pid):  # pylint: disable=protected-access
                    break
                time.sleep(0.02)
            drawing.discard_screen()
            self.assertEqual(drawing.process.wait(20), 0)


class Configuration(Folder):
    """Which files a configuration names."""

    def test_comments(self):
        self.assertEqual(config.strip_comment("# all of it"), "")
        self.assertEqual(config.strip_comment("kernel = a # b"), "kernel = a")
        self.assertEqual(config.strip_comment("kernel = a#b"), "kernel = a#b")
        self.assertEqual(config.strip_comment("  kernel = a\t#"), "kernel = a")

    def test_parse(self):
        text = "[vm a]\nkernel = k\ninitrd=i # c\n# module = no\nmodule = m some words\nmodule = n\nmemory = 2M\n" \
               "disk = d cow 2M\n[host]\nrelease = r\nrelease-module = s x\n"
        errors, files = config.parse(text.encode())
        self.assertEqual(errors, [])
        self.assertEqual(files, [(2, "k"), (3, "i"), (5, "m"), (6, "n"), (8, "d"), (10, "r"), (11, "s")])

    def test_garbage_is_told(self):
        errors, files = config.parse(b"[vm a\nkernel\n=\n[]\n\0\x7f\xffkernel = x\nkernel =\n")
        self.assertEqual([line for line, _ in errors], [1, 4])
        self.assertEqual(files, [])

    def test_check(self):
        path = self.write("a.cfg", "[vm a]\nkernel = k\ncolour = red\n[vm b]\nkernel = j\nmemory = 2M\n")
        done = skerry("check", str(path))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"a.cfg:1: \[vm a\] has no memory, expected(.|\n)*a.cfg:2: file 'k' not found(.|\n)*"
                                      r"a.cfg:5: file 'j' not found(.|\n)*4 errors, see above")
        self.assertIn("a.cfg:3: unknown key 'colour'", done.stderr)
        path = self.write("a.cfg", "[vm a]\nkernel = a.cfg\nmemory = 2M\n")
        done = skerry("check", str(path))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"a.cfg: no error; 1 files; wants 2 CPUs and 1024 MiB of memory\n")

    def test_each_name_once(self):
        path = self.write("a.cfg", "[vm a]\nkernel = k\n[vm b]\nkernel = k\ninitrd = /abs\n")
        _, references = config.read(path)
        self.assertEqual([(r.name, r.line, r.path) for r in references],
                         [("k", 2, self.folder / "k"), ("/abs", 5, Path("/abs"))])

    def test_settings(self):
        text = "[host]\nfocus = a\n[vm a] # one\r\nkernel = k\n x2apic = on\nmemory = 2M\n[vm b]\nkernel = k"
        self.assertEqual(config.with_settings(text, ["x2apic=off", "vcpus = 2 "]),
                         "[host]\nfocus = a\n[vm a] # one\r\nx2apic = off\nvcpus = 2\nkernel = k\nmemory = 2M\n"
                         "[vm b]\nx2apic = off\nvcpus = 2\nkernel = k")
        self.assertEqual(config.with_settings("\xff[vm\n\n", []), "\xff[vm\n\n")
        for wrong in ("x2apic", "=off", "x2apic="):
            with self.assertRaisesRegex(ToolError, "expected KEY=VALUE"):
                config.with_settings(text, [wrong])

    def test_settings_reach_the_medium(self):
        path = self.write("a.cfg", "[vm a]\nkernel = k\n# \xe4")
        data, (reference,) = config.read(path, ["kernel = other"])
        self.assertEqual(data.decode(), "[vm a]\nkernel = other\n# \xe4")
        self.assertEqual((reference.name, reference.line), ("other", 2))

    def test_no_file(self):
        with self.assertRaisesRegex(ToolError, "none.cfg: cannot read"):
            config.read(self.folder / "none.cfg")


class Image(Folder):
    """What goes onto the medium."""

    def stage(self, text, append="", lenient=False):
        path = self.write("a.cfg", text)
        tree = self.folder / "tree"
        tree.mkdir()
        image.stage(tree, path, append, self.write("hv", "hv"), lenient)
        return tree, (tree / "boot/grub/grub.cfg").read_text(encoding="utf-8")

    def test_grub_config_with_tables(self):
        plain = image.grub_config("", [])
        self.assertNotIn("acpi", plain)
        text = image.grub_config("", [], ["/files/acpi0", "/files/acpi1"])
        self.assertEqual(text.replace("    acpi /files/acpi0 /files/acpi1\n", ""), plain)
        self.assertLess(text.index(" acpi "), text.index("multiboot2"))

    def test_grub_config(self):
        for name in ("k", "i", "m"):
            self.write(name, name)
        tree, text = self.stage("[vm a]\nkernel = k\ninitrd = ./i\nmodule = m w\nmemory = 2M\n[vm b]\nkernel = k\ninitrd = i\nmemory = 2M\n",
                                "explain log=debug")
        wanted = ["multiboot2 /skerry.elf explain log=debug;", "module2 --nounzip /skerry.cfg skerry.cfg",
                  "module2 --nounzip /files/0 k", "module2 --nounzip /files/1 ./i", "module2 --nounzip /files/2 m",
                  "module2 --nounzip /files/1 i"]
        places = [text.index(line) for line in wanted]
        self.assertEqual(places, sorted(places))
        self.assertEqual(text.count("/files/"), 4)
        self.assertEqual((tree / "files/1").read_text(encoding="utf-8"), "i")
        self.assertNotIn("@", text)

    def test_quoting(self):
        self.assertEqual(image.quote("a.b/c=1"), "a.b/c=1")
        self.assertEqual(image.quote("a;b$c"), "'a;b$c'")
        self.assertEqual(image.quote("it's"), "'it'\\''s'")

    def test_missing_file_is_one_line(self):
        path = self.write("a.cfg", "[vm a]\nmemory = 2M\nkernel = nowhere\n")
        done = skerry("image", str(path), "-o", str(self.folder / "a.iso"))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, rf"^skerry: {path}:3: file 'nowhere' not found: [^\n]+\n$")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["a.cfg"])

    def test_lenient_leaves_it_out(self):
        self.write("k")
        _, text = self.stage("[vm a]\nkernel = nowhere\ninitrd = k\n", lenient=True)
        self.assertNotIn("nowhere", text)
        self.assertIn("/files/0 k\n", text)

    def test_name_that_grub_would_change(self):
        self.write("a'b")
        with self.assertRaisesRegex(ToolError, r"a.cfg:2: file name 'a'b' has a space"):
            self.stage("[vm a]\nkernel = a'b\nmemory = 2M\n")

    def test_missing_hypervisor(self):
        path = self.write("a.cfg", "")
        done = skerry("image", str(path), "-o", str(self.folder / "a.iso"), "--kernel", str(self.folder / "no"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("hypervisor not found: expected it from 'make'", done.stderr)


def run_qemu(words, folder):
    """What QEMU, started with its CPUs stopped, says that it does, or None when it refuses the words; and its complaints."""
    path = folder / "qmp"
    with subprocess.Popen([*words, "-S", "-qmp", f"unix:{path},server=on,wait=off"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        status = None
        with socket.socket(socket.AF_UNIX) as monitor, contextlib.suppress(OSError, ValueError):
            monitor.settimeout(60)
            while process.poll() is None and monitor.connect_ex(str(path)):
                time.sleep(0.05)  # it is not there yet, or nobody listens yet
            with monitor.makefile("rw", encoding="ascii") as lines:
                for command in ("qmp_capabilities", "query-status"):
                    lines.readline()  # the greeting, or the answer to the command before
                    print(json.dumps({"execute": command}), file=lines, flush=True)
                status = json.loads(lines.readline())["return"]["status"]
                process.kill()
        path.unlink(missing_ok=True)
        try:
            return status, process.communicate(timeout=60)[1]
        finally:
            process.kill()


class Commands(unittest.TestCase):
    """How the emulators are started."""

    def test_kvm(self):
        done = skerry("run", "x.iso", "--host", "kvm", "--smp", "4", "--memory", "2G", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("-machine q35,kernel-irqchip=split ", "-accel kvm ", "-cpu host,+vmx,migratable=off ", "-smp 4 ",
                     "-m 2048M ", "-device intel-iommu,intremap=on,caching-mode=on,eim=on ", "-cdrom x.iso ",
                     "-serial stdio ", "-display none ", "-no-reboot"):
            self.assertIn(part, done.stdout + " ")
        self.assertLess(done.stdout.index("intel-iommu"), done.stdout.index("-cdrom"))

    def test_kvm_words_are_qemus(self):
        """QEMU itself takes each of them; of those that only KVM can do it knows what they need, which stands there, too."""
        if not shutil.which(qemu.PROGRAM):
            self.skipTest(f"no {qemu.PROGRAM}")
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "x.iso"
            image.write_bytes(bytes(4096))
            line = skerry("run", str(image), "--host", "kvm", "--dry-run").stdout
            for wanted, without in (("-accel kvm", "-accel tcg"), ("-cpu host,", "-cpu max,")):
                self.assertEqual(line.count(wanted), 1)
                line = line.replace(wanted, without)
            status, words = run_qemu(shlex.split(line), Path(folder))
            self.assertIsNone(status)
            self.assertIn("eim=on requires accel=kvm,kernel-irqchip=split", words)
            line = line.replace(",eim=on", "")
            self.assertEqual(run_qemu(shlex.split(line), Path(folder))[0], "prelaunch")
            self.assertIsNone(run_qemu(shlex.split(line.replace("caching-mode", "cashing-mode")), Path(folder))[0])

    def test_kvm_words_are_quoted(self):
        done = skerry("run", "my image.iso", "--host", "kvm", "--dry-run")
        self.assertIn("-cdrom 'my image.iso'", done.stdout)

    def test_tcg(self):
        words = qemu.command("tcg", "x.iso", None, 2, 256, "bios", "/f")
        self.assertIn("tcg", words)
        self.assertEqual(words[words.index("-cpu") + 1], "max,-svm,xlevel=0x8000000A")
        self.assertNotIn("-drive", words)

    def test_svm(self):
        for host, emulator in (("tcg-svm", "tcg"), ("bochs-svm", "bochs")):
            self.assertEqual(run.pick_host(host), emulator)
        (case, there) = self.elsewhere("[a]\nconfig = c\nalso-on = tcg-svm\n")
        self.assertEqual((case.name, case.options, there.name, there.options), ("a", [], "a@tcg-svm", ["--host=tcg-svm"]))
        with self.assertRaisesRegex(ToolError, "also-on 'kvm': expected tcg-svm or bochs-svm"):
            self.elsewhere("[a]\nconfig = c\nalso-on = kvm\n")
        seldom = "[a]\nconfig = c\ninstead-on = tcg-svm\n[b]\nconfig = c\nhost = tcg-svm\nlong = yes\n"
        self.assertEqual([case.name for case in self.elsewhere(seldom)], ["a@tcg-svm"])
        self.assertEqual([case.name for case in self.elsewhere(seldom, everywhere=True)], ["a", "a@tcg-svm", "a@bochs-svm", "b"])
        names = [case.name for case in self.elsewhere("[a]\nconfig = c\n[b]\nconfig = c\ncpu = tigerlake\n", everywhere=True)]
        self.assertEqual(names, ["a", "a@tcg-svm", "a@bochs-svm", "b"])

    @staticmethod
    def elsewhere(text, everywhere=False):
        """The cases of a .test file with this text."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.test"
            path.write_text(text, encoding="utf-8")
            return cases.read_cases([path], everywhere)

    def test_console_elsewhere(self):
        more = ["-chardev", "stdio,id=c", "-device", "pci-serial,chardev=c"]
        for words, serial in ((more, "none"), (["-acpitable", "file=stdio.aml"], "stdio")):
            command = qemu.command("tcg", "x.iso", None, 2, 256, "bios", "/f", more=words)
            self.assertEqual(command[command.index("-serial") + 1], serial)
            self.assertEqual(command[-len(words):], words)

    def test_uefi_has_its_own_variables(self):
        with mock.patch.object(qemu, "firmware_files", return_value=(Path("/o/CODE"), Path("/o/VARS"))):
            words = qemu.command("tcg", "x.iso", None, 2, 256, "uefi", "/f")
        self.assertIn("if=pflash,format=raw,unit=0,readonly=on,file=/o/CODE", words)
        self.assertIn("if=pflash,format=raw,unit=1,file=/f/OVMF_VARS.fd", words)

    def test_uefi_without_firmware(self):
        with mock.patch.object(qemu, "firmware_files", return_value=None), \
                self.assertRaisesRegex(ToolError, "tools/setup test"):
            qemu.command("tcg", "x.iso", None, 2, 256, "uefi", "/f")

    def test_bochs_dry_run(self):
        done = skerry("run", "x.iso", "--host", "bochs", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bochsrc", done.stdout)
        self.assertIn("model=corei7_skylake_x, count=2", done.stdout)

    def test_bochs_rc(self):
        text = bochs.rc_text("/i.iso", "corei7_skylake_x", 2, 1024, "mode=socket-client, dev=127.0.0.1:7", "/f")
        for line in ("cpu: model=corei7_skylake_x, count=2, ips=100000000, reset_on_triple_fault=0",
                     "memory: guest=1024, host=1024", "com1: enabled=1, mode=socket-client, dev=127.0.0.1:7",
                     'ata0-master: type=cdrom, path="/i.iso", status=inserted', "info: action=ignore"):
            self.assertIn(line, text.splitlines())

    def test_bochs_quirks(self):
        text = bochs.rc_text("/i.iso", "sapphire_rapids", 1, 4096, "mode=file, dev=x", "/f")
        self.assertIn('msrs="/f/msrs"', text)
        self.assertIn('exclude_features="waitpkg,amx,amx_int8,amx_bf16,la57"', text)
        self.assertIn("memory: guest=4096, host=2048", text)
        self.assertIn('exclude_features="waitpkg"', bochs.describe_cpu("arrow_lake", 1, "m"))
        self.assertNotIn("exclude", bochs.describe_cpu("tigerlake", 1, "m"))

    def test_memory(self):
        self.assertEqual([run.mebibytes(text) for text in ("512M", "1G", "64", "2g")], [512, 1024, 64, 2048])
        for text in ("", "1T", "-1", "0", "1.5G"):
            with self.assertRaises(ToolError):
                run.mebibytes(text)

    def test_auto_host(self):
        with mock.patch.object(qemu, "nested_vmx", return_value=False):
            self.assertEqual(run.pick_host("auto"), "bochs")
        with mock.patch.object(qemu, "nested_vmx", return_value=True), \
                mock.patch.object(run.shutil, "which", return_value="/usr/bin/x"):
            self.assertEqual(run.pick_host("auto"), "kvm")
        self.assertEqual(run.pick_host("tcg"), "tcg")

    def test_wrong_use_is_one_line(self):
        for words in (("run", "none.iso", "--host", "tcg"), ("run", "x.iso", "--smp", "0"),
                      ("run", "x.iso", "--memory", "lots"), ("run", "x", "--host", "bochs", "--firmware", "uefi")):
            done = skerry(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class NestedVmx(Folder):
    """Whether the machine's KVM lends VMX on."""

    def test_parameter(self):
        device = self.write("kvm")
        for text, expected in (("Y\n", True), ("1\n", True), ("N\n", False), ("0\n", False)):
            self.assertEqual(qemu.nested_vmx(device, self.write("nested", text)), expected)
        self.assertFalse(qemu.nested_vmx(device, self.folder / "none"))
        self.assertFalse(qemu.nested_vmx(self.folder / "none", self.write("nested", "Y")))


class Verdict(unittest.TestCase):
    """Exit status by what was said."""

    def status(self, *chunks, until=""):
        transcript = verdict.Transcript(until)
        for chunk in chunks:
            transcript.feed(chunk)
        return transcript.finish()

    def test_endings(self):
        self.assertEqual(self.status(b"hello\r\nskerry: power off\r\n"), 0)
        self.assertEqual(self.status(b"skerry: halted: explain\r\n"), 0)
        self.assertEqual(self.status(b"skerry: halted: this CPU has no VMX\r\n"), 3)
        self.assertEqual(self.status(b"skerry: panic: page fault\r\nrip 0\r\n"), 4)
        self.assertEqual(self.status(b"skerry: VM alpha powered off\r\n"), 5)
        self.assertEqual(self.status(), 5)

    def test_lost_newline(self):
        self.assertEqual(self.status(b"skerry: power off"), 0)

    def test_byte_by_byte(self):
        self.assertEqual(self.status(*(bytes([byte]) for byte in b"\r\nskerry: power off\r\n")), 0)

    def test_last_word_counts(self):
        self.assertEqual(self.status(b"skerry: power off\nskerry: panic: late\n"), 4)

    def test_only_at_start_of_line(self):
        self.assertEqual(self.status(b"alpha: skerry: power off\n"), 5)

    def test_garbage(self):
        self.assertEqual(self.status(b"\xff\xfe\0" * 3000, b"\nskerry: power off\n"), 0)

    def test_until_more_than_once(self):
        transcript = verdict.Transcript("done", 3)
        for chunk, seen in ((b"done do", False), (b"ne\ndon", False), (b"e", True)):
            transcript.feed(chunk)
            self.assertEqual(transcript.until_seen, seen)

    def test_until_across_chunks(self):
        transcript = verdict.Transcript("userspace reached")
        transcript.feed(b"alpha: usersp")
        self.assertFalse(transcript.until_seen)
        transcript.feed(b"ace reached\r\n")
        self.assertTrue(transcript.until_seen)


class Keyboard(unittest.TestCase):
    """Keys on their way to the machine."""

    def test_ordinary(self):
        self.assertEqual(console.Keys().translate(b"ls\r\x1c\x04"), b"ls\r\x1c\x04")

    def test_escapes(self):
        keys = console.Keys()
        self.assertEqual(keys.translate(b"\x01"), b"")
        self.assertEqual(keys.translate(b"c"), b"\x03")
        self.assertEqual(keys.translate(b"\x01a"), b"\x01")

    def test_ends(self):
        for keys in (b"\x03", b"\x01x"):
            with self.assertRaises(KeyboardInterrupt):
                console.Keys().translate(keys)


class Archives(unittest.TestCase):
    """The initial file system, and where packages come from."""

    def test_cpio(self):
        def archive(order):
            made = cpio.Archive()
            for name in order:
                made.file(name, name.encode() * 3)
            made.folder("d")
            made.character_device("d/c", 5, 1)
            made.file("e/f/g", b"")
            return made
        one, two = archive(["a", "b"]), archive(["b", "a"])
        self.assertEqual(one.to_gzip(), two.to_gzip())
        data = gzip.decompress(one.to_gzip())
        self.assertEqual(len(data) % 4, 0)
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["busybox", "cpio", "-t"], input=data, cwd=folder, capture_output=True, check=False)
        self.assertEqual(done.stdout.split(), [b"a", b"b", b"d", b"d/c", b"e", b"e/f", b"e/f/g"])

    def test_mirror(self):
        targets = "http://x.example/tools bookworm main\nhttp://s.example/debian-security bookworm-security main\n" \
                  "http://m.example/debian/ bookworm main\nhttp://m.example/debian/ bookworm contrib\n"
        self.assertEqual(aptbox.pick_mirror(targets, "bookworm"), "http://m.example/debian/")
        self.assertEqual(aptbox.pick_mirror(targets, "trixie"), "")


class Bare(unittest.TestCase):
    """The reference without a hypervisor."""

    def test_entry_mark(self):
        kernel = bytearray(0x3000)
        kernel[0x1F1] = 4
        kernel[0x202:0x206] = b"HdrS"
        kernel[0xA00:0xA05] = b"abcde"
        marked = bare.with_entry_mark(bytes(kernel))
        jump, distance = struct.unpack_from("<Bi", marked, 0xA00)
        self.assertEqual((jump, 0xA00 + 5 + distance), (0xE9, 0x3000))
        self.assertIn(b"abcd", marked[0x3000:])
        self.assertEqual(marked[0xA05:0x3000], bytes(kernel[0xA05:]))

    def test_parse(self):
        boot = bare.parse("x\nentry: 0000000000000010\nbare: tsc: 100\n")
        self.assertEqual((boot.entry, boot.userspace, boot.ticks), (16, 100, 84))
        with self.assertRaises(ToolError):
            bare.parse("nothing")


class MachineTests(Folder):
    """The machine tests' own data and judgement."""

    def read(self, text):
        return cases.read_cases([self.write("x.test", text)])

    def test_case(self):
        (case,) = self.read("[a]\nconfig = c\nhost = tcg\nsmp = 3\nappend = a b\nstatus = 3\n"
                            "set =\n    x = 1\n    y = 2\nexpect =\n    ^one$\n    two\ninput =\n    alpha# -> ls\\r\n")
        self.assertEqual(case.options, ["--host=tcg", "--smp=3", "--append=a b", "--set=x = 1", "--set=y = 2"])
        self.assertEqual((case.expect, case.status), (["^one$", "two"], 3))
        self.assertEqual(case.steps, [("alpha#", b"ls\r")])

    def test_inline_configuration(self):
        (case,) = self.read("[a]\nconfig =\n    [vm x]\n    # own comment\n\n    kernel = k # c\n# comment\n"
                            "    cmdline = a=b\n\n# comment\nsmp = 1\n")
        self.assertEqual(case.text, "[vm x]\n# own comment\n\nkernel = k # c\n\ncmdline = a=b\n")
        self.assertEqual((case.config, case.options), ("build/tests/guests/a.cfg", ["--smp=1"]))
        with self.assertRaisesRegex(ToolError, "configs/hello.cfg exists"):
            self.read("[hello]\nconfig =\n    [vm x]\n")

    def test_bad_data(self):
        for text, why in (("[a]\nconfig = c\ncolour = red\n", "unknown key 'colour'"), ("[a]\nhost = tcg\n", "'config'"),
                          ("[a]\nconfig = c\nexpect = (\n", "regular expression"),
                          ("[a]\nconfig = c\ninput = x\n", "TEXT TO WAIT FOR"), ("[a]\n[a]\n", "already exists")):
            with self.assertRaisesRegex(ToolError, why):
                self.read(text)

    def test_judgement(self):
        case = SimpleNamespace(expect=["^one", "^two"], also=[], forbid=["panic"], status=0)
        self.assertEqual(cases.judge(case, "one\r\nx\r\ntwo\r\n", 0), "")
        self.assertIn("'^two' expected", cases.judge(case, "two\none\n", 0))
        self.assertIn("forbidden", cases.judge(case, "one\ntwo\nskerry: panic\n", 0))
        self.assertEqual(cases.judge(case, "one\ntwo\n", 5), "status 5, expected 0")
        case.also = ["^three", "^one"]
        self.assertEqual(cases.judge(case, "one\nthree\ntwo\n", 0), "")
        self.assertIn("'^three' expected", cases.judge(case, "one\ntwo\n", 0))


class Durations(Folder):
    """What tests took, and how long they will take."""

    def test_files(self):
        path = self.write("seconds", "a 2.5\n\nb\nc x\nd 3\n")
        self.assertEqual(progress.read_seconds(path), {"a": 2.5, "d": 3})
        progress.write_seconds(path, {"b": 1, "a": 2.25})
        self.assertEqual(path.read_text(encoding="utf-8"), "a 2.2\nb 1.0\n")
        self.assertEqual(progress.read_seconds(self.folder / "none"), {})

    def test_time_left(self):
        with mock.patch.object(progress, "kept", lambda: self.write("kept", "long 100\na 20\n")):
            done = progress.Progress(progress.History(), 2)
        self.assertEqual(done.plan({"b": 19, "a": 1, "long": 1}), ["long", "a", "b"])
        self.assertEqual(done.left(), 100)  # the sum is 139, for two
        with contextlib.redirect_stdout(io.StringIO()), mock.patch.object(sys, "__stdout__", io.StringIO()) as out:
            done.end("long", "FAIL long: why", failed=1)
            self.assertEqual(done.left(), 20)
            done.begin("a")
            done.end("a", "ok a", passed=1, lines=["a says"])
        self.assertEqual((done.passed, done.failed, done.skipped), (1, 1, 0))
        self.assertEqual(out.getvalue(), "[1/3 0:00, about 20 seconds left] FAIL long: why\n"
                                         "a says\n[2/3 0:00, about 19 seconds left] ok a 0.0s\n")

    def test_words(self):
        self.assertEqual([progress.words(seconds) for seconds in (99, 100, 1500)], ["99 seconds", "2 minutes", "25 minutes"])


class Counting(Folder):
    """Lines of code and segments of the image."""

    def test_c(self):
        text = '/* SPDX */\n\nint a; // b\n/* c\n d */ int e;\nchar *f = "/* no comment */";\nchar g = \'"\'; /* h */\n'
        self.assertEqual(count.code_lines("a.c", text), 4)

    def test_assembly(self):
        self.assertEqual(count.code_lines("a.asm", "; a\n mov al, ';' ; b\n\n  ; c\nret\n"), 2)

    def test_python(self):
        text = '#!/usr/bin/env python3\n"""Doc\nstring."""\n# x\na = """two\nlines"""\n\ndef f():\n    """Doc."""\n    return 1\n'
        self.assertEqual(count.code_lines("tool", text), 4)

    def test_others(self):
        self.assertEqual(count.code_lines("a.mk", "# a\nb := c # d\n\n"), 1)
        self.assertEqual(count.code_lines("tool", "#!/bin/sh\n# a\necho '# b'\n"), 1)
        self.assertIsNone(count.code_lines("LICENSE", "text\n"))

    def test_segments(self):
        header = b"\x7fELF\x02".ljust(32, b"\0") + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 2)
        table = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 100, 300, 0) + struct.pack("<IIQQQQQQ", 6, 0, 0, 0, 0, 9, 9, 0)
        path = self.folder / "image"
        path.write_bytes(header.ljust(64, b"\0") + table)
        self.assertEqual(count.segments(path), [count.Segment(300, 100)])
        path.write_bytes(b"no ELF")
        with self.assertRaisesRegex(ToolError, "expected an ELF64 file"):
            count.segments(path)

    def test_figures(self):
        text = "skerry: [vm a] costs 56 KiB beside its 16 MiB: EPT 3\nskerry: first guest entry 12 TSC ticks after\n" \
               "exits: cpuid 218\nlinux: tsc: 99\n"
        self.assertEqual(figures.vm_costs(text), [("a", 16, 56)])
        self.assertEqual(figures.first_entry(text), 12)
        self.assertEqual(figures.exits(text), {"cpuid": 218})
        self.assertEqual(figures.userspace(text, "linux"), 99)
        with self.assertRaisesRegex(ToolError, "the console lacks"):
            figures.first_entry("")

    def test_measurements(self):
        text = "vm: up\na-b: x_y min 1 average 2 median 3 p99 4 max 5 of 6\na-b: histogram x_y 1 4\n" \
               "a-b: histogram x_y 5 2\na-b: done, 3 ok\n"
        self.assertEqual(interrupts.parse(text), {"x_y": {
            "min": 1, "average": 2, "value": 3, "p99": 4, "max": 5, "of": 6, "histogram": [(1, 4), (5, 2)]}})

    def test_cyclictest(self):
        text = "cyclictest: status 0\ncyclictest| 000003 000000\ncyclictest| 000004 000098\ncyclictest| 000009 000001\n" \
               "cyclictest| 000012 000001\ncyclictest| # Min Latencies: 00004\ncyclictest| # Avg Latencies: 00005\n" \
               "cyclictest| # Max Latencies: 00012\n"
        result = cyclictest.parse(text)
        self.assertEqual(result, cyclictest.Result(((4, 98), (9, 1), (12, 1)), 4, 5, 12))
        self.assertEqual([result.percentile(p) for p in (50, 98, 99, 100)], [4, 4, 9, 12])
        with self.assertRaisesRegex(ToolError, "did not come to its end"):
            cyclictest.parse(text.replace("status 0", "status 1"))

    def test_aims(self):
        row = interrupts.Operation("guest", "key", "name", (900, 19, 2))
        self.assertEqual([row.aim(rung) for rung in ("bare", *interrupts.RUNGS)], [None, 900, 900, 19, 19, 2])
        self.assertEqual((interrupts.shown(19, 19), interrupts.shown(1020, 19), interrupts.shown(None, 1)),
                         ("19 ", "1,020!", "-"))


class Doctor(unittest.TestCase):
    """What the machine can host."""

    def test_status(self):
        from skerrylib import doctor
        for usable, status in ((True, 0), (False, 1)):
            with mock.patch.object(doctor, "report", return_value=([("what", usable, "why")], usable)), \
                    contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(doctor.run(), status)
            self.assertRegex(out.getvalue(), r"^what +(yes|no) +why\n")


if __name__ == "__main__":
    unittest.main()
