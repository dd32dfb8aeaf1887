# SPDX-License-Identifier: MIT
"""The two hosts that the figures come from, their guests, and small questions to their consoles."""
import re

from lib.bochs import BUILD
from lib.godwit import json_lines, make_hosts

DETACH = "\x1d"                         # Ctrl-]
PROMPT = r"godwit:\w+> "

# Payload guests by name: program, memory in MiB, command line.
GUESTS = {
    "exits": ("exits", 64, ""),
    "wp": ("exits", 64, "wp=1"),
    "few": ("still", 64, "mb=8"),
    "more": ("still", 64, "mb=40"),
    "wide": ("still", 128, "mb=8"),
    "large": ("still", 256, "mb=96"),
}


def guest_configuration():
    """[vm ...] sections for all GUESTS."""
    return "".join(f'[vm {name}]\nkernel = {program}.bin\nmemory = {memory}M\ncmdline = "{line}"\n'
                   for name, (program, memory, line) in GUESTS.items())


def describe(bench, folder):
    """alpha, which has all guests, and beta."""
    files = {f"{name}.bin": BUILD / "guests" / f"{name}.bin" for name in {guest[0] for guest in GUESTS.values()}}
    return make_hosts(bench, folder, files=files, extra={"alpha": guest_configuration()}, memory_mib=1024)


def start_guest(host, name, until, limit=60):
    """Start a guest and watch its console until it prints `until`; returns everything it printed."""
    printed = host.run(f"vm start {name}")
    if "started" not in printed:
        raise AssertionError(f"vm start {name}: {printed}")
    return watch_guest(host, name, until, limit)


def watch_guest(host, name, until, limit=60):
    """Attach to a guest's console until it prints `until`; returns what was printed."""
    begin = len(host.machine.text)
    host.send(f"vm console {name}\r")
    host.expect(until, limit)
    host.send(DETACH)
    host.expect_prompt()
    return host.machine.text[begin:]


def begin_migration(source, name, target, options=""):
    """Type the command and wait until the migration has begun."""
    source.machine.console.consumed = len(source.machine.console.text)
    source.send(f"migrate {name} to {target} {options} --json\r")
    source.expect(r'"event":\s*"migrate-started"[^\r\n]*[\r\n]')


def end_migration(source, limit=120):
    """Wait for the report of the migration that begin_migration() began."""
    begin = source.machine.console.consumed
    source.expect(r'"event":\s*"migrate-report"[^\r\n]*[\r\n]', limit)
    text = source.machine.console.text[begin:source.machine.console.consumed]
    report = [event for event in json_lines(text) if event.get("event") == "migrate-report"][-1]
    if not report["moved"]:
        raise AssertionError(f"migration failed: {report['result']}")
    return report


def memory_of(host):
    """`mem`: bytes that Godwit itself holds."""
    answers = [event for event in host.run_json("mem") if event.get("event") == "mem"]
    return answers[0]["hypervisor_bytes"]


def busy_us(host):
    """(busy, total): microseconds that the CPU did not halt, and that have gone by since boot."""
    found = re.search(r"idle (\d+) us of (\d+) us", host.run("cpu"))
    if not found:
        raise AssertionError("`cpu` does not say how long the CPU was idle")
    idle, total = int(found.group(1)), int(found.group(2))
    return total - idle, total
