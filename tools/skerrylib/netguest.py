# SPDX-License-Identifier: BSD-2-Clause
"""Linux guests that are parts of a network: Debian's kernel, busybox, nft, and the traffic program of examples/router."""

import shutil
import subprocess

from . import debguest, kernels
from .common import REPO

SUITE = "bookworm"
# In the order in which the guests load them; those that begin with nf are for guests that forward.
MODULES = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net", "libcrc32c", "nfnetlink", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack",
           "nf_nat", "nf_tables", "nft_chain_nat", "nft_masq", "nft_objref")
LIBRARIES = {"libnftables.so.1": "libnftables1", "libnftnl.so.11": "libnftnl11", "libmnl.so.0": "libmnl0",
             "libjansson.so.4": "libjansson4", "libgmp.so.10": "libgmp10", "libxtables.so.12": "libxtables12",
             "libedit.so.2": "libedit2", "libtinfo.so.6": "libtinfo6", "libbsd.so.0": "libbsd0", "libmd.so.0": "libmd0",
             "libc.so.6": "libc6"}
FILES = {"bin/nft": ("nftables", "nft"), "lib64/ld-linux-x86-64.so.2": ("libc6", "ld-linux-x86-64.so.2"),
         **{f"lib/{file}": (package, file) for file, package in LIBRARIES.items()}}
COMMON = REPO / "examples/router"


def make(example, target):
    """Fill TARGET with kernel, initramfs.cpio.gz of EXAMPLE's init, and its skerry.cfg; returns an exit status."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(example / "skerry.cfg", target / "skerry.cfg")
    return make_with("nftables", FILES, example / "init", target)


def make_with(name, files, init, target, modules=MODULES):
    """Fill TARGET with kernel and initramfs.cpio.gz of INIT; FILES of packages are kept in the cache as NAME, the
    kernel with its MODULES, too, if they are others than all have."""
    kernel = kernels.with_modules("network" if modules is MODULES else f"{name}-modules", SUITE, modules)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kernel / "vmlinuz", target / "vmlinuz")
    (target / "modules").write_text("".join(f"{module}\n" for module in modules), encoding="ascii")
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o",
                    str(target / "traffic"), str(COMMON / "traffic.c")], check=True)
    further = [(kernel / f"{module}.ko", f"{module}.ko") for module in modules]
    further += [(target / "modules", "modules"), (target / "traffic", "bin/traffic"), (COMMON / "common.sh", "common.sh")]
    return debguest.make(name, SUITE, files, init, further, target)
