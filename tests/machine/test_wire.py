# SPDX-License-Identifier: MIT
"""The bench's own test: firmware-level programs on two machines exchange numbered frames."""
import multiprocessing
import random
import re

from lib.bench import Bench, mac_address
from lib.bochs import BUILD
from lib.image import BOOT_FILE, make_esp_image
from lib.pcap import read_pcap, tcp_streams
from lib.qemu import QemuBench
from lib.station import Station

IPS = 100_000_000                       # the frames' content costs instructions; their number does not
PERIOD_US = 100
PACED = 20_000                          # TSC counts between two frames of 200 bytes: room to build and check them
WIRE_OVERHEAD = 24                      # preamble, FCS, gap


READY = r"selftest ready\r?\n> "


def boot(bench, folder, names="ab", cpus=(1, 1)):
    image = make_esp_image(folder / "selftest.img", {BOOT_FILE: BUILD / "machine" / "selftest.efi"})
    machines = [bench.machine(name, image, ips=IPS, memory_mib=256, cpus=count) for name, count in zip(names, cpus)]
    bench.boot(READY)
    return machines


def ask(machine, command):
    """Run one command; returns its key=value answers."""
    printed = machine.run(command, prompt="> ", limit=30)
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", printed)}


def exchange(machines, count, gap=0, size=1000):
    """Every machine sends `count` frames at the same time; returns what each received."""
    for machine in machines:
        ask(machine, "clear")
    for machine in machines:
        machine.send(f"send {count} {size} b {gap}\r")
    for machine in machines:
        machine.expect(r"sent=\d+.*\r?\n> ", limit=60)
    machines[0].wire.run_for(0.1)
    return [ask(machine, "show") for machine in machines]


def session(folder, cpus=(1, 1)):
    """Two machines, both ways, broadcast and unicast to a MAC that no card has."""
    with Bench(folder) as bench:
        a, b = boot(bench, folder, cpus=cpus)
        results = [exchange([a, b], 2000, size=1000)]
        for sender, receiver in ((a, b), (b, a)):
            ask(receiver, "clear")
            sender.run(f"send 2000 200 u {PACED}", prompt="> ")
            bench.wire.run_for(0.1)
            results.append([ask(receiver, "show")])
        stamps = [ask(machine, "tsc")["tsc"] for machine in (a, b)]
    return results, stamps, bench.wire.stats


def burn(stop):
    while not stop.is_set():
        sum(range(10_000))


def test_no_loss_one_time_axis_link_rate(folder):
    results, _, stats = session(folder)
    poll = PERIOD_US * IPS // 1_000_000
    for one_or_two, size in zip(results, (1000, 200, 200)):
        for received in one_or_two:
            assert received["frames"] == 2000 and received["bytes"] == 2000 * size, received
            assert received["bad"] == received["twice"] == received["backwards"] == 0, received
    for received in results[1] + results[2]:        # paced slower than the link: only the polls delay a frame
        assert 0 < received["delay_min"] and received["delay_max"] <= 2 * poll, received
    frame_ticks = (1000 + WIRE_OVERHEAD) * 8 * IPS // 1_000_000_000
    for received in results[0]:         # as fast as they can: never faster than 1 Gbit/s
        assert received["last_tsc"] - received["first_tsc"] >= 1999 * frame_ticks - 2 * poll, received
    for port in ("0", "1"):
        assert stats["ports"][port]["up"]["busiest_permille"] <= 1000, stats
        assert stats["ports"][port]["down"]["overflows"] == 0, stats


def test_repeats_bit_for_bit_under_load(folder):
    quiet = session(folder / "quiet")
    stop = multiprocessing.Event()
    load = [multiprocessing.Process(target=burn, args=(stop,)) for _ in range(3)]
    for process in load:
        process.start()
    try:
        loaded = session(folder / "loaded")
    finally:
        stop.set()
        for process in load:
            process.join()
    assert quiet == loaded, (quiet, loaded)
    judge_equal(folder / "quiet", folder / "loaded")


