#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Text hygiene of the repository's own files. usage: check_words.py [--root DIR]

- C, assembly and linker files: an SPDX line among the first three, no tabs, at most 132 columns (the aim is 110)
- all text: no trailing blanks, no carriage return, a newline at the end
- TODO, FIXME, XXX only with the condition for their removal: `TODO until ...`, `TODO when ...`
One line `file:line: what` for each violation.
"""
import argparse
import os
import re
import subprocess
import sys

CODE = (".c", ".h", ".S", ".ld", ".def")
TEXT = CODE + (".py", ".sh", ".mk", ".md", ".txt", ".cfg", "Makefile")
COLUMNS = 132  # the aim is 110
WORK_LEFT = re.compile(r"\b(TODO|FIXME|XXX)\b")
CONDITION = re.compile(r"\b(TODO|FIXME|XXX)[^a-z]*(until|when|once) ")


def files(root):
    """Tracked files; every file where there is no repository."""
    if os.path.exists(os.path.join(root, ".git")):
        out = subprocess.run(["git", "-C", root, "ls-files"], check=True, capture_output=True, text=True).stdout
        return out.split("\n")[:-1]
    return [os.path.relpath(os.path.join(d, n), root) for d, _, names in os.walk(root) for n in sorted(names)]


def violations(path, text):
    is_code = path.endswith(CODE)
    lines = text.split("\n")
    if is_code and "SPDX-License-Identifier: " not in "\n".join(lines[:3]):
        yield 1, "no SPDX-License-Identifier line"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if is_code and "\t" in line:
            yield number, "a tab"
        if is_code and len(line) > COLUMNS:
            yield number, f"{len(line)} columns, at most {COLUMNS}"
        if line.endswith("\r"):
            yield number, "a carriage return"
        elif line != line.rstrip():
            yield number, "trailing blanks"
        if WORK_LEFT.search(line) and not CONDITION.search(line) and not path.startswith("tools/check_"):
            yield number, f"{WORK_LEFT.search(line).group(1)} without the condition for its removal"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    root = parser.parse_args().root
    count = bad = 0
    for path in files(root):
        full = os.path.join(root, path)
        if not path.endswith(TEXT) or "/corpus/" in path or not os.path.isfile(full):
            continue
        count += 1
        with open(full, encoding="utf-8", errors="replace", newline="") as f:
            for number, what in violations(path, f.read()):
                print(f"{path}:{number}: {what}", file=sys.stderr)
                bad += 1
    if count == 0:
        print("no files found", file=sys.stderr)
    return 1 if bad or count == 0 else 0


sys.exit(main())
