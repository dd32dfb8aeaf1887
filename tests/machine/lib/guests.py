# SPDX-License-Identifier: MIT
"""Guests for hosts that run Godwit: the stock Debian kernel with the workload in its initramfs, and what it prints."""
import re
from dataclasses import dataclass

from .bochs import BUILD, ROOT, BenchError

DIRTIER_LINE = re.compile(r"dirtier: t=(\d+) wall=(\d+) gen=(\d+) sweeps=(\d+) verified=(\d+) errors=(\d+) "
                          r"clockback=(\d+) gap_us=(\d+)")
DIRTIER_ALARM = re.compile(r"dirtier: (?:MISMATCH|CLOCKBACK) .*")


@dataclass
class Report:
    """One line of the workload (tests/guests/initramfs/dirtier.c); times in seconds of the guest's clocks."""
    uptime: int
    wall: int
    generations: int                    # rewrites of pages so far
    sweeps: int                         # how often all pages have been verified in order
    verified: int
    errors: int
    clockback: int
    gap_us: int


def reports(text):
    """All complete reports of the workload in a console's text."""
    return [Report(*map(int, match.groups())) for match in DIRTIER_LINE.finditer(text)]


def alarms(text):
    """What the workload complained about."""
    return DIRTIER_ALARM.findall(text)


def debian_kernel():
    """The distribution's vmlinuz, as build/deps/deps.mk names it."""
    names = BUILD / "deps" / "deps.mk"
    found = re.search(r"^GUEST_VMLINUZ := (.+)$", names.read_text(), re.MULTILINE) if names.is_file() else None
    if not found or not (ROOT / found[1]).is_file():
        raise BenchError("guest: no Debian kernel in build/deps; run tools/fetch.sh all and tools/build_deps.sh all")
    return ROOT / found[1]


def debian_initrd():
    path = BUILD / "initrd.img"
    if not path.is_file():
        raise BenchError(f"guest: no {path}; run make build/initrd.img")
    return path


def debian_files():
    """{name in \\godwit: source} of the Debian guest."""
    return {"vmlinuz": debian_kernel(), "initrd.img": debian_initrd()}


def debian_section(name="web", memory="256M", workload="dirty_mb=16 dirty_rate=1000", extra=""):
    """The Debian guest's section of godwit.cfg; extra: further keys, one a line."""
    return (f"[vm {name}]\nkernel = vmlinuz\ninitrd = initrd.img\nmemory = {memory}\n"
            f'cmdline = "console=ttyS0 quiet {workload}"\n{extra}')
