# SPDX-License-Identifier: MIT
"""Migration over a link that loses frames, and over one that is cut."""
from lib.bench import Bench
from lib.moves import await_progress, await_report, begin, boot_payload, migrate, start, states, watch

LOSSY = ["drop,p=0.002", "reorder,p=0.002,us=500us", "dup,p=0.002", "corrupt,p=0.0005"]


def test_lossy_link(folder):
    with Bench(folder, faults=LOSSY) as bench:
        alpha, beta = boot_payload(bench, folder)
        start(alpha)
        report = migrate(alpha, 1, limit=120)
        assert report["moved"], report
        watch(beta)
    ports = bench.wire.stats["ports"]
    assert ports["1"]["dropped"] > 0 and ports["1"]["corrupted"] > 0, ports


def test_link_cut_during_rounds(folder):
    with Bench(folder, rate=100_000_000) as bench:
        alpha, beta = boot_payload(bench, folder)
        start(alpha)
        begin(alpha, 1)
        await_progress(alpha, lambda line: line["state"] == "pre-copy" and line["round"] == 1)
        bench.wire.add_fault("down")
        report = await_report(alpha, limit=120)
        assert not report["moved"] and not report["in_doubt"], report
        watch(alpha)
        bench.wire.run_until(lambda: "web" not in states(beta), 120, "beta gives its copy up")
