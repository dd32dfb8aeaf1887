# SPDX-License-Identifier: MIT
"""Migrations as tests see them: guests that verify themselves, commands, reports, and measures not of Godwit's own."""
import json
import re
import subprocess
import sys
from dataclasses import dataclass

from . import guests
from .bochs import BUILD, ROOT
from .godwit import MIGRATION_PORT, address_of, boot_hosts, json_lines

BACK_TO_SHELL = "\x1d"                  # Ctrl-]
PAYLOAD_LINE = re.compile(r"dirty: t=(\d+) gen=(\d+) verified=(\d+) passes=(\d+) errors=(\d+)")
PAYLOAD_ALARM = re.compile(r"dirty: (?:MISMATCH|FAIL)[^\r\n]*")
METHODS = ("pml", "dbit", "wp")


# What the payload guests of boot_payload() do (tests/guests/dirty.c). All tests use the same configuration, so that the
# hosts boot once and go on from one snapshot.
GUESTS = {
    "web": "mb=8 rate=1000 hlt=1 verify=4000",      # sleeps most of the time
    "busy": "mb=16 rate=1000",                      # never sleeps
    "restless": "mb=8 rate=18000 hlt=1 verify=3000",    # rewrites what it has faster than 300 Mbit/s carry it
}


def payload_section(settings, name="web", memory="64M", extra=""):
    """godwit.cfg's section of a payload guest; settings: its command line."""
    return f'[vm {name}]\nkernel = dirty.bin\nmemory = {memory}\ncmdline = "{settings}"\n{extra}'


def payload_files():
    return {"dirty.bin": BUILD / "guests" / "dirty.bin"}


def boot_payload(bench, folder):
    """alpha and beta at their prompts; alpha's configuration has all GUESTS."""
    sections = "".join(payload_section(settings, name) for name, settings in GUESTS.items())
    return boot_hosts(bench, folder, files=payload_files(), extra={"alpha": sections})


# ---- the guest, through its console ----

def start(host, vm="web"):
    printed = host.run(f"vm start {vm}", limit=20)
    assert f"{vm}: started" in printed, printed


def states(host):
    """{VM: state} of `vm list`, without VMs that are only defined."""
    return {line["name"]: line["state"] for line in host.run_json("vm list")
            if line["event"] == "vm" and line["state"] != "stopped"}


@dataclass
class Line:
    """One line of the payload guest, and when it was complete on the console (emulated us)."""
    seconds: int
    generations: int
    verified: int
    passes: int
    errors: int
    time_us: int


def attach(host, vm="web"):
    host.send(f"vm console {vm}\r")
    host.expect(rf"\[{vm} has the terminal")


def detach(host):
    host.send(BACK_TO_SHELL)
    host.expect(r"back in the shell")
    host.expect_prompt()


def next_line(host, limit=5.0):
    """The payload guest's next line; it must be without errors."""
    match = host.expect(PAYLOAD_LINE.pattern + r"\r*\n", limit)
    line = Line(*map(int, match.groups()), host.machine.wire.time_us)
    alarms = PAYLOAD_ALARM.findall(host.machine.text)
    assert line.errors == 0 and not alarms, (match[0].strip(), alarms)
    return line


def watch(host, passes=1, limit=20.0, vm="web"):
    """Look at the payload guest until it has verified all its pages `passes` times more, without an error; returns the
    last line."""
    attach(host, vm)
    deadline_us = host.machine.wire.deadline_us(limit)
    first = line = next_line(host, limit)
    while line.passes < first.passes + passes:
        assert host.machine.wire.time_us < deadline_us, f"no {passes} passes within {limit} s: {line}"
        line = next_line(host, limit)
    detach(host)
    return line


# ---- the migration ----

def begin(host, number, options="", vm="web"):
    """Type the command; `number` is the target's in its bench, or an address."""
    address = number if isinstance(number, str) else address_of(number)
    host.machine.console.consumed = len(host.machine.console.text)
    host.send(f"migrate {vm} to {address} --json {options}\r")


def await_event(host, event, limit=30.0):
    """The next JSON line of that event on a console."""
    match = host.expect(r'(\{"event":"' + event + r'"[^\r\n]*\})[\r\n]', limit)
    return json.loads(match[1])


def await_report(host, limit=30.0):
    """The report of the migration that begin() started, or {"refused": text} when the command itself was."""
    match = host.expect(r'(\{"event":"(?:migrate-report|error)"[^\r\n]*\})[\r\n]', limit)
    found = json.loads(match[1])
    host.expect_prompt()
    return found if found["event"] == "migrate-report" else {"refused": found["text"], "moved": False}


def await_progress(host, condition, limit=10.0):
    """Wait for a progress line of begin()'s migration for which condition(line) holds."""
    while True:
        found = await_event(host, "migrate-progress", limit)
        if condition(found):
            return found


def migrate(source, number, options="", vm="web", limit=30.0):
    """Migrate and wait for the source's report."""
    begin(source, number, options, vm)
    return await_report(source, limit)


def last_report(host):
    """The report of the last migration, as this host keeps it."""
    found = [line for line in host.run_json("migrate status") if line["event"] == "migrate-report"]
    assert len(found) == 1, host.machine.text[-2000:]
    return found[0]


def migrations(host):
    """The migrations in progress on a host."""
    return [line for line in json_lines(host.run("migrate status --json")) if line["event"] == "migrate-progress"]


# ---- seen from outside ----

def guest_runs(machine):
    """[("entry" or "exit", emulated ns)] as the emulator itself counted them: where a guest ran again after a gap, and
    where it had stopped for one (wire/guest_trace.h). Needs no help from Godwit."""
    path = machine.config.folder / "guest.trace"
    if not path.is_file():
        return []
    return [(what, int(ns)) for what, ns in (line.split() for line in path.read_text().splitlines())]


def blackout_ns(source, target):
    """First VM entry on the target machine minus the last VM exit on the source before it, of the last move.

    Meant for a guest that never sleeps and is the only one on both machines; then every instruction of it between
    these two instants would have been seen."""
    entered = guest_runs(target)
    last_exit = max(ns for what, ns in guest_runs(source) if what == "exit")
    return min(ns for what, ns in entered if what == "entry" and ns > last_exit) - last_exit


def read_streams(pcap, digest=True, cut=False):
    """What the independent reader (tools/read_stream.py) says about each migration in a capture; all must be as
    docs/wire-format.md has it. cut: a stream may end inside a record, because somebody hung up."""
    command = [sys.executable, str(ROOT / "tools" / "read_stream.py"), "--pcap", str(pcap), "--json"]
    command += ["--port", str(MIGRATION_PORT)] + ["--no-digest"] * (not digest) + ["--allow-cut"] * cut
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip() or done.stdout[-500:]
    return json_lines(done.stdout)


def debian_line(host, limit=5.0):
    """The Debian guest's next line (guests.Report) and the emulated us at which it was complete; without errors."""
    match = host.expect(guests.DIRTIER_LINE.pattern + r"\r*\n", limit)
    report = guests.reports(match[0])[0]
    alarms = guests.alarms(host.machine.text)
    assert report.errors == 0 and report.clockback == 0 and not alarms, (match[0].strip(), alarms)
    return report, host.machine.wire.time_us
