#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Can the demonstration fail? Hands its judgement invented reports; starts no machine. Prints PASS or FAIL per check."""
import io
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from demo import ConsoleView, Demo      # noqa: E402
from lib import guests                  # noqa: E402

BEFORE = guests.Report(uptime=3, wall=1003, generations=1000, sweeps=0, verified=5000, errors=0, clockback=0, gap_us=50)
AFTER = [replace(BEFORE, uptime=3 + n, wall=1003 + n, generations=1000 * (1 + n), sweeps=n, verified=5000 + 3000 * n)
         for n in (1, 2, 3, 4)]


class FakeHost:
    """Answers `vm list` with a row for web in the given state."""

    def __init__(self, state):
        self.state = state

    def run(self, _command):
        return f"NAME STATE\nweb              {self.state}      256 MiB     1\n"


def failures(judge):
    """What a fresh demonstration says has failed after judge(demo); its exit status must agree."""
    demo = Demo(Namespace(folder=Path("build/demo")))
    judge(demo)
    with redirect_stdout(io.StringIO()):
        status = demo.verdict(None)
    failed = [what for passed, what, _ in demo.results if not passed]
    assert status == (1 if failed else 0)
    return failed


def changed(index, **fields):
    seen = list(AFTER)
    seen[index] = replace(seen[index], **fields)
    return seen


def rows(text):
    shown = []
    view = ConsoleView(shown.append)
    for octet in text.encode("latin-1"):
        view.feed(bytes([octet]))
    return shown


CHECKS = {
    "a clean move passes": not failures(lambda demo: demo.judge_target(AFTER, BEFORE, [])),
    "a counted error fails": failures(lambda demo: demo.judge_target(changed(3, errors=1), BEFORE, [])),
    "a mismatch line fails": failures(lambda demo: demo.judge_target(AFTER, BEFORE, ["dirtier: MISMATCH page=1"])),
    "pages that were not verified fail": failures(lambda demo: demo.judge_target(AFTER[:1], BEFORE, [])),
    "a guest that started anew fails": failures(lambda demo: demo.judge_target(changed(0, generations=10), BEFORE, [])),
    "a guest that stands still fails": failures(
        lambda demo: demo.judge_target(changed(3, generations=AFTER[2].generations), BEFORE, [])),
    "an uptime that went back fails": failures(lambda demo: demo.judge_target(changed(0, uptime=2), BEFORE, [])),
    "a wall clock that went back fails": failures(lambda demo: demo.judge_target(changed(0, wall=1000), BEFORE, [])),
    "a clock that stepped back unseen fails": failures(lambda demo: demo.judge_target(changed(1, clockback=1), BEFORE, [])),
    "gone here and running there passes": not failures(
        lambda demo: demo.look_at_lists(FakeHost("stopped"), FakeHost("running"))),
    "running on both fails": failures(lambda demo: demo.look_at_lists(FakeHost("running"), FakeHost("running"))),
    "paused on the source fails": failures(lambda demo: demo.look_at_lists(FakeHost("paused"), FakeHost("running"))),
    "not running on the target fails": failures(lambda demo: demo.look_at_lists(FakeHost("stopped"), FakeHost("incoming"))),
    "redrawn progress becomes rows": rows("\rweb -> b  round 1  5%\rweb -> b  round 1  9%  \b\b\r         \rdone\r\n") ==
    ["web -> b  round 1  5%", "web -> b  round 1  9%", "done"],
    "prompts and escape sequences are left out": rows("\x1b[2Jgodwit:a> \r\n\x1b[Kweb: started\r\n") == ["web: started"],
}


def main():
    for name, good in CHECKS.items():
        print(f"{'PASS' if good else 'FAIL'} {name}")
    return 0 if all(CHECKS.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
