# SPDX-License-Identifier: MIT
"""The payload guest moves: memory intact, the blackout as reported, the stream as specified, by each way of logging."""
from lib import moves
from lib.bench import Bench

RESOLUTION_NS = 100_000                 # how well a reported blackout must agree, besides its own error bound


def judge_move(source, target, report, vm):
    """Both consoles tell the truth about the move that just ended."""
    assert report["moved"] and report["role"] == "source", report
    told = moves.last_report(target)
    assert told["moved"] and told["role"] == "target", told
    assert moves.states(source) == {} and moves.states(target) == {vm: "running"}
    seen = moves.blackout_ns(source.machine, target.machine)
    for host, blackout in ((source, report["blackout"]), (target, told["blackout"])):
        error = abs(blackout["total_ns"] - seen)
        assert error <= blackout["error_ns"] + RESOLUTION_NS, (host.name, seen, blackout)
    parts = sum(value for key, value in report["blackout"].items() if key not in ("total_ns", "error_ns"))
    assert parts == report["blackout"]["total_ns"], report["blackout"]
    return seen


def test_busy_guest_moves_and_blackout_is_as_reported(folder):
    with Bench(folder) as bench:        # it never sleeps, so its last VM exit on the source is the pause
        alpha, beta = moves.boot_payload(bench, folder)
        moves.start(alpha, "busy")
        before = moves.watch(alpha, vm="busy")
        report = moves.migrate(alpha, 1, vm="busy")
        seen = judge_move(alpha, beta, report, "busy")
        after = moves.watch(beta, passes=2, vm="busy")
        assert after.generations > before.generations and after.seconds > before.seconds, (before, after)
    stream, = moves.read_streams(bench.wire.pcap_path)
    assert stream["result"] == "done" and stream["vm"] == "busy", stream
    assert stream["ram_pages"] == 64 * 256, stream
    assert [(r["pages"], r["zero"]) for r in stream["rounds"]] == \
        [(r["pages"], r["zero_pages"]) for r in report["rounds"]], (stream, report)
    assert abs(stream["blackout_ns"] - seen) <= stream["blackout_error_ns"] + RESOLUTION_NS, (stream, seen)


def test_each_dirty_method_there_and_back(folder):
    with Bench(folder) as bench:
        alpha, beta = moves.boot_payload(bench, folder)
        moves.start(alpha)
        last = moves.watch(alpha)
        hosts = [alpha, beta]
        for method in moves.METHODS:
            source, target = hosts
            report = moves.migrate(source, target.machine.number, f"--dirty {method}")
            assert report["moved"], (method, report)
            assert len(report["rounds"]) >= 2 and report["rounds"][0]["dirty_pages"] > 0, (method, report)
            line = moves.watch(target, passes=2)
            assert line.generations > last.generations, (method, last, line)
            last = line
            hosts.reverse()
    streams = moves.read_streams(bench.wire.pcap_path)
    assert [stream["result"] for stream in streams] == ["done"] * 3, streams
