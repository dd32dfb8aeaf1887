#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the workload notice? Runs dirtier on this machine, damages its memory from outside, reads its report.

    selftest.py          builds dirtier.c itself; prints one line per check; exit status 0: all passed
"""
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = 4096
MAGIC = b"GODWITPG"


class Victim:
    """A running dirtier and its pages."""

    def __init__(self, binary, *settings):
        self.process = subprocess.Popen([binary, *settings], stdout=subprocess.PIPE, text=True)
        self.lines = iter(self.process.stdout.readline, "")
        self.until(r"dirtier: ready ")
        self.memory = os.open(f"/proc/{self.process.pid}/mem", os.O_RDWR)
        self.base = self.find_pages()

    def find_pages(self):
        """Address of page 0: the first page that starts with the magic and page number 0."""
        for line in Path(f"/proc/{self.process.pid}/maps").read_text().splitlines():
            span, mode = line.split()[:2]
            if not mode.startswith("rw") or line.endswith("]"):
                continue
            low, high = (int(x, 16) for x in span.split("-"))
            for address in range(low, high, PAGE):
                if os.pread(self.memory, 16, address) == MAGIC + bytes(8):
                    return address
        sys.exit("selftest: no pages found in the workload's memory")

    def read(self, page):
        return os.pread(self.memory, PAGE, self.base + page * PAGE)

    def write(self, page, offset, data):
        os.pwrite(self.memory, data, self.base + page * PAGE + offset)

    def until(self, pattern):
        for line in self.lines:
            match = re.match(pattern, line)
            if match:
                return match
        sys.exit(f"selftest: the workload ended before it printed '{pattern}'")

    def stop(self):
        self.process.kill()
        self.process.wait()


def check(name, good, seen):
    print(f"{'PASS' if good else 'FAIL'} {name}" + ("" if good else f": {seen}"))
    return good


def run(binary):
    results = []
    victim = Victim(binary, "quiet", "dirty_mb=1", "dirty_rate=200", "dirty_sweep=1", "console=ttyS0")
    seen = victim.until(r"dirtier: t=\d+ wall=\d+ gen=\d+ sweeps=[1-9]\d* .*errors=(\d+) clockback=(\d+)")
    results.append(check("untouched memory verifies", seen.groups() == ("0", "0"), seen[0]))

    byte = victim.read(77)[1000]
    victim.write(77, 1000, bytes([byte ^ 1]))
    seen = victim.until(r"dirtier: MISMATCH page=(\d+) offset=(\d+) ")
    results.append(check("a flipped bit is found", seen.groups() == ("77", "1000"), seen[0]))

    old = victim.read(5)
    while struct.unpack_from("<Q", victim.read(5), 16) == struct.unpack_from("<Q", old, 16):
        victim.until(r"dirtier: t=")
    victim.write(5, 0, old)
    seen = victim.until(r"dirtier: MISMATCH page=(\d+) offset=(\d+) ")
    results.append(check("a whole but old page is found", seen.groups() == ("5", "16"), seen[0]))

    victim.write(9, 0, victim.read(10))
    seen = victim.until(r"dirtier: MISMATCH page=(\d+) offset=(\d+) ")
    results.append(check("a page in another's place is found", seen.groups() == ("9", "8"), seen[0]))

    seen = victim.until(r"dirtier: t=.* errors=(\d+)")
    results.append(check("errors are counted", seen[1] == "3", seen[0]))
    victim.stop()
    return all(results)


def main():
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "dirtier"
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-o", binary, HERE / "dirtier.c"], check=True)
        return 0 if run(binary) else 1


if __name__ == "__main__":
    sys.exit(main())
