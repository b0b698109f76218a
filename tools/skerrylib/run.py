# SPDX-License-Identifier: BSD-2-Clause
"""`skerry run`: boot a configuration or an image on the best host that this machine has."""

import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from . import bochs, config, console, image, media, qemu, screen, verdict, vmhost, vnc
from .common import BUILD, ToolError, locked
from .emulator import Emulator

RUNS = BUILD / "run"
KEPT_RUNS = 20
# Seconds in which the hypervisor draws what it has said.
DRAWS = 0.5
# Hosts whose processor is one of AMD's, and its model.
SVM_MODELS = {"tcg-svm": "EPYC", "bochs-svm": "ryzen"}
# What kind of medium a file is.
KINDS = {".iso": "iso", ".img": "disk", ".efi": "efi"}


def say(text):
    """A word of our own, beside the machine's: on a raw terminal a line needs its carriage return."""
    print(f"run: {text}", file=sys.stderr, flush=True)


def mebibytes(text):
    """A memory size as MiB: `512M`, `1G`, or a plain number of MiB."""
    found = re.fullmatch(r"(\d+)([MG]?)", text.upper())
    if not found or int(found.group(1)) == 0:
        raise ToolError(f"--memory {text}: expected a size such as 512M or 1G")
    return int(found.group(1)) * (1024 if found.group(2) == "G" else 1)


def pick_host(wanted):
    """The host to use, by what this machine has."""
    if wanted in SVM_MODELS:
        return wanted.removesuffix("-svm")
    if wanted != "auto":
        return wanted
    return "kvm" if qemu.nested_vmx() and shutil.which(qemu.PROGRAM) else "bochs"


def check_host(host, firmware, medium="iso", tpm=False):
    """Fail with one line when the host cannot be had here."""
    if host == "bochs":
        if firmware == "uefi":
            raise ToolError("UEFI: Bochs 3.0 has BIOS only; expected --host kvm or tcg with it")
        if tpm:
            raise ToolError("--tpm: expected --host kvm or tcg with it")
        if medium == "pxe":
            raise ToolError("--pxe: expected --host kvm or tcg with it")
        if bochs.find() is None:
            raise ToolError("Bochs 3.0 not found: get it with 'tools/fetch-bochs'")
        return
    if not shutil.which(qemu.PROGRAM):
        raise ToolError(f"{qemu.PROGRAM} not found: install it with 'tools/setup test'")
    if host == "kvm" and not qemu.nested_vmx():
        raise ToolError("--host kvm: no nested VMX here: expected /dev/kvm and 'Y' in "
                        f"{qemu.KVM_NESTED}; try --host bochs")


