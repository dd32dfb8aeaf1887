#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boot one disk image on Bochs and stream its serial console to standard output.

    boot.py IMAGE [--ips N] [--mem N] [--until REGEX] [--limit SECONDS]

Ends with status 0 when REGEX has been seen, 1 when the limit passed or the machine stopped first.
The limit is wall time: a safety net, not a measurement.
"""
import argparse
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import bochs  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description="boot one disk image on Bochs, serial console to stdout")
    parser.add_argument("image", type=Path)
    parser.add_argument("--ips", type=int, default=bochs.DEFAULT_IPS)
    parser.add_argument("--mem", type=int, default=bochs.DEFAULT_MEMORY_MIB, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--model", default=bochs.DEFAULT_MODEL)
    parser.add_argument("--exclude", default="", help="CPU features to leave out, for example vmx")
    parser.add_argument("--until", help="end when this regular expression is seen")
    parser.add_argument("--limit", type=float, default=120, help="seconds of wall time")
    parser.add_argument("--vmentry", action="store_true", help="log why a VM entry failed (slow)")
    parser.add_argument("--folder", type=Path, default=bochs.BUILD / "machine" / "boot")
    return parser.parse_args()


def stream(process, path, until, limit_s):
    """Copy the growing serial file to stdout; True when `until` was seen."""
    deadline = time.monotonic() + limit_s
    seen = b""
    position = 0
    while True:
        alive = process.poll() is None
        if path.exists():
            with open(path, "rb") as serial:
                serial.seek(position)
                data = serial.read()
            position += len(data)
            seen = (seen + data)[-65536:]
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if until and re.search(until, seen):
            return True
        if not alive or time.monotonic() > deadline:
            return until is None and not alive
        time.sleep(0.05)


def main():
    args = parse_arguments()
    nic = bochs.Nic(mac="52:54:00:12:34:10")
    config = bochs.Config(image=args.image, folder=args.folder, ips=args.ips, memory_mib=args.mem,
                          model=args.model, cpus=args.cpus, exclude_features=args.exclude, nics=[nic],
                          cpu0_errors="report" if args.vmentry else "ignore")
    begin = time.monotonic()
    process = bochs.start(config)
    try:
        until = args.until.encode() if args.until else None
        done = stream(process, args.folder / "com1.txt", until, args.limit)
    finally:
        bochs.stop(process)
    print(f"\n[boot: {'seen' if done else 'ended'} after {time.monotonic() - begin:.1f} s of wall time; "
          f"emulator log {args.folder}/bochs.log]", file=sys.stderr)
    return 0 if done else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except bochs.BenchError as problem:
        sys.exit(f"boot.py: {problem}")
