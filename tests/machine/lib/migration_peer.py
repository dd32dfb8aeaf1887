# SPDX-License-Identifier: MIT
"""A scripted end of the migration protocol, written from docs/wire-format.md: makes records, right or wrong, and reads
the answers. It runs over a Station's TCP connection."""
import struct
from dataclasses import dataclass

HELLO, HELLO_ACK, REJECT = 1, 2, 3
OFFER, ACCEPT, REFUSE = 16, 17, 18
ROUND_BEGIN, PAGES, ROUND_END, ROUND_ACK = 32, 33, 34, 35
SECTION, SEAL, READY, COMMIT, STARTED, DONE = 48, 49, 50, 51, 52, 53
ABORT, ABORTED = 64, 65

MAGIC = 0x474D544957444F47
CODE_VERSION, CODE_PROTOCOL, CODE_UNKNOWN_RECORD, CODE_MEMORY, CODE_DIGEST, CODE_REPLAY = 1, 2, 3, 6, 10, 19
ROUND_ALL, ROUND_FINAL = 1, 3
PAGE_ZERO = 2
M64 = (1 << 64) - 1
HEADER = struct.Struct("<HHIII")
OFFER_NAME, OFFER_RAM_PAGES, OFFER_FLAGS = 32, 1088, 1128


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def crc32c(data, crc=0xFFFFFFFF):
    """CRC-32C without final inversion (wire-format.md, section 2)."""
    for octet in data:
        crc = CRC_TABLE[(crc ^ octet) & 255] ^ crc >> 8
    return crc


def record(kind, body, seq, flags=0, length=None):
    """One record; of PAGES the checksum covers the run table only. length: what the header says instead."""
    covered = body
    if kind == PAGES:
        covered = body[:8 + 8 * struct.unpack_from("<I", body, 4)[0]]
    length = len(body) if length is None else length
    crc = crc32c(HEADER.pack(kind, flags, length, seq, 0) + covered)
    return HEADER.pack(kind, flags, length, seq, crc) + body


@dataclass
class Record:
    kind: int
    body: bytes

    @property
    def code(self):
        """Of REJECT, REFUSE and ABORTED."""
        return struct.unpack_from("<I", self.body, 12 if self.kind == REJECT else 32)[0]

    @property
    def text(self):
        at = 16 if self.kind == REJECT else 36
        return self.body[at:at + 200].split(b"\0")[0].decode()


def parse(data):
    """The complete records at the start of `data`."""
    found, at = [], 0
    while len(data) - at >= HEADER.size:
        kind, _, length, _, _ = HEADER.unpack_from(data, at)
        if len(data) - at - HEADER.size < length:
            break
        found.append(Record(kind, bytes(data[at + HEADER.size:at + HEADER.size + length])))
        at += HEADER.size + length
    return found


def zero_page_hash(index):
    """H(index, zeros), section 6: all four lanes are 0."""
    h = ((index + 1) * 0x9E3779B97F4A7C15 * 0xBF58476D1CE4E5B9) & M64
    h = (h ^ h >> 32) * 0x94D049BB133111EB & M64
    h = ((h ^ h >> 29) + index) * 0xD6E8FEB86659FD93 & M64
    return h ^ h >> 32


def hello(versions=(1, 1), magic=MAGIC, intent=1):
    return struct.pack("<QHHI16s16s32s", magic, *versions, intent, b"B" * 16, b"N" * 16, b"scripted")


def reject(versions, code, text):
    return struct.pack("<QHHI200s", MAGIC, *versions, code, text)


def hello_ack(body_of_hello, version):
    return struct.pack("<QH6x16s16s16s32s", MAGIC, version, b"T" * 16, b"M" * 16, body_of_hello[32:48], b"scripted")


def offer_like(body, tx, name=b"intruder", ram_pages=512):
    """A captured offer as one for another VM."""
    changed = bytearray(body)
    changed[0:16] = tx
    changed[16:32] = tx
    changed[OFFER_NAME:OFFER_NAME + 32] = name.ljust(32, b"\0")
    struct.pack_into("<Q", changed, OFFER_RAM_PAGES, ram_pages)
    struct.pack_into("<I", changed, OFFER_FLAGS, 0)
    return bytes(changed)


def round_fields(number, kind, pages, raw=0, zero=0, octets=0):
    return struct.pack("<IIQQQQ", number, kind, pages, raw, zero, octets)


def zero_pages(number, first, count):
    return struct.pack("<IIQ", number, 1, first | count << 40 | PAGE_ZERO << 56)


class Source:
    """The records of a source, in order, towards one connection. `seq` counts them; a test may spoil anything."""

    def __init__(self, connection, tx):
        self.connection, self.tx = connection, tx
        self.seq = 0
        self.sections = b""

    def send(self, kind, body, seq=None, length=None, flip=None):
        """Send the next record. seq, length: what its header says instead; flip: an octet of it to spoil afterwards."""
        data = bytearray(record(kind, body, self.seq if seq is None else seq, length=length))
        if flip is not None:
            data[flip] ^= 0x10
        self.seq += 1
        self.connection.send(bytes(data))
        return data

    def answers(self):
        return parse(self.connection.data)

    def wait(self, *kinds, limit=3.0):
        """Wait for an answer of one of these types; returns the latest one."""
        def found():
            return [answer for answer in self.answers() if answer.kind in kinds]
        self.connection.station.wire.run_until(found, limit, f"a record of type {kinds}")
        return found()[-1]

    def greet(self):
        self.send(HELLO, hello())
        self.wait(HELLO_ACK)

    def offer(self, captured, **changes):
        """Greet and offer a VM of 512 pages; returns the answer to the offer."""
        self.greet()
        self.send(OFFER, offer_like(captured, self.tx, **changes))
        return self.wait(ACCEPT, REFUSE, REJECT)

    def round(self, number, kind, pages):
        """A whole round of zero pages."""
        self.send(ROUND_BEGIN, round_fields(number, kind, pages))
        octets = 0
        if pages:
            octets = len(self.send(PAGES, zero_pages(number, 0, pages)))
        self.send(ROUND_END, round_fields(number, kind, pages, zero=pages, octets=octets))

    def send_section(self, body):
        self.sections += body
        self.send(SECTION, body)

    def seal(self, digest, zero, rounds, nr_sections, pages=512):
        sections = len(self.sections) << 32 | crc32c(self.sections)
        self.send(SEAL, struct.pack("<16sQQQQQQqQII", self.tx, pages, 0, zero, digest, sections, 0, 0, 0, rounds,
                                    nr_sections))
