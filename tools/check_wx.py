#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No memory both writable and executable in an ELF file. usage: check_wx.py ELF

Fails on a PT_LOAD with W and X, on two segments of different rights in one page, on an executable stack,
and on a file without PT_LOAD. One line per violation.
"""
import struct
import sys

PT_LOAD, PT_GNU_STACK = 1, 0x6474E551
PAGE = 4096


def rights(flags):
    return "".join(c if flags & b else "-" for c, b in (("r", 4), ("w", 2), ("x", 1)))


def segments(data):
    if data[:4] != b"\x7fELF" or len(data) < 64 or data[4] != 2:
        raise ValueError("not a 64-bit ELF file")
    phoff, = struct.unpack_from("<Q", data, 32)
    phentsize, phnum = struct.unpack_from("<HH", data, 54)
    for i in range(phnum):
        kind, flags, _, vaddr, _, _, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + i * phentsize)
        yield kind, flags, vaddr, memsz


def violations(data):
    loads = []
    for kind, flags, vaddr, memsz in segments(data):
        if kind == PT_GNU_STACK and flags & 1:
            yield "the stack is executable"
        if kind != PT_LOAD or memsz == 0:
            continue
        if flags & 3 == 3:
            yield f"segment at {vaddr:#x} is {rights(flags)}: writable and executable"
        for other, oflags, osize in loads:
            same_page = other // PAGE <= (vaddr + memsz - 1) // PAGE and vaddr // PAGE <= (other + osize - 1) // PAGE
            if same_page and oflags != flags:
                yield f"segments at {other:#x} ({rights(oflags)}) and {vaddr:#x} ({rights(flags)}) share a page"
        loads.append((vaddr, flags, memsz))
    if not loads:
        yield "no PT_LOAD segment"


def main():
    status = 0
    for path in sys.argv[1:]:
        with open(path, "rb") as f:
            data = f.read()
        try:
            found = list(violations(data))
        except (ValueError, struct.error) as error:
            found = [str(error)]
        for text in found:
            print(f"{path}: {text}", file=sys.stderr)
            status = 1
    return status if len(sys.argv) > 1 else 2


sys.exit(main())