def judge_equal(one, other):
    for name in ("a.console", "b.console", "a.log", "b.log", "wire.pcap"):
        first, second = ((run / name).read_bytes() for run in (one, other))
        assert len(first) > 100 and first == second, f"{name} differs between two runs"


def test_several_cpus_stay_in_lock_step(folder):
    """Two and four CPUs, of which the firmware leaves all but the first asleep: nothing is lost, runs repeat, and the clock
    is as fast as that of a machine with one CPU."""
    one, other = (session(folder / name, cpus=(2, 4)) for name in ("one", "other"))
    assert one == other, (one, other)
    judge_equal(folder / "one", folder / "other")
    poll = PERIOD_US * IPS // 1_000_000
    for both in one[0]:
        for received in both:
            assert received["frames"] == 2000 and received["bad"] == received["twice"] == received["backwards"] == 0, received
    for received in one[0][1] + one[0][2]:
        assert 0 < received["delay_min"] and received["delay_max"] <= 2 * poll, received


def test_faults_take_effect(folder):
    faults = ["drop,from=0,nth=10", "drop,from=0,nth=20", "dup,from=0,nth=30", "corrupt,from=0,nth=40",
              "reorder,from=0,nth=50,us=2ms", "down,from=1,count=7", "drop,from=1,p=0.1"]
    with Bench(folder, faults=faults, pcap_ports=(1,)) as bench:
        a, b = boot(bench, folder)
        at_a, at_b = exchange([a, b], 500, gap=PACED, size=200)
    ports = bench.wire.stats["ports"]
    assert at_b["frames"] == 500 - 2 + 1 - 1, at_b
    assert (at_b["twice"], at_b["bad"], at_b["backwards"]) == (1, 1, 1), at_b
    assert at_b["delay_max"] >= 2 * IPS // 1000, at_b
    assert (ports["1"]["dropped"], ports["1"]["duplicated"], ports["1"]["corrupted"], ports["1"]["reordered"]) \
        == (2, 1, 1, 1), ports
    assert ports["0"]["down_dropped"] == 7 and 20 <= ports["0"]["dropped"] <= 90, ports
    assert at_a["frames"] == 500 - 7 - ports["0"]["dropped"], at_a
    assert sum(1 for _ in read_pcap(folder / "wire.pcap")) == 1000
    assert sum(1 for _ in read_pcap(folder / "port1.pcap")) == 500 + 500 - 2 + 1


def test_station_of_the_test_and_link_cut(folder):
    with Bench(folder) as bench:
        a, b = boot(bench, folder)
        station = bench.wire.attach(bench.next_port())
        a.run("send 5 100 b 0", prompt="> ")
        bench.wire.run_for(0.01)
        assert [frame[:6] for _, frame in station.received] == [b"\xff" * 6] * 5, station.received
        assert all(frame[6:12] == bytes.fromhex(mac_address(0).replace(":", "")) for _, frame in station.received)
        ask(b, "clear")
        for _ in range(3):
            station.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x12\x34" + bytes(50))
        bench.wire.run_for(0.01)
        assert ask(b, "show")["foreign"] == 3
        bench.wire.add_fault("down,port=1")
        a.run("send 5 100 b 0", prompt="> ")
        bench.wire.run_for(0.01)
        assert len(station.received) == 10 and ask(b, "show")["frames"] == 0
        b.send("off\r")
        b.wait_exit()
        assert b.text.rstrip().endswith("power off")
        assert ask(a, "tsc")["tsc"] > 0, "the other machine goes on alone"


