# SPDX-License-Identifier: MIT
"""The Debian guest on the move: watch it, move it, judge it; every figure of a move in one dictionary."""
from . import guests, moves
from .godwit import boot_hosts
from .wire_use import moves_in

MEMORY_MIB = 768                        # of each machine
COMPLAINTS = "tsc.*unstable|unstable.*tsc|soft lockup|hard LOCKUP|rcu.*stall|Call Trace|clocksource.*skew|hung task"
US = 1_000_000
BACKLOG_US = 200_000                    # what was waiting when somebody looks has been printed after that


class Mover:
    """The Debian guest web, first on hosts[0]."""

    def __init__(self, bench, folder, workload, names=("alpha", "beta")):
        self.bench = bench
        self.hosts = list(boot_hosts(bench, folder, names, files=guests.debian_files(), memory_mib=MEMORY_MIB,
                                     extra={names[0]: guests.debian_section(workload=workload)}))
        moves.start(self.hosts[0])
        self.last = None                # (report of the workload, emulated us) as it was last seen

    @property
    def host(self):
        """Where the guest is."""
        return self.hosts[0]

    def watch(self, sweeps=0, limit=30.0):
        """Look at its console until two lines came right on time and all pages were verified `sweeps` times since the
        first one; returns [(report, emulated us)] without lines that had been waiting."""
        moves.attach(self.host)
        begin_us = self.bench.wire.time_us
        deadline_us = self.bench.wire.deadline_us(limit)
        seen = []
        while len(seen) < 2 or seen[-1][0].sweeps < seen[0][0].sweeps + sweeps:
            assert self.bench.wire.time_us < deadline_us, f"no {sweeps} sweeps within {limit} s: {seen}"
            line = moves.debian_line(self.host, limit)
            if line[1] > begin_us + BACKLOG_US:
                seen.append(line)
        moves.detach(self.host)
        self.last = seen[-1]
        return seen

    def ask(self, command, limit=10.0):
        """Run a command in the guest's shell; returns what it printed."""
        moves.attach(self.host)
        self.host.send(f"{command}; echo the-$((40 + 2))-end\r")
        begin = self.host.machine.console.consumed
        self.host.expect(r"the-42-end", limit)
        printed = self.host.machine.console.text[begin:self.host.machine.console.consumed]
        moves.detach(self.host)
        return printed

    def complaints(self):
        """How many lines of the kernel's log complain about clocks or stalls."""
        printed = self.ask(f"echo count=$(dmesg | grep -ciE '{COMPLAINTS}')")
        return int(printed.rsplit("count=", 1)[1].split()[0])

    def move(self, options=""):
        """Move it to the other host; returns the source's report."""
        source, target = self.hosts
        report = moves.migrate(source, target.machine.number, options, limit=60)
        if report["moved"]:
            self.hosts.reverse()
        return report


def phase_us(seen):
    """How far the line came after the guest's clock struck the second it names, up to a constant."""
    report, time_us = seen
    return time_us - report.uptime * US


def move_figures(reports, pcap, port, rate):
    """What consoles and wire say about each move, as dictionaries."""
    found = []
    for report, move in zip(reports, moves_in(pcap, port), strict=True):
        figures = move.figures(rate)
        last_pages_ns = report["rounds"][-1]["bytes"] * 8 * 1_000_000_000 // rate
        blackout = report["blackout"]
        figures.update(
            blackout=blackout, duration_ns=report["duration_ns"], reported_rounds=report["rounds"],
            blackout_without_pages_ns=blackout["total_ns"] - last_pages_ns,
            last_round_at_link_rate_ns=last_pages_ns)
        found.append(figures)
    return found
