# SPDX-License-Identifier: MIT
"""A stock Debian kernel with a workload that verifies memory, vector registers and clocks moves from machine to
machine, five times in a row, and notices nothing."""
import json

from lib.bench import Bench
from lib.debian import Mover, move_figures, phase_us
from lib.godwit import MIGRATION_PORT
from lib.marks import slow
from lib import moves

RATE = 1_000_000_000
WORKLOAD = "dirty_mb=16 dirty_rate=1000 dirty_sweep=2"
METHODS = ("pml", "dbit", "wp", "auto", "dbit")
CLOCK_US = 2_000                        # serial lines take a while; five lost or doubled blackouts would be more
BLACKOUT_PAGES_LIMIT_NS = 100_000_000   # a sane blackout; its target is for `make bench`


@slow
def test_five_moves_in_a_row(folder):
    with Bench(folder, rate=RATE) as bench:
        mover = Mover(bench, folder, WORKLOAD)
        start = mover.watch()[-1]
        reports = []
        for number, method in enumerate(METHODS):
            before, source = mover.last, mover.host
            report = mover.move(f"--dirty {method}")
            assert report["moved"] and len(report["rounds"]) >= 2, (number, report)
            reports.append(report)
            assert moves.states(source) == {}, moves.states(source)
            seen = mover.watch(sweeps=2)
            judge_continuity(before, seen, number)
        assert abs(phase_us(mover.last) - phase_us(start)) <= CLOCK_US, (start, mover.last)
        assert mover.complaints() == 0, mover.ask("dmesg | tail -n 30")
    figures = move_figures(reports, bench.wire.pcap_path, MIGRATION_PORT, RATE)
    (folder / "figures.json").write_text(json.dumps(dict(zip(map(str, range(1, 6)), figures)), indent=1) + "\n")
    for report, measured in zip(reports, figures):
        assert measured["rounds"] == len(report["rounds"]), (report, measured)
        assert measured["pages"] == sum(r["pages"] for r in report["rounds"]), (report, measured)
        assert report["blackout"]["total_ns"] <= BLACKOUT_PAGES_LIMIT_NS, report


def judge_continuity(before, seen, number):
    """The guest goes on where it was; its clocks kept pace with emulated time, the blackout included."""
    for earlier, later in zip([before] + seen, seen):
        assert later[0].generations > earlier[0].generations, (number, earlier, later)
        assert later[0].uptime > earlier[0].uptime and later[0].wall >= earlier[0].wall, (number, earlier, later)
        assert abs(later[0].wall - later[0].uptime - before[0].wall + before[0].uptime) <= 1, (number, before, later)
        assert abs(phase_us(later) - phase_us(before)) <= CLOCK_US, (number, before, later)
