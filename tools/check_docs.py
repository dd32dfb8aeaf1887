#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Check that documents name only what is there.

usage: check_docs.py [--root DIR] [FILE...]      default: README.md and docs/*.md
       check_docs.py --selftest

Looked at: relative links and their #anchors, and every path that begins with a folder of the repository
(`vmx/ept.c`, also with a wildcard, as in `boot/loader*.c`). Paths below build/ are made later and not looked at.
Exit status 1 and one line `file:line: what` for each thing that is missing.
"""
import argparse
import glob
import os
import re
import sys
import tempfile

FOLDERS = ["boot", "console", "docs", "drivers", "guest", "kernel", "migration", "net", "tests", "tools", "vmx", ".ci"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"(?<![\w/.\\$-])((?:%s)/[\w./*-]*)" % "|".join(map(re.escape, FOLDERS)))
HEADING = re.compile(r"^#+\s+(.*?)\s*$")


def anchor_of(heading):
    """The anchor that Markdown renderers make of a heading: lower case, words joined by hyphens, no punctuation."""
    text = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    found = set()
    fenced = False
    with open(path, encoding="utf-8") as f:
        for line in f:
            fenced ^= line.startswith("```")
            m = HEADING.match(line)
            if m and not fenced:
                found.add(anchor_of(m.group(1)))
    return found


def check_link(root, path, target):
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    full = os.path.normpath(os.path.join(root, os.path.dirname(path), name)) if name else os.path.join(root, path)
    if not os.path.exists(full):
        return f"link to {target}: no such file"
    if anchor and full.endswith(".md") and anchor not in anchors(full):
        return f"link to {target}: no such heading"
    return None


def check_path(root, name):
    name = name.rstrip(".-")
    if glob.glob(os.path.join(root, name)):
        return None
    return f"{name}: no such file"


def check_file(root, path):
    complaints = []
    with open(os.path.join(root, path), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            wrong = [check_link(root, path, t) for t in LINK.findall(line)]
            wrong += [check_path(root, name) for name in PATH.findall(LINK.sub("", line))]
            complaints += [f"{path}:{number}: {w}" for w in wrong if w]
    return complaints


def check(root, files):
    files = files or [f for f in ["README.md"] if os.path.exists(os.path.join(root, f))] + sorted(
        os.path.relpath(p, root) for p in glob.glob(os.path.join(root, "docs", "*.md")))
    complaints = [c for path in files for c in check_file(root, path)]
    for c in complaints:
        print(c)
    return 1 if complaints else 0


def selftest():
    """Each line of the sample has the number of complaints that it must cause."""
    sample = [
        ("# One heading, `with` code", 0),
        ("see [here](b.md), [there](b.md#second-part) and [above](#one-heading-with-code)", 0),
        ("[gone](c.md) and [no part](b.md#third)", 2),
        ("`vmx/ept.c`, vmx/ept*.c, [x](https://docs/none), build/docs/none", 0),
        ("`vmx/gone.c`, vmx/gone*.h.", 2),
    ]
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "docs"))
        os.makedirs(os.path.join(root, "vmx"))
        for name, text in [("vmx/ept.c", ""), ("docs/b.md", "# First\n## Second part\n"),
                           ("docs/a.md", "\n".join(line for line, _ in sample) + "\n")]:
            with open(os.path.join(root, name), "w", encoding="utf-8") as f:
                f.write(text)
        complaints = check_file(root, "docs/a.md")
    for number, (line, expected) in enumerate(sample, 1):
        found = sum(c.startswith(f"docs/a.md:{number}:") for c in complaints)
        if found != expected:
            print(f"selftest: {found} complaints instead of {expected} about: {line}")
            return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description="check that documents name only what is there")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--selftest", action="store_true")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    return selftest() if args.selftest else check(args.root, args.files)


if __name__ == "__main__":
    sys.exit(main())
