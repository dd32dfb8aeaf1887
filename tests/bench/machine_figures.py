# SPDX-License-Identifier: MIT
"""Figures from two emulated hosts: exits, boot, memory, and instructions per page that moves.

On the emulated machine one instruction is one count of the TSC, so counts are exact and repeat.
"""
import re

import hosts

EXITS = "exits: instructions per round trip (peer: Linux KVM on the same emulated CPU; target: a fifth)"
BOOT = "boot and memory"
PAGES = "instructions per 4 KiB page that moves, on a wire that is faster than the CPUs"

KVM_SHARE = 5
# Line of the payload guest, name in the table, Linux KVM's count.
EXIT_KINDS = (
    ("cpuid", "CPUID", 991),
    ("out-pic", "port write, PIC", 1865),
    ("in-pic", "port read, PIC", 1865),
    ("out-0x80", "port write, nobody's (0x80)", 3129),
    ("in-uart", "port read, UART", 3129),
    ("in-pm-timer", "port read, PM timer", 3129),
    ("wrmsr-deadline", "MSR write, TSC deadline", 639),
    ("wrmsr-x2apic-tpr", "MSR write, x2APIC TPR", 1189),
    ("wrmsr-x2apic-eoi", "MSR write, x2APIC EOI", 1189),
    ("rdmsr-deadline", "MSR read, TSC deadline", None),
    ("rdmsr-apic-base", "MSR read, APIC base", None),
    ("mmio-read-ioapic", "MMIO read, IOAPIC", 5947),
    ("mmio-write-ioapic", "MMIO write, IOAPIC", 5947),
    ("mmio-xapic-tpr", "MMIO write, xAPIC TPR", 5947),
    ("touch-4k", "first touch of a page", 3445),
    ("write-protect", "EPT violation, write-protected page", 3445),
    ("hlt-wake", "HLT wake-up, deadline to handler", None),
)
NOTES = {
    "touch-4k": "no exit is left: all memory is mapped before the guest starts",
    "write-protect": "first write to a page while a migration with --dirty wp logs",
    "hlt-wake": "the notes on peers have no figure for Linux KVM",
}
PAGE_NOTES = {
    "source": "a halted guest moves; idle polling is taken off",
    "target": "it does not sleep while it receives, so this is an upper bound: what the slower of both hosts takes",
}
MIB = 1 << 20
PER_GUEST_SHARE = 0.005
OWN_LIMIT_MIB = 64
BOOT_LIMIT_MS = 300
IDLE_SAMPLE_S = 0.2


def exit_lines(text):
    """{kind: (min, median, max)} from the payload's lines."""
    pattern = r"exits: ([\w-]+) min=(\d+) med=(\d+) max=(\d+)"
    return {kind: tuple(map(int, counts)) for kind, *counts in re.findall(pattern, text)}


def measure_exits(figures, alpha, beta):
    """Runs the payload, then moves its write-protection variant to see dear first writes."""
    printed = exit_lines(hosts.start_guest(alpha, "exits", r"exits: done"))
    alpha.machine.wire.run_for(0.05)
    hosts.start_guest(alpha, "wp", r"exits: writing to \d+ pages")
    hosts.begin_migration(alpha, "wp", "beta", "--dirty wp")
    hosts.end_migration(alpha)
    alpha.expect_prompt()
    printed.update(exit_lines(hosts.watch_guest(beta, "wp", r"exits: write-protect .*n=\d+")))
    beta.run("vm stop wp")
    for kind, name, kvm in EXIT_KINDS:
        if kind not in printed:
            figures.fail(EXITS, f"the payload guest did not print {kind}")
            continue
        least, median, most = printed[kind]
        note = NOTES.get(kind, "")
        figures.add(EXITS, name, median, "instructions", peer=kvm, target=kvm / KVM_SHARE if kvm else None,
                    note=note, least=least, most=most)


def measure_boot(figures, efi_image, boot_text):
    """Size of the EFI file, and the time that the console's notice tells."""
    figures.add(BOOT, "EFI image", efi_image.stat().st_size / MIB, "MiB", target=1.5)
    found = re.search(r"boot: (\d+) us", boot_text)
    if found:
        figures.add(BOOT, "firmware's hand-over to prompt", int(found.group(1)) / 1000, "ms", target=BOOT_LIMIT_MS)
    else:
        figures.fail(BOOT, "the console did not say how long the boot took")