def test_link_rate_and_queue_limit(folder):
    rate, count, size = 10_000_000, 200, 1000
    frame_us = (size + WIRE_OVERHEAD) * 8 * 1_000_000 / rate
    with Bench(folder, rate=rate, options=("--queue", "50000")) as bench:
        a, b = boot(bench, folder)
        station = bench.wire.attach(bench.next_port())
        ask(b, "clear")
        a.run(f"send {count} {size} b 0", prompt="> ")
        bench.wire.run_for(count * frame_us / 1e6 + 0.1)
        received = ask(b, "show")
        span_us = (received["last_tsc"] - received["first_tsc"]) * 1_000_000 / IPS
        assert received["frames"] == count and abs(span_us - (count - 1) * frame_us) <= 2 * PERIOD_US, received
        ask(b, "clear")
        a.send(f"send {count} {size} b 0\r")
        for _ in range(count):          # a and the test together offer twice what b's link carries
            station.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x12\x34" + bytes(size - 14))
        a.expect(r"sent=\d+.*\r?\n> ")
        bench.wire.run_for(2 * count * frame_us / 1e6 + 0.1)
        received = ask(b, "show")
    down = bench.wire.stats["ports"]["1"]["down"]
    assert down["overflows"] > 0 and received["bad"] == 0, down
    assert received["frames"] + received["foreign"] == 2 * count - down["overflows"], (received, down)
    assert 990 <= down["busiest_permille"] <= 1000, down


def test_reset_and_power_cycle(folder):
    with Bench(folder) as bench:
        a, b = boot(bench, folder)
        bench.wire.run_for(0.01)
        begin_us = bench.wire.time_us
        a.send("reset\r")
        b.stop()
        b.start()
        for machine in (a, b):
            machine.expect(READY, limit=60)
        received = exchange([a, b], 50, gap=PACED, size=200)
        assert [got["frames"] for got in received] == [50, 50], received
        for machine in (a, b):          # a reset and a power-on both begin the TSC anew
            assert ask(machine, "tsc")["tsc"] <= (bench.wire.time_us - begin_us) * IPS // 1_000_000 + IPS // 100


def test_qemu_back_end(folder):
    with QemuBench(folder) as bench:
        image = make_esp_image(folder / "selftest.img", {BOOT_FILE: BUILD / "machine" / "selftest.efi"})
        a, b = (bench.machine(name, image, memory_mib=256) for name in "ab")
        bench.start()
        for machine in (a, b):
            machine.expect(READY, limit=60)
        station = bench.wire.attach(bench.next_port())
        ask(b, "clear")
        a.run("send 50 200 u 0", prompt="> ")
        bench.wire.run_until(lambda: ask(b, "show")["frames"] >= 50, 10, "frames at b")
        received = ask(b, "show")
        assert received["frames"] == 50 and received["bad"] == 0, received
        assert len(station.received) == 50


def test_stations_tcp_over_a_bad_link(folder):
    content = bytes(random.Random(1).randbytes(300_000))
    faults = ["drop,p=0.03", "dup,p=0.02", "reorder,p=0.02,us=700us", "corrupt,p=0.01"]
    with Bench(folder, faults=faults) as bench:
        boot(bench, folder, "a")          # an idle machine, so that time has somebody to pass for
        here, there = (bench.wire.attach(bench.next_port(), Station, address=address)
                       for address in ("10.0.0.8", "10.0.0.9"))
        accepted = there.listen(7000)
        connection = here.connect("10.0.0.9", 7000)
        connection.send(content)
        connection.close()
        bench.wire.run_until(lambda: accepted and accepted[0].peer_closed, 60, "transfer")
        accepted[0].close()
        bench.wire.run_until(lambda: connection.state == accepted[0].state == "closed", 5, "closing")
        assert bytes(accepted[0].data) == content
        assert here.connect("10.0.0.9", 7001).state == "reset"
    first = tcp_streams(bench.wire.pcap_path, port=7000)[0]
    assert first.data == content and first.closed and first.retransmitted_bytes > 0
    assert first.begin_us < first.time_of(0) < first.time_of(len(content) - 1)


def test_ping_between_stations(folder):
    with Bench(folder, delay_us=1000) as bench:
        boot(bench, folder, "a")          # an idle machine, so that time has somebody to pass for
        here, _ = (bench.wire.attach(bench.next_port(), Station, address=address)
                   for address in ("10.0.0.8", "10.0.0.9"))
        here.ping("10.0.0.9")
        trip_us = here.ping("10.0.0.9")
        assert 2000 <= trip_us <= 2000 + 4 * PERIOD_US, trip_us
