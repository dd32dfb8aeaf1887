# SPDX-License-Identifier: MIT
"""Migrations that cannot be, and connections that mean no good: one line says why, the guest runs on unharmed,
the target keeps nothing and stays up, and afterwards a real migration works."""
import struct

from lib import migration_peer as peer
from lib import moves
from lib.bench import Bench
from lib.godwit import MIGRATION_PORT, address_of, boot_hosts
from lib.marks import slow
from lib.pcap import tcp_streams
from lib.station import Station

PERIOD_US = 500                         # coarser than usual: nothing is measured here, and it is faster
SMALL = "mb=2 rate=100 hlt=1 verify=512"
GIVES_UP_S = 8                          # 5 s without a word, and some


class Mute(Station):
    """A host with an address whose TCP never answers."""

    def _on_tcp(self, frame):
        pass


class Case:
    """The guest on alpha, and what must hold after every attempt that failed."""

    def __init__(self, bench, alpha, *others):
        self.bench, self.alpha, self.others = bench, alpha, others
        self.known = {host: moves.states(host) for host in (alpha, *others)}

    def refused(self, number, *words, vm="web", options=""):
        """An attempt that must end with one line that has all of `words`; returns the report."""
        report = moves.migrate(self.alpha, number, options, vm, limit=GIVES_UP_S)
        said = report.get("refused") or report["result"]
        assert not report["moved"] and said and "\n" not in said, report
        missing = [word for word in words if word not in said]
        assert not missing, (said, missing)
        self.unharmed(vm)
        return report

    def unharmed(self, vm="web"):
        for host, states in self.known.items():
            assert moves.states(host) == states, (host.name, moves.states(host), states)
        moves.attach(self.alpha, vm)
        moves.next_line(self.alpha)     # what it wrote meanwhile, and then what it writes now
        first, second = moves.next_line(self.alpha), moves.next_line(self.alpha)
        moves.detach(self.alpha)
        assert second.verified > first.verified and second.generations > first.generations, (first, second)


def test_unreachable_targets(folder):
    with Bench(folder, period_us=PERIOD_US) as bench:
        alpha, beta = moves.boot_payload(bench, folder)
        bench.wire.attach(bench.next_port(), Mute, address="10.0.0.8")
        station = bench.wire.attach(bench.next_port(), Station, address="10.0.0.9")
        moves.start(alpha)
        moves.watch(alpha)
        case = Case(bench, alpha, beta)
        error = alpha.run("migrate wep to beta")
        assert "no VM is named 'wep'" in error and "did you mean 'web'" in error, error
        error = alpha.run("migrate web to bete")
        assert "'bete' is neither a peer" in error and "did you mean 'beta'" in error, error
        case.refused("10.0.0.77", "10.0.0.77")          # nobody answers ARP
        case.refused(f"{address_of(1)}:9999", "9999")   # nobody listens there
        case.refused("10.0.0.8", "10.0.0.8")            # drops what it gets
        station.listen(MIGRATION_PORT)
        case.refused("10.0.0.9", "did not answer")      # accepts and says nothing
        refuse_strangers(case, station)
        report = moves.migrate(alpha, 1)
        assert report["moved"], report
        moves.watch(beta, passes=2)


def refuse_strangers(case, station):
    """Stations that accept the connection and answer in a way that no target of version 1 does."""
    answers = [
        (peer.REJECT, lambda hello: peer.reject((7, 9), peer.CODE_VERSION, b"this host speaks 7 to 9"), "7 to 9"),
        (peer.HELLO_ACK, lambda hello: peer.hello_ack(hello, 9), "HELLO"),
        (peer.READY, lambda hello: bytes(56), ""),
        (0x1234, lambda hello: bytes(16), ""),
    ]
    accepted = station.listen(MIGRATION_PORT)
    for kind, make_body, words in answers:
        known = len(accepted)
        moves.begin(case.alpha, station.address)
        case.bench.wire.run_until(lambda known=known: len(accepted) > known and peer.parse(accepted[-1].data), 5,
                                  "HELLO")
        greeting = peer.parse(accepted[-1].data)[0]
        assert greeting.kind == peer.HELLO and struct.unpack_from("<QHH", greeting.body)[0] == peer.MAGIC, greeting
        accepted[-1].send(peer.record(kind, make_body(greeting.body), 0))
        report = moves.await_report(case.alpha, GIVES_UP_S)
        assert not report["moved"] and words in report["result"], report
        accepted[-1].close()
        case.unharmed()