def measure_memory(figures, alpha, beta):
    """What Godwit itself holds, with a guest of 256 MiB, before, while and after it moves."""
    guest_mib = hosts.GUESTS["large"][1]
    limit = OWN_LIMIT_MIB + PER_GUEST_SHARE * guest_mib
    seen = [("no guest", OWN_LIMIT_MIB, hosts.memory_of(alpha))]
    hosts.start_guest(alpha, "large", r"still: \d+ pages filled")
    seen.append((f"{guest_mib} MiB guest", limit, hosts.memory_of(alpha)))
    hosts.begin_migration(alpha, "large", "beta")
    seen.append(("source during a migration", limit, hosts.memory_of(alpha)))
    seen.append(("target during a migration", limit, hosts.memory_of(beta)))
    hosts.end_migration(alpha)
    alpha.machine.wire.run_for(1)
    seen.append(("source after it", OWN_LIMIT_MIB, hosts.memory_of(alpha)))
    seen.append(("target after it", limit, hosts.memory_of(beta)))
    beta.run("vm stop large")
    for name, most, octets in seen:
        figures.add(BOOT, f"Godwit's own memory, {name}", octets / MIB, "MiB", target=most)


class Moved:
    """One migration of a halted guest: pages sent, and busy microseconds of both hosts beyond their idle polling."""

    def __init__(self, alpha, beta, guest):
        wire = alpha.machine.wire
        hosts.start_guest(alpha, guest, r"still: \d+ pages filled")
        idle = [hosts.busy_us(host) for host in (alpha, beta)]
        wire.run_for(IDLE_SAMPLE_S)
        before = [hosts.busy_us(host) for host in (alpha, beta)]
        hosts.begin_migration(alpha, guest, "beta")
        report = hosts.end_migration(alpha)
        alpha.expect_prompt()
        after = [hosts.busy_us(host) for host in (alpha, beta)]
        beta.run(f"vm stop {guest}")
        self.zero = sum(entry["zero_pages"] for entry in report["rounds"])
        self.raw = sum(entry["pages"] for entry in report["rounds"]) - self.zero
        self.busy_us = [self._beyond_idle(*readings) for readings in zip(idle, before, after)]

    @staticmethod
    def _beyond_idle(idle, before, after):
        idle_share = (before[0] - idle[0]) / (before[1] - idle[1])
        return after[0] - before[0] - idle_share * (after[1] - before[1])


def per_page(moves, host, per_us):
    """(instructions per page with content, per zero page) of one host, from three moves."""
    few, more, wide = moves
    zero = (wide.busy_us[host] - few.busy_us[host]) * per_us / (wide.zero - few.zero)
    rest = (more.busy_us[host] - few.busy_us[host]) * per_us + (few.zero - more.zero) * zero
    return rest / (more.raw - few.raw), zero


def measure_pages(figures, alpha, beta, steps):
    """Three moves that differ in pages with content and in zero pages give the cost of each kind. The parts outside
    the network stack come from counting the same code step by step; the rest is network, drivers and the loop."""
    moves = [Moved(alpha, beta, guest) for guest in ("few", "more", "wide")]
    per_us = alpha.machine.ips / 1_000_000
    for host, (side, own, rest) in enumerate((("source", "encode", "send"), ("target", "decode", "receive"))):
        raw, zero = per_page(moves, host, per_us)
        figures.add(PAGES, f"{side}, page with content", raw, "instructions", note=PAGE_NOTES[side])
        if steps:
            content = steps[f"{own}, page with content"]
            figures.add(PAGES, f"{side}: {own} a page with content", content, "instructions")
            figures.add(PAGES, f"{side}: {rest} it (TCP/IP, driver, loop)", raw - content, "instructions")
        figures.add(PAGES, f"{side}, zero page", zero, "instructions")
        if steps:
            figures.add(PAGES, f"{side}: {own} a zero page", steps[f"{own}, zero page"], "instructions")
    if steps:
        figures.add(PAGES, "source: collect a dirty page (PML)", steps["collect, PML"], "instructions")
