#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the machine tests: functions test_* of tests/machine/test_*.py, one after the other.

    run_tests.py [--slow | --all] [--list] [--keep] [NAME...]

NAME selects tests whose "file.function" contains it. Each test gets its own empty folder
build/machine/<file>.<function>. Tests marked @slow run with --slow (only these) or --all.
Prints "ok NAME" or "FAIL NAME reason" for each, and a last line with the counts; status 1 when one failed.
"""
import argparse
import importlib
import inspect
import shutil
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from lib.bochs import BUILD             # noqa: E402
from lib.marks import Skipped, is_slow  # noqa: E402


def discover():
    """(name, function) of every test, in the order of the files and of their lines."""
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        functions = [function for name, function in vars(module).items()
                     if name.startswith("test_") and inspect.isfunction(function)
                     and function.__module__ == module.__name__]
        for function in sorted(functions, key=lambda f: f.__code__.co_firstlineno):
            yield f"{path.stem.removeprefix('test_')}.{function.__name__.removeprefix('test_')}", function


def run_one(name, function):
    """None when the test passed, else the reason in one line; the whole story goes into its folder."""
    folder = BUILD / "machine" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        function(folder)
    except Skipped:
        raise
    except Exception as problem:        # whatever it is, the next test must run
        (folder / "failure.txt").write_text(traceback.format_exc())
        place = traceback.extract_tb(problem.__traceback__)
        where = next((frame.lineno for frame in reversed(place) if Path(frame.filename).name.startswith("test_")), 0)
        return f"{type(problem).__name__}: {problem} (line {where}; {folder}/failure.txt)"
    return None


def select(args):
    for name, function in discover():
        if args.names and not any(part in name for part in args.names):
            continue
        if not args.names and not args.all and is_slow(function) != args.slow:
            continue
        yield name, function


def parse_arguments():
    parser = argparse.ArgumentParser(description="run the machine tests")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--slow", action="store_true", help="only the slow set")
    parser.add_argument("--all", action="store_true", help="quick and slow")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    args = parse_arguments()
    passed, failed, skipped = 0, 0, 0
    for name, function in select(args):
        if args.list:
            print(name + (" (slow)" if is_slow(function) else ""))
            continue
        begin = time.monotonic()
        try:
            reason = run_one(name, function)
        except Skipped as why:
            print(f"skip {name}: {why}", flush=True)
            skipped += 1
            continue
        wall = time.monotonic() - begin
        if reason is None:
            passed += 1
            print(f"ok {name} ({wall:.1f} s)", flush=True)
        else:
            failed += 1
            print(f"FAIL {name} {reason}", flush=True)
    if not args.list:
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    if not args.list and passed + failed + skipped == 0:
        print("no test has such a name", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