def forget_old_runs():
    """Keep the files of the last runs only; never those of one that goes on, which holds its lock."""
    folders = sorted((lock.parent for lock in RUNS.glob("*/lock")), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-KEPT_RUNS]:
        try:
            with open(folder / "lock", "w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, or another run was quicker to remove it


def machine_command(options, host, medium, folder):
    """Command and environment of a QEMU run."""
    qemu.prepare(options.firmware, folder, options.uefi_vars)
    monitor = f"unix:{folder}/monitor,server,nowait" if options.screenshot or options.ram else None
    words = qemu.command(host, medium, options.cpu, options.smp, mebibytes(options.memory), options.firmware, folder, monitor,
                         shlex.split(options.qemu))
    if options.tpm:
        words += qemu.start_tpm(folder)
    return words, dict(os.environ)


def write_bochs_files(options, medium, folder, port):
    """The rc file and what it names; returns the rc file's path."""
    model = options.cpu or bochs.DEFAULT_MODEL
    serial = f"mode=socket-client, dev=127.0.0.1:{port}"
    rc = folder / "bochsrc"
    rc.write_text(bochs.rc_text(medium, model, options.smp, mebibytes(options.memory), serial, folder,
                                pixels=bool(options.screenshot)), encoding="utf-8")
    (folder / "msrs").write_text(bochs.QUIRKS.get(model, bochs.Quirks()).msrs, encoding="ascii")
    return rc


def start(options, host, medium, folder, log):
    """Start the machine; returns the emulator with its serial port open."""
    if host != "bochs":
        words, environment = machine_command(options, host, medium, folder)
        return Emulator(words, environment, log, Path.cwd(), serial_pipes=True)  # where --qemu names files from
    program = bochs.find()
    module = vmhost.choose(program, options.vmhost, options.cpu_knobs)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rc = write_bochs_files(options, medium, folder, listener.getsockname()[1])
        emulator = Emulator([*program.command(module), "-q", "-f", str(rc)],
                            program.environment(module, options.cpu_knobs), log, folder, serial_pipes=False)
        try:
            if options.screenshot:
                emulator.screen = vnc.Screen(emulator.process.pid)
            emulator.accept(listener)
            emulator.discard_screen()
        except BaseException as error:
            emulator.stop()
            if isinstance(error, ToolError):
                raise ToolError(f"{error}; see {folder}/emulator.log") from error
            raise
    return emulator


def dry_run(options, host, medium, folder):
    """Print what would be started, for a person to start by hand."""
    if host != "bochs":
        words = qemu.command(host, medium, options.cpu, options.smp, mebibytes(options.memory), options.firmware,
                             folder, more=shlex.split(options.qemu))
        print(shlex.join(words))
        return 0
    program = bochs.find() or bochs.Bochs(bochs.cached_root())
    module = vmhost.choose(program, options.vmhost, options.cpu_knobs)
    environment = program.environment(module, options.cpu_knobs)
    names = ("BXSHARE", "LTDL_LIBRARY_PATH", "TERM", *(["SKERRY_VMHOST"] if module else []))
    print(" ".join(f"{name}={shlex.quote(environment[name])}" for name in names),
          shlex.join([*program.command(module), "-q", "-f", f"{folder}/bochsrc"]))
    print(f"# {folder}/bochsrc")
    print(bochs.rc_text(medium, options.cpu or bochs.DEFAULT_MODEL, options.smp, mebibytes(options.memory),
                        "mode=file, dev=/dev/stdout", folder), end="")
    return 0


def medium_of(source):
    """What kind of medium the source is; None: a configuration."""
    return "pxe" if Path(source).is_dir() else KINDS.get(Path(source).suffix)


def given_medium(options, folder):
    """The medium as it is given; of one file the volume that starts it."""
    source = Path(options.source)
    if not (source.is_file() or (source / media.NET_IMAGE["uefi"]).is_file()):
        raise ToolError(f"{source}: image not found: expected one made by 'tools/skerry image'")
    if options.append or options.kernel or options.settings:
        raise ToolError(f"{source}: --append, --kernel and --set are for configurations: "
                        "an image has its own inside")
    if source.suffix == ".efi":
        media.bare_volume(source, folder / "image.img")
        return folder / "image.img"
    return source.resolve()


def prepare_medium(options, folder):
    """The image to boot: given, or made from the configuration."""
    if medium_of(options.source):
        return given_medium(options, folder)
    words = (options.append, options.kernel, options.lenient, options.settings)
    if options.medium == "iso":
        image.make(options.source, folder / "image.iso", *words, options.acpi)
        return folder / "image.iso"
    if options.medium == "pxe":
        media.make("pxe", options.source, folder / "net", *words, sign=options.sign)
        return folder / "net"
    made = folder / f"made.{options.medium}"
    media.make(options.medium, options.source, made, *words, sign=options.sign)
    if options.medium == "efi":
        media.bare_volume(made, folder / "image.img")
    else:
        os.replace(made, folder / "image.img")
    return folder / "image.img"


def stop_on_signals():
    """Let the usual ways to end a program take the same way out as Ctrl-C."""
    def interrupt(_number, _frame):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupt)


def spare_stock_bochs(options):
    """Without the module, Bochs delivers virtual interrupts where the guest forbids them (docs/testhost.md)."""
    if vmhost.choose(bochs.find(), options.vmhost, options.cpu_knobs):
        return
    if medium_of(options.source):
        say("Bochs without its CPU module: guests need apicv = off or the boot option apicv=off in the image")
    elif not options.kernel:
        options.append = f"{options.append} apicv=off".strip() if options.append else "apicv=off"
        say("Bochs without its CPU module ('make vmhost'): boot option apicv=off")


def take_picture(options, emulator, folder):
    """What the screen shows."""
    time.sleep(DRAWS)
    if emulator.screen:
        vnc.write_ppm(options.screenshot, emulator.screen.picture())
    else:
        screen.take(folder / "monitor", options.screenshot)


