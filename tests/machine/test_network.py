# SPDX-License-Identifier: MIT
"""Godwit boots, and its network answers."""
from lib.bench import Bench
from lib.godwit import MIGRATION_PORT, address_of, boot_hosts
from lib.station import Station


def test_hosts_ping_each_other(folder):
    with Bench(folder) as bench:
        alpha, beta = boot_hosts(bench, folder)
        for host, other in ((alpha, 1), (beta, 0)):
            host.ping(address_of(other))        # answers ARP as well
            assert host.ping(address_of(other)) <= 5 * bench.wire.period_us


def test_station_pings_and_noise_does_no_harm(folder):
    with Bench(folder) as bench:
        alpha, beta = boot_hosts(bench, folder)
        station = bench.wire.attach(bench.next_port(), Station, address="10.0.0.9")
        assert station.ping(address_of(0)) < 10_000
        noise = station.connect(address_of(0), MIGRATION_PORT)
        assert noise.state == "open", noise.state
        noise.send(bytes(range(256)) * 16)
        bench.wire.run_until(lambda: noise.state == "reset" or noise.peer_closed, 10, "refusal of noise")
        assert station.connect(address_of(0), 9999).state == "reset"
        alpha.ping(address_of(1))
        beta.ping(address_of(0))


def test_without_vmx_everything_but_guests_works(folder):
    with Bench(folder) as bench:
        alpha, _ = boot_hosts(bench, folder, exclude_features={"alpha": "vmx"})
        alpha.ping(address_of(1))
        assert "VT-x" in alpha.run("cpu"), alpha.machine.text
