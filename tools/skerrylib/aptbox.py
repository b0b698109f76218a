# SPDX-License-Identifier: BSD-2-Clause
"""Fetch and unpack packages of any Debian suite without touching the machine's own apt.

apt runs with a private state directory and one private source, so that neither the machine's
sources nor its list of installed packages change, and no root is needed. Mirror, proxy and the
like are taken from the machine's own apt configuration.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from .common import ToolError

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Settings that decide how this machine reaches its mirror.
NETWORK_SETTING = re.compile(r'^Acquire::(http|https|tor|Retries|ForceIPv4|ForceIPv6|Check-)\S* ".+";$')


def host_codename():
    """The Debian release of this machine, or '' on another distribution."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^VERSION_CODENAME=(\S+)$", text, re.MULTILINE)
    return found.group(1).strip('"') if found else ""


def pick_mirror(targets, codename):
    """The URI that serves the machine's own release, from lines `URI RELEASE COMPONENT`."""
    uris = []
    for line in targets.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1:] == [codename, "main"] and fields[0] not in uris:
            uris.append(fields[0])
    # Third parties use Debian's release names as well; Debian's archive ends in /debian.
    uris.sort(key=lambda uri: not uri.rstrip("/").endswith("/debian"))
    return uris[0] if uris else ""


def mirror():
    """The Debian mirror that this machine uses."""
    given = os.environ.get("SKERRY_MIRROR")
    if given:
        return given
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                           "Created-By: Packages"], capture_output=True, text=True, check=False)
    uri = pick_mirror(done.stdout, host_codename())
    if not uri:
        raise ToolError("no Debian mirror found in this machine's apt sources; "
                        "set SKERRY_MIRROR to the URI of one")
    return uri


class AptBox:
    """A private apt for one suite, living in one directory."""

    def __init__(self, suite, directory, architecture="amd64"):
        if not shutil.which("apt-get"):
            raise ToolError("apt-get not found: expected a Debian machine")
        self.suite = suite
        self.architecture = architecture
        self.dir = Path(directory)
        self.config = self.dir / "apt.conf"
        for part in ("state/lists/partial", "cache/archives/partial", "empty"):
            (self.dir / part).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        (self.dir / "sources.list").write_text(
            f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n", encoding="utf-8")
        self.config.write_text(self._settings(), encoding="utf-8")

    def _settings(self):
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        kept = [line for line in dump.splitlines() if NETWORK_SETTING.match(line)]
        own = {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Install-Recommends": "false",
            # The sandbox user cannot read a directory below root's home.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Dir::State": self.dir / "state",
            "Dir::State::status": self.dir / "status",
            "Dir::Cache": self.dir / "cache",
            "Dir::Etc::sourcelist": self.dir / "sources.list",
            "Dir::Etc::sourceparts": self.dir / "empty",
            "Dir::Etc::preferencesparts": self.dir / "empty",
            "Dir::Etc::parts": self.dir / "empty",
            "Dir::Etc::main": self.dir / "absent",
        }
        return "\n".join(kept + [f'{key} "{value}";' for key, value in own.items()]) + "\n"

    def _apt(self, *words):
        environment = dict(os.environ, APT_CONFIG=str(self.config), LC_ALL="C",
                           DEBIAN_FRONTEND="noninteractive")
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            why = lines[-1] if lines else f"status {done.returncode}"
            raise ToolError(f"'{' '.join(words[:2])}' failed for Debian {self.suite}: {why}")
        return done.stdout

    def update(self):
        """Read the suite's package list."""
        self._apt("apt-get", "-qq", "update")

    def depends(self, package):
        """Names of the packages that PACKAGE directly depends on."""
        text = self._apt("apt-cache", "depends", "--no-recommends", "--no-suggests", package)
        return re.findall(r"^\s+Depends: (\S+)$", text, re.MULTILINE)

    def fetch(self, *packages, with_dependencies=True):
        """Download packages; returns their .deb files."""
        archives = self.dir / "cache/archives"
        if with_dependencies:
            self._apt("apt-get", "-qq", "-y", "--download-only", "install", *packages)
            return sorted(archives.glob("*.deb"))
        debs = []
        for package in packages:
            text = self._apt("apt-get", "-qq", "--print-uris", "download", package)
            name = text.split()[1]
            environment = dict(os.environ, APT_CONFIG=str(self.config), LC_ALL="C")
            done = subprocess.run(["apt-get", "-qq", "download", package], env=environment, cwd=archives,
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                raise ToolError(f"cannot download {package} of Debian {self.suite}: {done.stderr.strip()}")
            debs.append(archives / name)
        return debs


def unpack(deb, root):
    """Unpack a package's files below ROOT; no maintainer script runs."""
    done = subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"cannot unpack {deb}: {done.stderr.strip()}")