def test_targets_that_cannot_take_the_guest(folder):
    sections = (moves.payload_section(moves.GUESTS["web"]) + moves.payload_section(SMALL, "big", "320M")
                + moves.payload_section(SMALL, "new", extra="cpu = v3\n"))
    with Bench(folder, period_us=PERIOD_US) as bench:
        alpha, gamma, delta = boot_hosts(
            bench, folder, ("alpha", "gamma", "delta"), files=moves.payload_files(),
            extra={"alpha": sections, "gamma": moves.payload_section(SMALL)},
            memory_mib={"alpha": 768, "gamma": 256, "delta": 256},
            exclude_features={"gamma": "bmi1", "delta": "vmx"})
        for vm in ("web", "big", "new"):
            moves.start(alpha, vm)
        moves.watch(alpha)
        case = Case(bench, alpha, gamma, delta)
        case.refused(1, "MiB", vm="big")
        case.refused(1, "MiB", vm="big", options="--dry-run")
        case.refused(1, "BMI1", vm="new")
        case.refused(2, "VT-x")
        moves.start(gamma)              # its own VM web
        case.known[gamma] = moves.states(gamma)
        case.refused(1, "web")
        assert "web: stopped" in gamma.run("vm stop web")
        case.known[gamma] = moves.states(gamma)
        report = moves.migrate(alpha, 1, "--dry-run")
        assert report["dry_run"] and not report["moved"], report
        case.unharmed()
        report = moves.migrate(alpha, 1)
        assert report["moved"], report
        moves.watch(gamma, passes=2)
        assert "web" not in moves.states(alpha)


class Intruder:
    """Scripted connections to beta's migration port."""

    def __init__(self, bench, beta, station):
        self.bench, self.beta, self.station = bench, beta, station
        self.offer, self.sections = self._capture()
        self.count = 0

    def _capture(self):
        """Body of OFFER and bodies of SECTION of the first real migration to beta."""
        records = []
        while not any(record.kind == peer.COMMIT for record in records):
            self.station.ping(address_of(1))    # pushes what the capture still holds back into its file
            to_beta = next(stream for stream in tcp_streams(self.bench.wire.pcap_path, port=MIGRATION_PORT)
                           if stream.flow[2] == address_of(1) and stream.data)
            records = peer.parse(to_beta.data)
        return (next(record.body for record in records if record.kind == peer.OFFER),
                [record.body for record in records if record.kind == peer.SECTION])

    def connect(self):
        connection = self.station.connect(address_of(1), MIGRATION_PORT)
        assert connection.state == "open", connection.state
        return connection

    def source(self):
        self.count += 1
        return peer.Source(self.connect(), f"intruder {self.count:07}".encode())

    def accepted(self):
        """A source whose offer of 512 pages was accepted."""
        source = self.source()
        answer = source.offer(self.offer)
        assert answer.kind == peer.ACCEPT, (answer, answer.text)
        return source

    def sealed(self, spoil=0):
        """A source that sent a whole VM of zero pages and SEAL; spoil: added to the digest."""
        source = self.accepted()
        source.round(1, peer.ROUND_ALL, 512)
        source.round(2, peer.ROUND_FINAL, 0)
        for body in self.sections:
            source.send_section(body)
        digest = sum(map(peer.zero_page_hash, range(512))) + spoil & peer.M64
        source.seal(digest, zero=512, rounds=2, nr_sections=len(self.sections))
        return source

    def ends(self, source, kind, code, *words):
        """The last word to this source is a refusal of that kind and code; then it is hung up on, and nothing stays."""
        answer = source.wait(kind)
        assert answer.code == code, (answer.code, answer.text)
        missing = [word for word in words if word not in answer.text]
        assert not missing, (answer.text, missing)
        self.gone(source.connection)

    def gone(self, connection):
        """beta hangs up, and has no VM of this connection."""
        self.bench.wire.run_until(lambda: connection.peer_closed or connection.state in ("reset", "closed"), GIVES_UP_S,
                                  "beta hangs up")
        connection.close()
        assert "intruder" not in moves.states(self.beta), moves.states(self.beta)


def before_the_offer(intruder):
    noise = intruder.connect()
    noise.send(bytes(range(256)) * 16)
    intruder.gone(noise)
    cut = intruder.connect()
    cut.send(peer.record(peer.HELLO, peer.hello(), 0)[:50])
    cut.close()
    intruder.gone(cut)
    for kind, body, spoil, code, words in (
            (peer.HELLO, peer.hello(magic=peer.MAGIC ^ 1), {}, peer.CODE_PROTOCOL, ""),
            (peer.HELLO, peer.hello(versions=(7, 9)), {}, peer.CODE_VERSION, "7 to 9"),
            (peer.HELLO, peer.hello(), {"length": 0xFFFFFFF8}, peer.CODE_PROTOCOL, ""),
            (peer.HELLO, peer.hello(), {"seq": 1}, peer.CODE_PROTOCOL, ""),
            (peer.HELLO, peer.hello(), {"flip": 40}, peer.CODE_PROTOCOL, "corrupt"),
            (peer.COMMIT, bytes(32), {}, peer.CODE_PROTOCOL, ""),
            (0x1234, bytes(16), {}, peer.CODE_UNKNOWN_RECORD, str(0x1234))):
        source = intruder.source()
        source.send(kind, body, **spoil)
        intruder.ends(source, peer.REJECT, code, words)