def boot(options, host, folder):
    """One run, from medium to verdict."""
    if host == "bochs":
        spare_stock_bochs(options)
    medium = prepare_medium(options, folder)
    transcript = verdict.Transcript(options.until or "", options.times)
    serial_log = Path(options.log) if options.log else folder / "serial.log"
    serial_log.parent.mkdir(parents=True, exist_ok=True)
    with open(folder / "emulator.log", "wb") as log, open(serial_log, "wb") as serial:
        emulator = start(options, host, medium, folder, log)
        try:
            say(f"{host}, {options.smp} CPUs, {options.memory} memory; logs in {os.path.relpath(folder)}")
            if sys.stdin.isatty():
                say(console.KEYS)
            typed_at = None
            if options.keyboard:
                typed_at = emulator.screen.type if emulator.screen else emulator.keyboard
            status = console.Console(emulator, transcript, serial, typed_at).pump(options.timeout)
            if options.screenshot:
                take_picture(options, emulator, folder)
            if options.ram:
                screen.take_memory(folder / "monitor", options.ram, mebibytes(options.memory) << 20)
            if status == verdict.TIMEOUT:
                serial.write("".join(f"\n{line}" for line in emulator.state()).encode())
            return status
        finally:
            emulator.stop()


def size_machine(options):
    """What was not said about the machine is as the configuration needs it."""
    text = ""
    if not medium_of(options.source):
        text = config.read(options.source, options.settings)[0].decode("utf-8", errors="replace")
    cpus, memory = config.machine_for(text)
    options.smp = options.smp or cpus
    options.memory = options.memory or f"{-(-memory // (1 << 20))}M"
    mebibytes(options.memory)


def run(options):
    """The `run` command; returns its exit status."""
    options.medium = medium_of(options.source) or options.medium
    options.firmware = options.firmware or ("uefi" if options.medium in ("disk", "efi") else "bios")
    if options.medium in ("disk", "efi") and options.firmware == "bios":
        raise ToolError("--firmware bios: starts no UEFI program; expected an ISO or --pxe with it")
    if options.acpi and (options.medium != "iso" or medium_of(options.source)):
        raise ToolError("--acpi: expected an ISO made of a configuration with it")
    size_machine(options)
    host = pick_host(options.host)
    if options.host in SVM_MODELS:
        options.cpu = options.cpu or SVM_MODELS[options.host]
        options.vmhost = "off" if options.vmhost == "auto" else options.vmhost  # it is about VMX
    if options.dry_run:
        medium = options.source if medium_of(options.source) else {"iso": "image.iso", "pxe": "net"}.get(options.medium, "image.img")
        return dry_run(options, host, medium, RUNS / "dry-run")
    check_host(host, options.firmware, options.medium, options.tpm)
    if host == "bochs":
        if options.qemu:
            raise ToolError("--qemu: expected --host kvm or tcg with it")
        if options.ram:
            raise ToolError("--ram: expected --host kvm or tcg with it")
        if options.screenshot and Path(options.screenshot).suffix != ".ppm":
            raise ToolError(f"--screenshot {options.screenshot}: expected a name that ends in .ppm with --host bochs")
        vmhost.choose(bochs.find(), options.vmhost, options.cpu_knobs)
    elif options.keyboard:
        raise ToolError(f"--keyboard is for --host bochs, not {host}")
    elif options.vmhost == "on" or options.cpu_knobs:
        raise ToolError(f"--vmhost and --cpu-knobs are for --host bochs, not {host}")
    stop_on_signals()
    try:
        RUNS.mkdir(parents=True, exist_ok=True)
        forget_old_runs()
        folder = Path(tempfile.mkdtemp(prefix=f"{Path(options.source).stem}-", dir=RUNS))
    except OSError as error:
        raise ToolError(f"{RUNS}: cannot write there: {error.strerror}") from error
    with locked(folder / "lock"):
        try:
            status = boot(options, host, folder)
        finally:
            for name in ("image.iso", "image.img", "made.efi", "OVMF_VARS.fd"):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / "net", ignore_errors=True)
    text = verdict.MEANING[status]
    if options.until and status == verdict.POWER_OFF:
        text = "text seen"
    if status == verdict.TIMEOUT:
        text = f"timeout after {options.timeout:g} s"
    say(f"{text} (status {status})")
    return status
