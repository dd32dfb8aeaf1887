# SPDX-License-Identifier: MIT
"""A payload guest that dirties and verifies its memory moves from one host to the other and goes on."""
import re

from lib.bench import Bench
from lib.bochs import BUILD
from lib.godwit import MIGRATION_PORT, boot_hosts, json_lines
from lib.marks import slow
from lib.pcap import tcp_streams

RESTING = "mb=32 rate=1000 hlt=1 verify=4000"    # sleeps in between: emulated time passes quickly
BUSY = "mb=32 rate=1000"
BACK_TO_SHELL = "\x1d"                  # Ctrl-]


def guest(cmdline=RESTING, dirty="auto", memory="64M"):
    return f'[vm web]\nkernel = dirty.bin\nmemory = {memory}\ndirty = {dirty}\ncmdline = "{cmdline}"\n'


def boot(bench, folder, vm=None, **arguments):
    return boot_hosts(bench, folder, files={"dirty.bin": BUILD / "guests" / "dirty.bin"},
                      extra={"alpha": vm or guest()}, **arguments)


def start_guest(host):
    printed = host.run("vm start web")
    assert "web: started" in printed, printed


def look_at_guest(host, limit=20):
    """Watch the guest's console until it reports twice; returns its last generation count. Fails on a mismatch."""
    host.send("vm console web\r")
    for _ in range(2):
        report = host.expect(r"dirty: t=\d+ gen=(\d+) verified=\d+ passes=\d+ errors=(\d+)", limit)
        assert report.group(2) == "0", report.group(0)
    host.send(BACK_TO_SHELL)
    host.expect_prompt()
    return int(report.group(1))


def state_of_guest(host):
    """State of web in `vm list`; None when the host does not know it."""
    found = re.search(r"^web +(\S+)", host.run("vm list"), re.MULTILINE)
    return found.group(1) if found else None


def migrate(source, target_name, limit=60):
    """Move web; returns the source's report."""
    source.send(f"migrate web to {target_name} --json\r")
    source.expect(r'"event":\s*"migrate-report"[^\r\n]*[\r\n]', limit)
    reports = [event for event in json_lines(source.machine.text) if event.get("event") == "migrate-report"]
    return reports[-1]


def test_guest_moves_and_verifies(folder):
    with Bench(folder) as bench:
        alpha, beta = boot(bench, folder)
        start_guest(alpha)
        before = look_at_guest(alpha)
        report = migrate(alpha, "beta")
        assert report["moved"], report
        assert look_at_guest(beta) > before
        assert state_of_guest(alpha) == "stopped" and state_of_guest(beta) == "running"
    streams = [stream for stream in tcp_streams(bench.wire.pcap_path, port=MIGRATION_PORT) if stream.data]
    assert max(len(stream.data) for stream in streams) > 32 << 20


def test_there_and_back_five_times(folder):
    with Bench(folder) as bench:
        hosts = boot(bench, folder)
        start_guest(hosts[0])
        seen = look_at_guest(hosts[0])
        for move in range(5):
            source, target = hosts[move % 2], hosts[(move + 1) % 2]
            report = migrate(source, target.name)
            assert report["moved"], (move, report)
            now = look_at_guest(target)
            assert now > seen and state_of_guest(source) in ("stopped", None), (move, now, seen)
            seen = now


def move_with(folder, method):
    with Bench(folder) as bench:
        alpha, beta = boot(bench, folder, guest(dirty=method))
        start_guest(alpha)
        assert migrate(alpha, "beta")["moved"]
        look_at_guest(beta)


def test_dirty_log_pml(folder):
    move_with(folder, "pml")


def test_dirty_log_dbit(folder):
    move_with(folder, "dbit")


def test_dirty_log_wp(folder):
    move_with(folder, "wp")


@slow
def test_guest_that_never_sleeps(folder):
    with Bench(folder) as bench:
        alpha, beta = boot(bench, folder, guest(BUSY))
        start_guest(alpha)
        look_at_guest(alpha)
        assert migrate(alpha, "beta")["moved"]
        look_at_guest(beta)


def test_lossy_link(folder):
    with Bench(folder, faults=["drop,p=0.002", "reorder,p=0.002,us=500us", "dup,p=0.002"]) as bench:
        alpha, beta = boot(bench, folder)
        start_guest(alpha)
        assert migrate(alpha, "beta", limit=120)["moved"]
        look_at_guest(beta)


def test_cancel_during_rounds(folder):
    with Bench(folder, rate=100_000_000) as bench:
        alpha, beta = boot(bench, folder)
        start_guest(alpha)
        alpha.send("migrate web to beta\r")
        alpha.expect(r"round 1 +\d")
        alpha.send("migrate cancel\r")
        alpha.expect(r"cancel")
        alpha.expect_prompt()
        look_at_guest(alpha)
        bench.wire.run_for(1)
        assert state_of_guest(alpha) == "running" and state_of_guest(beta) is None
        assert migrate(alpha, "beta", limit=120)["moved"]
        look_at_guest(beta)


def test_target_without_vmx_refuses(folder):
    with Bench(folder) as bench:
        alpha, beta = boot(bench, folder, exclude_features={"beta": "vmx"})
        start_guest(alpha)
        report = migrate(alpha, "beta")
        assert not report["moved"] and "VT-x" in report["result"], report
        look_at_guest(alpha)
        assert state_of_guest(beta) is None


def test_target_with_too_little_memory_refuses(folder):
    with Bench(folder) as bench:
        alpha, beta = boot(bench, folder, guest(memory="512M"), memory_mib={"alpha": 1024, "beta": 512})
        start_guest(alpha)
        report = migrate(alpha, "beta")
        assert not report["moved"] and "MiB" in report["result"], report
        look_at_guest(alpha)
        assert state_of_guest(beta) is None


def test_link_cut_during_rounds(folder):
    with Bench(folder, rate=100_000_000) as bench:
        alpha, beta = boot(bench, folder)
        start_guest(alpha)
        alpha.send("migrate web to beta --json\r")
        alpha.expect(r'"state":"pre-copy","round":1')
        bench.wire.add_fault("down")
        alpha.expect(r'"event":"migrate-report".*"moved":false', limit=120)
        look_at_guest(alpha)
        bench.wire.run_until(lambda: state_of_guest(beta) is None, 120, "beta gives its copy up")