def at_the_offer(intruder):
    greedy = intruder.source()
    answer = greedy.offer(intruder.offer, ram_pages=1 << 32)
    assert (answer.kind, answer.code) == (peer.REFUSE, peer.CODE_MEMORY) and "MiB" in answer.text, answer
    intruder.gone(greedy.connection)
    odd = intruder.source()
    assert odd.offer(intruder.offer, ram_pages=7).kind in (peer.REJECT, peer.REFUSE)
    intruder.gone(odd.connection)


def after_the_offer(intruder):
    begin = (peer.ROUND_BEGIN, peer.round_fields(1, peer.ROUND_ALL, 512), {})
    pages = peer.zero_pages(1, 0, 512)
    for records, words in (
            ([(peer.ROUND_BEGIN, peer.round_fields(2, 2, 0), {})], ""),             # no first round
            ([(peer.PAGES, pages, {})], "round"),                                   # no round at all
            ([begin, (peer.PAGES, peer.zero_pages(1, 500, 13), {})], "run"),        # beyond its memory
            ([begin, (peer.PAGES, pages, {"flip": -3})], "corrupt"),
            ([(peer.PAGES, pages, {"seq": 3}), begin], ""),                         # overtaken
            ([begin, (peer.ROUND_END, peer.round_fields(1, peer.ROUND_ALL, 512, zero=512), {})], ""),   # no pages
            ([(peer.COMMIT, intruder.offer[:16] + bytes(16), {})], "")):            # nothing to commit
        source = intruder.accepted()
        for kind, body, spoil in records:
            source.send(kind, body, **spoil)
        intruder.ends(source, peer.ABORTED, peer.CODE_PROTOCOL, words)
    cut = intruder.accepted()
    assert moves.states(intruder.beta).get("intruder") == "incoming"
    cut.send(*begin[:2])
    cut.connection.send(peer.record(peer.PAGES, pages, cut.seq)[:30])
    cut.connection.close()
    intruder.gone(cut.connection)


def at_the_seal(intruder):
    wrong = intruder.sealed(spoil=1)
    intruder.ends(wrong, peer.ABORTED, peer.CODE_DIGEST, "digest")
    again = peer.Source(intruder.connect(), wrong.tx)
    answer = again.offer(intruder.offer)
    assert (answer.kind, answer.code) == (peer.REFUSE, peer.CODE_REPLAY), answer
    intruder.gone(again.connection)
    ready = intruder.sealed()
    token = ready.wait(peer.READY).body[16:32]
    ready.connection.abort()            # a READY copy outlives its connection, but not its lease
    assert moves.states(intruder.beta).get("intruder") == "incoming", moves.states(intruder.beta)
    liar = peer.Source(intruder.connect(), ready.tx)
    liar.send(peer.HELLO, peer.hello(intent=2))
    liar.wait(peer.HELLO_ACK)
    liar.send(peer.COMMIT, ready.tx + bytes(reversed(token)))
    intruder.bench.wire.run_for(1)
    assert moves.states(intruder.beta).get("intruder") == "incoming", moves.states(intruder.beta)
    liar.connection.close()
    intruder.bench.wire.run_until(lambda: "intruder" not in moves.states(intruder.beta), 15, "the lease ends")


def test_hostile_streams(folder):
    with Bench(folder, period_us=PERIOD_US) as bench:
        alpha, beta = moves.boot_payload(bench, folder)
        station = bench.wire.attach(bench.next_port(), Station, address="10.0.0.9")
        moves.start(alpha)
        assert moves.migrate(alpha, 1)["moved"]
        moves.watch(beta)
        intruder = Intruder(bench, beta, station)
        before_the_offer(intruder)
        at_the_offer(intruder)
        after_the_offer(intruder)
        at_the_seal(intruder)
        silent = [intruder.connect() for _ in range(12)]    # more than a host has room for
        moves.watch(beta)
        report = moves.migrate(beta, 0)
        assert report["moved"], report
        moves.watch(alpha)
        assert moves.migrate(alpha, 1)["moved"], "past strangers who say nothing"
        moves.watch(beta, passes=2)
        for connection in silent:
            intruder.gone(connection)


@slow
def test_link_down_in_a_round(folder):
    with Bench(folder, rate=200_000_000, period_us=PERIOD_US) as bench:
        alpha, beta = moves.boot_payload(bench, folder)
        moves.start(alpha)
        moves.watch(alpha)
        case = Case(bench, alpha, beta)
        for seconds, survives in ((7, False), (1, True)):
            moves.begin(alpha, 1)
            moves.await_progress(alpha, lambda line: line["round"] == 1 and line["pages_sent"] > 0)
            now = bench.wire.time_us
            bench.wire.add_fault(f"down,port=1,start={now},end={now + seconds * 1_000_000}")
            report = moves.await_report(alpha, 2 * seconds + 10)
            assert report["moved"] is survives, report
            if not survives:
                bench.wire.run_until(lambda: moves.states(beta) == {}, 2 * GIVES_UP_S, "beta gives its copy up")
                case.unharmed()
        moves.watch(beta, passes=2)
