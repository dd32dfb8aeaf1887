#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration: two machines run Godwit, a Debian guest that dirties and verifies its memory moves from the first
to the second. Shows both consoles, one line each, with emulated time; checks the outcome.

    demo.py [--folder FOLDER] [--rate PAGES/S] [--mb MIB]

Exit status 0 only if every check at the end passed. Consoles, timed logs and the captured wire stay in the folder
(default build/demo). `make demo` builds everything first.
"""
import argparse
import re
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import guests, qemu            # noqa: E402
from lib.bench import Bench             # noqa: E402
from lib.bochs import BUILD, BenchError     # noqa: E402
from lib.godwit import Host, address_of, configuration   # noqa: E402
from lib.image import make_godwit_image     # noqa: E402
from lib.machine import ESCAPE          # noqa: E402
from lib.wire import EmulatedTimeout    # noqa: E402

HOSTS = ("alpha", "beta")
BACK_TO_SHELL = "\x1d"                  # Ctrl-]
NOISE = re.compile(r"^(BdsDxe: |\s*$)")
REPORT_BEGIN = re.compile(r"^\S+ (->|<-) \S+: moved")
REPORT_END = re.compile(r"^(blackout|error|godwit:|\[)")
PROGRESS = re.compile(r"-> \S+  \S")
LINES_ON_TARGET = 4
SWEEPS_ON_TARGET = 2                    # the one under way at the move, and one from first to last page
COLOURS = {"alpha": "\x1b[36m", "beta": "\x1b[33m", "demo": "\x1b[1m"}


class Screen:
    """Both consoles as one stream of lines: emulated time, machine, text. Redrawn progress rows become lines."""

    def __init__(self, colour):
        self.colour = colour

    def line(self, name, time_us, text):
        stamp = f"{time_us / 1e6:9.3f} s" if time_us is not None else " " * 11
        before, after = (COLOURS[name], "\x1b[0m") if self.colour else ("", "")
        print(f"{before}{stamp} {name:<5}|{after} {text}", flush=True)

    def watch(self, machine):
        wire, key = machine.wire, (machine.number, 0)
        feed = wire.serial_sinks[key]
        held = []                       # rows of a report: they stay together

        def show(text):
            held.append((machine.name, wire.time_us, text))
            if not REPORT_BEGIN.search(held[0][2]) or REPORT_END.search(text):
                for row in held:
                    self.line(*row)
                held.clear()
        view = ConsoleView(show)

        def sink(data):
            feed(data)
            view.feed(data)
        wire.serial_sinks[key] = sink


class ConsoleView:
    """One console: bytes in, finished rows out. A row that is drawn over again counts if it shows progress."""

    def __init__(self, show):
        self.show, self.pending, self.last = show, "", ""

    def feed(self, data):
        self.pending += data.decode("latin-1")
        while (found := re.search(r"\r*\n|\r(?=[^\r\n])", self.pending)) is not None:
            row = ESCAPE.sub("", self.pending[:found.start()]).replace("\b", "").rstrip()
            self.pending = self.pending[found.end():]
            if NOISE.search(row) or row == self.last or re.fullmatch(r"godwit:\w+>", row):
                continue
            if found[0] == "\r" and not PROGRESS.search(row):
                continue
            self.last = row
            self.show(row)


class Demo:
    def __init__(self, args):
        self.args = args
        self.screen = Screen(sys.stdout.isatty())
        self.results = []               # (passed, what, detail)
        self.report = []                # alpha's, with the table
        self.begin = time.monotonic()

    def say(self, text):
        self.screen.line("demo", None, text)

    def check(self, passed, what, detail=""):
        self.results.append((bool(passed), what, detail))
        return bool(passed)

    def make_bench(self):
        """The bench, and settings for its machines."""
        if qemu.has_nested_vmx() and shutil.which("qemu-system-x86_64"):
            self.say("this host offers VT-x to its guests: two machines on QEMU/KVM, 768 MiB each; times are the host's")
            return qemu.QemuBench(self.args.folder), {"memory_mib": 768}
        self.say("two machines on Bochs, 768 MiB and a 1 GHz CPU each, on a 1 Gbit/s wire, in lock-step: one axis of")
        self.say("emulated time. It stands at the left; it is far behind the clock on the wall while the CPUs are busy.")
        return Bench(self.args.folder), {"memory_mib": 768, "ips": 1_000_000_000}

    def run(self):
        shutil.rmtree(self.args.folder, ignore_errors=True)
        bench, settings = self.make_bench()
        workload = f"dirty_mb={self.args.mb} dirty_rate={self.args.rate} dirty_sweep=2"
        with bench:
            alpha = self.make_host(bench, 0, guests.debian_section(workload=workload), guests.debian_files(), settings)
            beta = self.make_host(bench, 1, "", {}, settings)
            self.say("power on")
            bench.start()
            self.boot(alpha, beta)
            before = self.start_guest(alpha)
            self.migrate(alpha)
            self.look_at_target(beta, before)
            self.look_at_lists(alpha, beta)

    def make_host(self, bench, number, section, files, settings):
        """A machine with its boot image. Only alpha's holds the guest's files."""
        name = HOSTS[number]
        image = make_godwit_image(self.args.folder / f"{name}.img",
                                  configuration(name, number, [(HOSTS[1 - number], 1 - number)], section), files)
        host = Host(bench.machine(name, image, **settings))
        self.screen.watch(host.machine)
        return host

    def boot(self, alpha, beta):
        for host in (alpha, beta):
            host.expect_prompt(limit=30)
        self.check(True, "both machines boot to the prompt")

    def start_guest(self, alpha):
        """Start the guest and watch it; returns its last report on alpha."""
        self.say("start the Debian guest on alpha; from here to its first line takes about a minute on the wall")
        alpha.send("vm start web\r")
        alpha.expect(r"web: started", limit=10)
        alpha.expect_prompt()
        alpha.send("vm console web\r")
        for _ in range(2):
            alpha.expect(guests.DIRTIER_LINE.pattern, limit=60)
        alpha.send(BACK_TO_SHELL)
        alpha.expect(r"back in the shell", limit=10)
        alpha.expect_prompt()
        last = guests.reports(alpha.machine.text)[-1]
        self.check(last.verified > 0 and last.errors == 0 and last.clockback == 0 and not guests.alarms(alpha.machine.text),
                   "the guest verifies its memory on alpha", f"{last.verified} pages verified, {last.errors} errors")
        return last

    def migrate(self, alpha):
        self.say("move it while it runs")
        alpha.send(f"migrate web to {address_of(1)}\r")
        outcome = alpha.expect(r"(web -> \S+: (moved|not moved|IN DOUBT)[^\r\n]*|error: [^\r\n]*)[\r\n]", limit=60)
        self.check(outcome[2] == "moved", "alpha reports that the guest moved", outcome[1])
        if outcome[2] != "moved":
            raise EmulatedTimeout(f"alpha: {outcome[1]}")
        blackout = alpha.expect(r"(blackout \S+ \S+ \+- \S+ \S+):[^\r\n]*[\r\n]", limit=10)
        self.check(True, "alpha reports the blackout", blackout[1])
        text = alpha.machine.text
        report = text[text.rindex(outcome[1]):].replace("\r", "").split("\n")
        self.report = report[:1 + next(i for i, row in enumerate(report) if row.startswith("blackout "))]

    def look_at_target(self, beta, before):
        self.say("look at the guest on beta")
        mark = len(beta.machine.text)
        beta.send("vm console web\r")
        seen = []
        while len(seen) < LINES_ON_TARGET or seen[-1].sweeps < before.sweeps + SWEEPS_ON_TARGET:
            beta.expect(guests.DIRTIER_LINE.pattern, limit=20)
            seen = guests.reports(beta.machine.text[mark:])
            if seen[-1].errors or len(seen) >= 5 * LINES_ON_TARGET:
                break
        beta.send(BACK_TO_SHELL)
        beta.expect(r"back in the shell", limit=10)
        self.judge_target(seen, before, guests.alarms(beta.machine.text[mark:]))

    def judge_target(self, seen, before, alarms):
        chain = [before] + seen
        last = seen[-1]
        self.check(not alarms and all(report.errors == 0 for report in seen),
                   "on beta the guest finds no damaged, old or misplaced page", "; ".join(alarms[:2]) or
                   f"{last.verified - before.verified} pages verified since it left, {last.errors} errors")
        self.check(last.sweeps >= before.sweeps + SWEEPS_ON_TARGET, "all of its pages were verified there",
                   f"sweep {before.sweeps} on alpha, {last.sweeps} on beta")
        self.check(all(a.generations < b.generations for a, b in zip(chain, chain[1:])),
                   "it goes on writing where it was", f"generation {before.generations} on alpha, "
                   f"{seen[0].generations} to {last.generations} on beta")
        self.check(all(report.clockback == 0 for report in seen) and
                   all(a.uptime < b.uptime and a.wall <= b.wall for a, b in zip(chain, chain[1:])),
                   "its clocks never went back", f"uptime {before.uptime} s on alpha, {seen[0].uptime} to "
                   f"{last.uptime} s on beta; longest late wake-up there {max(r.gap_us for r in seen)} us")

    def look_at_lists(self, alpha, beta):
        there = beta.run("vm list")
        here = alpha.run("vm list")
        self.check(re.search(r"^web +running ", there, re.MULTILINE), "beta lists the guest as running")
        state = re.search(r"^web +(\S+)", here, re.MULTILINE)
        self.check(state is None or state[1] == "stopped", "alpha no longer has it",
                   f"its state there: {state[1] if state else 'not listed'}")

    def verdict(self, problem):
        """Print every check; returns the exit status."""
        print("\n" + "\n".join(row for row in self.report if row.strip()) + "\n")
        if problem:
            self.check(False, "the demonstration ran to its end", problem)
        for passed, what, detail in self.results:
            print(f"{'PASS' if passed else 'FAIL'}  {what}" + (f" ({detail})" if detail else ""))
        failed = [what for passed, what, _ in self.results if not passed]
        print(f"\nconsoles: {self.args.folder}/alpha.log, beta.log; the wire: {self.args.folder}/wire.pcap")
        print(f"{time.monotonic() - self.begin:.0f} s on the wall. " + (
            f"FAILED: {'; '.join(failed)}" if failed else "The guest moved, alive and unharmed."))
        return 1 if failed else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description="move a Debian guest between two emulated machines")
    parser.add_argument("--folder", type=Path, default=BUILD / "demo")
    parser.add_argument("--rate", type=int, default=1000, help="pages that the guest rewrites per second")
    parser.add_argument("--mb", type=int, default=16, help="MiB of guest memory under test")
    return parser.parse_args()


def main():
    demo = Demo(parse_arguments())
    problem = None
    try:
        demo.run()
    except (AssertionError, BenchError) as why:
        problem = str(why)
    except KeyboardInterrupt:
        problem = "interrupted"
    return demo.verdict(problem)


if __name__ == "__main__":
    sys.exit(main())
