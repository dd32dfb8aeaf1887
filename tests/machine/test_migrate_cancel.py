# SPDX-License-Identifier: MIT
"""`migrate cancel` in every stage that an operator can hit, on either host: the guest runs on where it was, the other
host keeps nothing of it, and the next attempt works.

A slow wire makes the stages long: round 1 takes about 0.25 s, each further round and the last pages 0.2 s, because
the guest rewrites its 8 MiB faster than the wire carries them."""
from lib import moves
from lib.bench import Bench
from lib.godwit import MIGRATION_PORT
from lib.station import Station

RATE = 300_000_000
PERIOD_US = 500                         # coarser than usual: hundredths of a second matter here, and it is faster
VM = "restless"
PATIENT = "--downtime 1s --limit 5s"    # the last pages may take as long as they do
NEVER_ENDING = "--downtime 1ms --limit 1ms --rounds 1000"
SETTLE_S = 1.5                          # connections are closed and memory is given back


class Mute(Station):
    """A host with an address whose TCP never answers."""

    def _on_tcp(self, frame):
        pass


def free_memory(host):
    return next(line for line in host.run_json("mem") if line["event"] == "mem")["free_bytes"]


class Case:
    """Two hosts, the guest on alpha, and what must hold after every attempt that was cancelled."""

    def __init__(self, bench, folder):
        self.bench = bench
        self.alpha, self.beta = moves.boot_payload(bench, folder)
        moves.start(self.alpha, VM)
        self.last = moves.watch(self.alpha, vm=VM)
        self.free = {host: free_memory(host) for host in (self.alpha, self.beta)}

    def cancel(self, host=None):
        """Cancel on `host`; returns alpha's report."""
        host = host or self.alpha
        host.send("migrate cancel\r")
        if host is not self.alpha:
            host.expect(rf"{VM}: cancelling")
        report = moves.await_report(self.alpha)
        assert "cancelled by the operator" in report["result"], report
        return self.unharmed(report)

    def unharmed(self, report):
        assert report["moved"] is False and report["in_doubt"] is False, report
        self.bench.wire.run_for(SETTLE_S)
        assert moves.states(self.alpha) == {VM: "running"}
        assert moves.states(self.beta) == {}
        assert not moves.migrations(self.alpha) and not moves.migrations(self.beta)
        for host, free in self.free.items():
            assert free_memory(host) == free, (host.name, free, report)
        line = moves.watch(self.alpha, vm=VM)
        assert line.generations > self.last.generations, (self.last, line)
        self.last = line
        return report

    def reach(self, condition, options="", number=1):
        moves.begin(self.alpha, number, options, VM)
        return moves.await_progress(self.alpha, condition)


def test_cancel_before_anything_is_sent(folder):
    with Bench(folder, rate=RATE, period_us=PERIOD_US) as bench:
        case = Case(bench, folder)
        bench.wire.attach(bench.next_port(), Mute, address="10.0.0.8")
        listener = bench.wire.attach(bench.next_port(), Station, address="10.0.0.9")
        accepted = listener.listen(MIGRATION_PORT)
        for number, state in (("10.0.0.7", "connecting"), ("10.0.0.8", "connecting"), ("10.0.0.9", "hello")):
            case.reach(lambda line, state=state: line["state"] == state, number=number)
            report = case.cancel()
            assert report["rounds"] == [] and "blackout" not in report, report
        assert len(accepted) == 1 and (accepted[0].peer_closed or accepted[0].state == "reset"), accepted


def test_cancel_in_rounds_and_in_the_pause(folder):
    with Bench(folder, rate=RATE, period_us=PERIOD_US) as bench:
        case = Case(bench, folder)
        for host in (case.alpha, case.beta):
            case.reach(lambda line: line["round"] == 1 and line["pages_sent"] > 0)
            case.cancel(host)
        case.reach(lambda line: line["round"] >= 3, NEVER_ENDING)
        case.cancel()
        for host in (case.alpha, case.beta):
            case.reach(lambda line: line["state"] == "stopping", PATIENT)
            case.cancel(host)
        report = moves.migrate(case.alpha, 1, PATIENT, VM)
        assert report["moved"], report
        assert moves.states(case.alpha) == {}
        assert moves.watch(case.beta, passes=2, vm=VM).generations > case.last.generations
    results = [stream["result"] for stream in moves.read_streams(bench.wire.pcap_path, digest=False, cut=True)]
    assert [("cancelled" in result) for result in results] == [True] * 5 + [False] and results[-1] == "done", results


def test_guest_that_never_rests_is_given_up(folder):
    with Bench(folder, rate=RATE, period_us=PERIOD_US) as bench:
        case = Case(bench, folder)
        report = moves.migrate(case.alpha, 1, "--downtime 1ms --limit 10ms", VM)
        assert "does not converge" in report["result"] and len(report["rounds"]) > 2, report
        case.unharmed(report)
        report = moves.migrate(case.alpha, 1, PATIENT, VM)
        assert report["moved"], report
        moves.watch(case.beta, passes=2, vm=VM)
