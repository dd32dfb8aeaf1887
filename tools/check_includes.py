#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check who includes whom: the layer table of docs/architecture.md, folders named, own header first, no cycles.

usage: check_includes.py [--root DIR] [--picture]
--picture prints the arrows between folders that exist, as docs/architecture.md shows them.
Exit status 1 and one line `file:line: what` for each violation.
"""
import argparse
import os
import re
import sys

LAYERS = {  # folder -> folders whose headers it may include (besides its own)
    "boot": ["console", "migration", "guest", "net", "vmx", "drivers", "kernel"],
    "console": ["migration", "guest", "net", "drivers", "kernel"],
    "migration": ["guest", "net", "kernel"],
    "guest": ["vmx", "net", "kernel"],
    "net": ["drivers", "kernel"],
    "vmx": ["kernel"],
    "drivers": ["kernel"],
    "kernel": [],
}
THIRD_PARTY = {  # first part of the path -> the folders that may include it
    "lwip": ["net"], "netif": ["net"], "arch": ["net"], "lwipopts.h": ["net"], "efi.h": ["boot"], "efilib.h": ["boot"],
}
FREESTANDING = set("""assert.h ctype.h errno.h inttypes.h limits.h reent.h stdarg.h stdbool.h stddef.h stdint.h stdio.h
signal.h stdlib.h string.h strings.h time.h unistd.h stdnoreturn.h stdalign.h cpuid.h immintrin.h x86intrin.h sys/types.h sys/stat.h sys/time.h
sys/lock.h sys/reent.h""".split())
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def sources(root):
    for folder in list(LAYERS) + ["tests"]:
        for path, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".S", ".def")):
                    yield os.path.relpath(os.path.join(path, name), root)


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            m = INCLUDE.match(line)
            if m:
                yield number, m.group(1), m.group(2)


def check_one(root, path, number, quote, target, arrows):
    """The complaint about one include, or None."""
    folder = path.split("/")[0]
    first = target.split("/")[0]
    if folder == "tests":
        return None
    if first in THIRD_PARTY:
        if folder not in THIRD_PARTY[first]:
            return f"{folder}/ may not include <{target}>; only {', '.join(THIRD_PARTY[first])}/ may"
        return None
    if quote == "<":
        return None if target in FREESTANDING else f"<{target}> is no freestanding or newlib header"
    if "/" not in target:
        return f'"{target}" has no folder; write "{folder}/{target}"'
    if first == "tests":
        return f"{folder}/ may not include a test's header"
    if first not in LAYERS:
        return f'"{target}" is in no layer'
    if not os.path.exists(os.path.join(root, target)):
        return f'"{target}" does not exist'
    arrows.setdefault((folder, first), 0)
    arrows[folder, first] += 1
    if first != folder and first not in LAYERS[folder]:
        allowed = ", ".join(LAYERS[folder]) or "nothing"
        return f"{folder}/ may not include {first}/ (\"{target}\"); it may include {allowed}"
    return None


def own_header_first(root, path, found):
    header = path[:-2] + ".h"
    if not path.endswith(".c") or path.startswith("tests/") or not os.path.exists(os.path.join(root, header)):
        return None
    if not found or found[0][2] != header:
        return f'{path}:{found[0][0] if found else 1}: its own header "{header}" comes first'
    return None


def find_cycle(graph):
    """A list of headers that include each other in a circle, or None."""
    state, trail = {}, []

    def visit(node):
        state[node] = 1
        trail.append(node)
        for to in graph.get(node, []):
            if state.get(to) == 1:
                return trail[trail.index(to):] + [to]
            if to not in state:
                cycle = visit(to)
                if cycle:
                    return cycle
        trail.pop()
        state[node] = 2
        return None

    for node in sorted(graph):
        if node not in state:
            cycle = visit(node)
            if cycle:
                return cycle
    return None


def picture(arrows):
    for folder in LAYERS:
        to = [f for f in LAYERS if (folder, f) in arrows and f != folder]
        print(f"{folder:<10}-> {', '.join(to) if to else '-'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--picture", action="store_true")
    args = parser.parse_args()
    complaints, arrows, graph, count = [], {}, {}, 0
    for path in sources(args.root):
        found = list(includes(args.root, path))
        count += 1
        for number, quote, target in found:
            text = check_one(args.root, path, number, quote, target, arrows)
            if text:
                complaints.append(f"{path}:{number}: {text}")
        first = own_header_first(args.root, path, found)
        if first:
            complaints.append(first)
        if path.endswith(".h"):
            graph[path] = [t for _, q, t in found if q == '"']
    cycle = find_cycle(graph)
    if cycle:
        complaints.append(f"{cycle[0]}:1: headers include each other: {' -> '.join(cycle)}")
    if args.picture:
        picture(arrows)
    print("\n".join(complaints), end="\n" if complaints else "", file=sys.stderr)
    if count == 0:
        print("no source files found", file=sys.stderr)
    return 1 if complaints or count == 0 else 0


sys.exit(main())
