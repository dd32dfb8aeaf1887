#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Read a captured migration stream and check it against docs/wire-format.md (written from that page alone).

  read_stream.py SOURCE-TO-TARGET TARGET-TO-SOURCE     two files with the octets of each direction
  read_stream.py --pcap FILE [--port 7600]             every migration connection in a capture
Options: --no-digest (do not hash pages), --json, --quiet. Exit status 0 only if everything is as specified.
"""
import argparse
import json
import struct
import sys

MAGIC = 0x474D544957444F47
M64 = (1 << 64) - 1
PAGE = 4096

TYPES = {  # number: (name, who sends it, shortest body, longest body)
    1: ("HELLO", "S", 80, 80), 2: ("HELLO_ACK", "T", 96, 96), 3: ("REJECT", "T", 216, 216),
    4: ("CLOCK_PROBE", "S", 32, 32), 5: ("CLOCK_REPLY", "T", 32, 32), 6: ("KEEPALIVE", "ST", 8, 8),
    16: ("OFFER", "S", 1200, 1200 + 8 * 64), 17: ("ACCEPT", "T", 24, 24), 18: ("REFUSE", "T", 240, 240),
    32: ("ROUND_BEGIN", "S", 40, 40), 33: ("PAGES", "S", 16, 262664), 34: ("ROUND_END", "S", 40, 40),
    35: ("ROUND_ACK", "T", 40, 40), 48: ("SECTION", "S", 8, 65544), 49: ("SEAL", "S", 88, 88),
    50: ("READY", "T", 56, 56), 51: ("COMMIT", "S", 32, 32), 52: ("STARTED", "T", 72, 72), 53: ("DONE", "S", 32, 32),
    64: ("ABORT", "S", 240, 240), 65: ("ABORTED", "T", 240, 240), 66: ("TX_UNKNOWN", "T", 32, 32),
}
CODES = ("? version protocol unknown-record cpu-feature tsc memory name busy section digest cancelled silent link "
         "deadline lease not-converging internal spec replay unsupported guest").split()


class Violation(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Violation(text)


# CRC-32C of 8 octets at a time ("slicing by 8").
def make_tables():
    first = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        first.append(n)
    tables = [first]
    for _ in range(7):
        last = tables[-1]
        tables.append([first[v & 255] ^ v >> 8 for v in last])
    return tables


T0, T1, T2, T3, T4, T5, T6, T7 = make_tables()


def crc_words(crc, words):
    for w in words:
        w ^= crc
        crc = (T7[w & 255] ^ T6[w >> 8 & 255] ^ T5[w >> 16 & 255] ^ T4[w >> 24 & 255] ^
               T3[w >> 32 & 255] ^ T2[w >> 40 & 255] ^ T1[w >> 48 & 255] ^ T0[w >> 56])
    return crc


def crc(state, data):
    return crc_words(state, struct.unpack("<%dQ" % (len(data) // 8), data))


def mix(index, lanes):
    h = (lanes[0] + (lanes[1] << 32) + (index + 1) * 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9 & M64
    h = ((h ^ h >> 32) + lanes[2] + (lanes[3] << 32)) * 0x94D049BB133111EB & M64
    h = ((h ^ h >> 29) + index) * 0xD6E8FEB86659FD93 & M64
    return h ^ h >> 32


LANES = {}  # content -> lanes; many pages are alike


def page_lanes(content):
    lanes = LANES.get(content)
    if lanes is None:
        words = struct.unpack("<512Q", content)
        lanes = tuple(crc_words(0, words[i::4]) for i in range(4))
        if len(LANES) < 4096:
            LANES[content] = lanes
    return lanes


class Body:
    """Fields of a body, in order."""

    def __init__(self, name, data):
        self.name, self.data, self.at = name, data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), f"{self.name}: too short")
        self.at += n
        return self.data[self.at - n:self.at]

    def u16(self):
        return struct.unpack("<H", self.take(2))[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def i64(self):
        return struct.unpack("<q", self.take(8))[0]

    def id(self):
        return self.take(16)

    def rsvd(self, n):
        need(not any(self.take(n)), f"{self.name}: reserved octets are not zero")

    def text(self, n):
        raw = self.take(n)
        end = raw.find(0)
        need(end >= 0, f"{self.name}: text without end")
        need(not any(raw[end:]), f"{self.name}: octets behind the end of a text")
        need(all(c >= 0x20 and c != 0x7F for c in raw[:end]), f"{self.name}: control character in a text")
        return raw[:end].decode("utf-8", "replace")

    def enum(self, value, allowed, what):
        need(value in allowed, f"{self.name}: {what} is {value}")
        return value

    def end(self):
        need(self.at == len(self.data), f"{self.name}: {len(self.data) - self.at} octets too long")


def records(data, side):
    """(position, type, body) of each record of one direction; checks headers and checksums."""
    at, seq = 0, 0
    while at < len(data):
        if len(data) - at < 16:
            yield at, "CUT", data[at:]
            return
        kind, flags, length, number, check = struct.unpack_from("<HHIII", data, at)
        need(kind != 0, f"octet {at}: record type 0")
        need(flags & ~1 == 0, f"octet {at}: flags {flags:#x}")
        need(length % 8 == 0, f"octet {at}: length {length} is no multiple of 8")
        need(number == seq, f"octet {at}: record {number} where {seq} was due")
        known = TYPES.get(kind)
        need(known or flags & 1, f"octet {at}: unknown mandatory record type {kind}")
        if known:
            need(known[2] <= length <= known[3], f"octet {at}: {known[0]} of {length} octets")
            need(side in known[1], f"octet {at}: {known[0]} from the wrong side")
        else:
            need(length <= 65544, f"octet {at}: optional record of {length} octets")
        body = data[at + 16:at + 16 + length]
        if len(body) < length:
            yield at, "CUT", data[at:]
            return
        if known:
            covered = body
            if kind == 33:
                runs = struct.unpack_from("<I", body, 4)[0]
                need(1 <= runs <= 64 and 8 + 8 * runs <= length, f"octet {at}: PAGES with {runs} runs")
                covered = body[:8 + 8 * runs]
            state = crc(0xFFFFFFFF, struct.pack("<HHIII", kind, flags, length, number, 0))
            need(crc(state, covered) == check, f"octet {at}: checksum of {known[0]} is wrong")
            yield at, known[0], body
        at += 16 + length
        seq += 1


def failure(body):
    out = {"tx": body.id(), "token": body.id(), "code": body.u32(), "text": body.text(200)}
    body.rsvd(4)
    body.end()
    need(out["code"] != 0, f"{body.name}: code 0")
    return out


def round_fields(body):
    out = dict(zip(("round", "kind"), (body.u32(), body.u32())))
    body.enum(out["kind"], (1, 2, 3), "kind")
    out.update(zip(("pages", "raw", "zero", "octets"), (body.u64(), body.u64(), body.u64(), body.u64())))
    body.end()
    return out


def commit_fields(body):
    out = {"tx": body.id(), "token": body.id()}
    body.end()
    return out


class Connection:
    """Everything that one connection must satisfy."""

    def __init__(self, use_digest):
        self.use_digest = use_digest
        self.info = {"records": 0, "rounds": [], "raw_pages": 0, "zero_pages": 0, "page_octets": 0, "sections": 0,
                     "result": "open"}
        self.hello = self.ack = self.offer = self.accept = self.seal = self.ready = self.commit = self.round = None
        self.rounds_done, self.final, self.hashes, self.digest, self.came = 0, False, {}, 0, set()
        self.probes, self.acks, self.section_crc, self.section_octets = set(), 0, 0xFFFFFFFF, 0
        self.sections = {}

    # -- the source's records
    def on_hello(self, b):
        need(self.hello is None, "HELLO comes twice")
        need(b.u64() == MAGIC, "HELLO: magic")
        low, high = b.u16(), b.u16()
        need(1 <= low <= high, "HELLO: versions")
        self.hello = {"versions": (low, high), "intent": b.enum(b.u32(), (1, 2), "intent"), "boot_id": b.id(),
                      "nonce": b.id(), "host": b.text(32)}
        b.end()
        self.info["source"] = self.hello["host"]

    def on_probe(self, b):
        number = b.u32()
        b.rsvd(4)
        self.probes.add((number, b.u64()))
        need((b.u64(), b.u64()) == (0, 0), "CLOCK_PROBE: t2 and t3 are not 0")
        b.end()

    def on_offer(self, b):
        need(self.offer is None and self.hello["intent"] == 1, "OFFER is not due")
        o = {"tx": b.id(), "uuid": b.id(), "name": b.text(32), "cmdline": b.text(1024), "ram": b.u64(), "tsc": b.u64(),
             "limit": b.u64()}
        need(o["name"], "OFFER: no name")
        need(512 <= o["ram"] <= 1 << 32 and o["ram"] % 512 == 0, f"OFFER: {o['ram']} pages")
        need(b.u32() == PAGE, "OFFER: page size")
        need(1 <= b.u32() <= 1024, "OFFER: vCPUs")
        b.enum(b.u32(), (1, 2, 3), "cpu")
        b.enum(b.u32(), (1, 2, 3, 4), "dirty")
        o["flags"] = b.enum(b.u32(), range(8), "flags")
        count = b.u32()
        need(count <= 64, "OFFER: too many sections")
        b.take(64)
        for _ in range(count):
            ident, version = b.u16(), b.u16()
            b.rsvd(4)
            need(ident != 0 and ident not in self.sections, f"OFFER: section {ident}")
            self.sections[ident] = version
        b.end()
        self.offer = o
        self.info.update(vm=o["name"], ram_pages=o["ram"])

    def on_round_begin(self, b):
        r = round_fields(b)
        need(self.offer and not self.round and not self.final and not self.info["sections"], "ROUND_BEGIN is not due")
        need(r["round"] == self.rounds_done + 1, f"round {r['round']} after {self.rounds_done}")
        need((r["kind"] == 1) == (r["round"] == 1), "kind of round")
        need(r["pages"] <= self.offer["ram"] and (r["kind"] != 1 or r["pages"] == self.offer["ram"]), "pages of round")
        need((r["raw"], r["zero"], r["octets"]) == (0, 0, 0), "ROUND_BEGIN: counts")
        self.round = {"round": r["round"], "kind": r["kind"], "pages": r["pages"], "raw": 0, "zero": 0, "octets": 0}
        self.seen = set()

    def on_pages(self, b):
        need(self.round, "PAGES outside a round")
        need(b.u32() == self.round["round"], "PAGES of another round")
        runs = [b.u64() for _ in range(b.u32())]
        end = raw = 0
        for run in runs:
            first, count, kind = run & (1 << 40) - 1, run >> 40 & 0xFFFF, run >> 56
            need(kind in (1, 2) and count and first >= end and first + count <= self.offer["ram"],
                 f"PAGES: run of {count} from {first} of kind {kind}")
            end = first + count
            for index in range(first, end):
                need(index not in self.seen, f"page {index} comes twice in round {self.round['round']}")
                self.seen.add(index)
                self.page(index, b.take(PAGE) if kind == 1 else None)
            raw += count if kind == 1 else 0
            self.round["raw" if kind == 1 else "zero"] += count
        need(raw <= 64, f"PAGES: {raw} raw pages")
        b.end()
        self.round["octets"] += 16 + len(b.data)

    def page(self, index, content):
        self.came.add(index)
        if self.use_digest:
            new = mix(index, page_lanes(content) if content else (0, 0, 0, 0))
            self.digest = self.digest + new - self.hashes.get(index, 0) & M64
            self.hashes[index] = new

    def on_round_end(self, b):
        r = round_fields(b)
        need(self.round, "ROUND_END outside a round")
        need(r == self.round, f"ROUND_END says {r}, counted {self.round}")
        need(r["raw"] + r["zero"] == r["pages"], "ROUND_END: pages are missing")
        self.rounds_done = r["round"]
        self.final = r["kind"] == 3
        self.info["rounds"].append({k: r[k] for k in ("round", "kind", "pages", "zero", "octets")})
        self.info["raw_pages"] += r["raw"]
        self.info["zero_pages"] += r["zero"]
        self.info["page_octets"] += r["octets"]
        self.round = None

    def on_section(self, b):
        need(self.final and not self.seal, "SECTION is not due")
        ident, version, length = b.u16(), b.u16(), b.u32()
        need(next(iter(self.sections), None) == ident and self.sections.pop(ident) == version,
             f"SECTION {ident} version {version} is not the next one that was offered")
        b.take(length)
        need(len(b.data) == (8 + length + 7) // 8 * 8, "SECTION: length")
        b.rsvd(len(b.data) - 8 - length)
        self.section_crc = crc(self.section_crc, b.data)
        self.section_octets += len(b.data)
        self.info["sections"] += 1

    def on_seal(self, b):
        need(self.final and not self.seal, "SEAL is not due")
        need(b.id() == self.offer["tx"], "SEAL: transaction")
        need(b.u64() == self.offer["ram"] == len(self.came), f"SEAL: {len(self.came)} pages came")
        need((b.u64(), b.u64()) == (self.info["raw_pages"], self.info["zero_pages"]), "SEAL: page counts")
        s = {"digest": b.u64(), "sections": b.u64(), "pause": b.u64(), "offset": b.i64(), "error": b.u64()}
        need(b.u32() == self.rounds_done and b.u32() == self.info["sections"] and not self.sections, "SEAL: counts")
        b.end()
        if self.use_digest:
            need(s["digest"] == self.digest, f"SEAL: digest {s['digest']:016x}, computed {self.digest:016x}")
        need(s["sections"] == (self.section_octets << 32 | self.section_crc), "SEAL: section digest")
        self.seal = s
        self.info["digest"] = f"{s['digest']:016x}"

    def on_commit(self, b):
        c = commit_fields(b)
        need(not self.commit, "COMMIT comes twice")
        if self.hello["intent"] == 1:
            need(self.ready, "COMMIT without READY")
            need(c == self.ready["pair"], "COMMIT: transaction or token")
        self.commit = c

    def on_done(self, b):
        need(commit_fields(b) == self.commit and self.info["result"] == "started", "DONE is not due")
        self.info["result"] = "done"

    def on_abort(self, b):
        f = failure(b)
        need(self.offer and f["tx"] == self.offer["tx"] and not self.commit, "ABORT is not due")
        self.ended("aborted by the source", f)

    # -- the target's records
    def on_hello_ack(self, b):
        need(b.u64() == MAGIC, "HELLO_ACK: magic")
        version = b.u16()
        need(self.hello["versions"][0] <= version <= self.hello["versions"][1], f"HELLO_ACK: version {version}")
        b.rsvd(6)
        self.ack = {"boot_id": b.id(), "nonce": b.id()}
        need(b.id() == self.hello["nonce"], "HELLO_ACK: peer_nonce")
        self.info["target"] = b.text(32)
        b.end()

    def on_reject(self, b):
        need(b.u64() == MAGIC, "REJECT: magic")
        b.take(4)
        f = {"code": b.u32(), "text": b.text(200)}
        b.end()
        self.ended("rejected", f)

    def on_reply(self, b):
        number = b.u32()
        b.rsvd(4)
        t1, t2, t3 = b.u64(), b.u64(), b.u64()
        b.end()
        need((number, t1) in self.probes, f"CLOCK_REPLY: no probe {number} at {t1}")
        need(t3 >= t2, "CLOCK_REPLY: t3 < t2")

    def on_accept(self, b):
        need(self.offer and b.id() == self.offer["tx"], "ACCEPT is not due")
        b.u64()
        b.end()
        self.accept = True
        if self.offer["flags"] & 1:
            self.info["result"] = "dry run accepted"

    def on_refuse(self, b):
        f = failure(b)
        need(self.offer and f["tx"] == self.offer["tx"] and not self.accept, "REFUSE is not due")
        self.ended("refused", f)

    def on_round_ack(self, b):
        r = round_fields(b)
        need(r["round"] == self.acks + 1 and r["round"] <= len(self.info["rounds"]), "ROUND_ACK is not due")
        self.acks += 1

    def on_ready(self, b):
        need(self.seal and not self.ready, "READY without SEAL")
        pair = {"tx": b.id(), "token": b.id()}
        need(pair["tx"] == self.offer["tx"] and any(pair["token"]), "READY: transaction or token")
        need((b.u64(), b.u64()) == (self.seal["digest"], self.seal["sections"]), "READY: digests differ")
        b.u64()
        b.end()
        self.ready = {"pair": pair}
        self.info["result"] = "ready"

    def on_started(self, b):
        pair = {"tx": b.id(), "token": b.id()}
        need(self.commit == pair, "STARTED without COMMIT")
        first, self.info["guest_blackout_ns"] = b.u64(), b.u64()
        sealed, ready, commit = b.u64(), b.u64(), b.u64()
        b.end()
        need(sealed <= ready <= commit <= first, "STARTED: times run backwards")
        if self.seal:
            self.info["blackout_ns"] = first - self.seal["offset"] - self.seal["pause"]
            self.info["blackout_error_ns"] = self.seal["error"]
        self.info["result"] = "started"

    def on_aborted(self, b):
        f = failure(b)
        need(self.info["result"] not in ("started", "done"), "ABORTED after STARTED")
        need(self.commit is None or f["token"] == self.commit["token"], "ABORTED: token")
        self.ended("aborted by the target", f)

    def on_unknown(self, b):
        need(commit_fields(b) == self.commit, "TX_UNKNOWN is not due")
        self.info["result"] = "transaction unknown"

    def on_keepalive(self, b):
        b.u64()
        b.end()

    def ended(self, how, f):
        code = CODES[f["code"]] if f["code"] < len(CODES) else f["code"]
        self.info["result"] = f"{how}: {code}: {f['text']}"

    SOURCE = {"HELLO": on_hello, "CLOCK_PROBE": on_probe, "OFFER": on_offer, "ROUND_BEGIN": on_round_begin,
              "PAGES": on_pages, "ROUND_END": on_round_end, "SECTION": on_section, "SEAL": on_seal, "COMMIT": on_commit,
              "DONE": on_done, "ABORT": on_abort, "KEEPALIVE": on_keepalive}
    TARGET = {"HELLO_ACK": on_hello_ack, "REJECT": on_reject, "CLOCK_REPLY": on_reply, "ACCEPT": on_accept,
              "REFUSE": on_refuse, "ROUND_ACK": on_round_ack, "READY": on_ready, "STARTED": on_started,
              "ABORTED": on_aborted, "TX_UNKNOWN": on_unknown, "KEEPALIVE": on_keepalive}
    # The source's record without which one of the target's cannot be: the merge below waits for it.
    AFTER = {"HELLO_ACK": "HELLO", "CLOCK_REPLY": "CLOCK_PROBE", "ACCEPT": "OFFER", "REFUSE": "OFFER",
             "ROUND_ACK": "ROUND_END", "READY": "SEAL", "STARTED": "COMMIT", "TX_UNKNOWN": "COMMIT"}
    # ... and the other way round.
    BEFORE = {"CLOCK_PROBE": "HELLO_ACK", "OFFER": "CLOCK_REPLY", "ROUND_BEGIN": "ACCEPT", "COMMIT": "READY",
              "DONE": "STARTED"}

    def take(self, side, name, body, at):
        try:
            (self.SOURCE if side == "S" else self.TARGET)[name](self, Body(name, body))
        except Violation as e:
            raise Violation(f"{'source' if side == 'S' else 'target'} octet {at}: {e}") from None
        self.info["records"] += 1

    def check(self, source, target, complete):
        """Walk both directions in an order in which they can have happened: each waits for what it depends on."""
        streams = {"S": records(source, "S"), "T": records(target, "T")}
        head = {side: next(it, None) for side, it in streams.items()}
        need(head["S"] is None or head["S"][1] in ("HELLO", "CUT"), "the source does not begin with HELLO")
        count = {}
        while head["S"] or head["T"]:
            side = self.pick(head, count)
            at, name, body = head[side]
            if name == "CUT":
                need(not complete, f"{side} octet {at}: the stream ends inside a record")
                head[side] = None
                continue
            self.take(side, name, body, at)
            count[name] = count.get(name, 0) + 1
            head[side] = next(streams[side], None)
        return self.info

    def pick(self, head, count):
        t = head["T"]
        if t is None or head["S"] is None:
            return "S" if t is None else "T"
        due = self.AFTER.get(t[1])
        if due:
            return "T" if count.get(due, 0) > count.get(t[1], 0) else "S"
        if t[1] in ("REJECT", "ABORTED"):  # the last word: everything the source had sent by then comes first
            return "S"
        want = self.BEFORE.get(head["S"][1])
        return "T" if want and not count.get(want) else "S"


# -- pcap: Ethernet, IPv4, TCP; reassembly by sequence number
def pcap_frames(path):
    with open(path, "rb") as f:
        magic = f.read(4)
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}
        need(magic in order, f"{path} is no pcap file")
        e = order[magic]
        f.read(20)
        while True:
            head = f.read(16)
            if len(head) < 16:
                return
            length = struct.unpack(e + "IIII", head)[2]
            frame = f.read(length)
            if len(frame) == length:
                yield frame


class Half:
    def __init__(self):
        self.start, self.parts = None, {}

    def octets(self):
        out, at = bytearray(), 0
        for offset in sorted(self.parts):
            data = self.parts[offset]
            if offset > at:
                break  # a hole: the capture is incomplete
            if offset + len(data) > at:
                out += data[at - offset:]
                at = offset + len(data)
        return bytes(out)

    def add(self, seq, data):
        if self.start is None or not data:
            return
        offset = (seq - self.start) & 0xFFFFFFFF
        if offset > 1 << 31:
            return
        offset += (max(self.parts, default=0) - offset + (1 << 31)) >> 32 << 32  # sequence numbers wrap at 4 GiB
        if len(data) > len(self.parts.get(offset, b"")):
            self.parts[offset] = data


def pcap_connections(path, port):
    """(client, source octets, target octets) per TCP connection to the port, in order of their SYN."""
    live, done = {}, []
    for frame in pcap_frames(path):
        if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ihl = (frame[14] & 15) * 4
        total = struct.unpack_from(">H", frame, 16)[0]
        src, dst = frame[26:30], frame[30:34]
        tcp = frame[14 + ihl:14 + total]
        if len(tcp) < 20:
            continue
        sport, dport, seq, _, off, flags = struct.unpack_from(">HHIIBB", tcp, 0)
        data = tcp[(off >> 4) * 4:]
        if port not in (sport, dport):
            continue
        from_client = dport == port
        key = (src, sport, dst) if from_client else (dst, dport, src)
        syn = flags & 2
        if syn and from_client and (key not in live or live[key][0].start != (seq + 1) & 0xFFFFFFFF):
            live[key] = (Half(), Half())
            done.append((key, live[key]))
        if key not in live:
            continue
        half = live[key][0 if from_client else 1]
        if syn:
            half.start = (seq + 1) & 0xFFFFFFFF
        half.add((seq + (1 if syn else 0)) & 0xFFFFFFFF, data)
    for key, (client, server) in done:
        yield "%d.%d.%d.%d:%d" % (*key[0], key[1]), client.octets(), server.octets()


def summary(name, info):
    print(f"{name}: {info.get('source', '?')} -> {info.get('target', '?')}, VM {info.get('vm', '-')}, "
          f"{info['records']} records, result: {info['result']}")
    for r in info["rounds"]:
        print("  round %(round)d (%(kind)s): %(pages)d pages, %(zero)d zero, %(octets)d octets"
              % {**r, "kind": ("?", "all", "dirty", "final")[r["kind"]]})
    if "digest" in info:
        print(f"  digest {info['digest']}, {info['sections']} sections")
    if "blackout_ns" in info:
        print(f"  blackout {info['blackout_ns'] / 1e6:.3f} ms +- {info['blackout_error_ns'] / 1e6:.3f} ms, "
              f"guest clocks advanced by {info['guest_blackout_ns'] / 1e6:.3f} ms")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("files", nargs="*", help="source-to-target and target-to-source octets")
    p.add_argument("--pcap", metavar="FILE")
    p.add_argument("--port", type=int, default=7600)
    p.add_argument("--no-digest", action="store_true", help="do not hash the pages")
    p.add_argument("--allow-cut", action="store_true", help="a stream may end inside a record")
    p.add_argument("--json", action="store_true")
    p.add_argument("--quiet", action="store_true")
    a = p.parse_args()
    if bool(a.pcap) == bool(a.files) or (a.files and len(a.files) != 2):
        p.error("give two files, or --pcap FILE")
    try:
        if a.pcap:
            streams = list(pcap_connections(a.pcap, a.port))
            need(streams, f"{a.pcap}: no connection to port {a.port}")
        else:
            octets = []
            for name in a.files:
                with open(name, "rb") as f:
                    octets.append(f.read())
            streams = [("stream", *octets)]
        for name, source, target in streams:
            info = Connection(not a.no_digest).check(source, target, not a.allow_cut)
            if a.json:
                print(json.dumps({"connection": name, **info}))
            elif not a.quiet:
                summary(name, info)
    except (Violation, OSError) as e:
        print(f"read_stream: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
