# SPDX-License-Identifier: MIT
"""Reading captures of the wire: frames, Ethernet/IPv4/TCP fields, and whole TCP streams."""
import struct
from dataclasses import dataclass

ETHERTYPE_IPV4 = 0x0800
PROTOCOL_TCP = 6
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SEQUENCE_MASK = 0xFFFFFFFF


def read_pcap(path):
    """Yield (time in us, frame) of a classic little-endian pcap file; a cut-off last record is left out."""
    with open(path, "rb") as file:
        header = file.read(24)
        magic, = struct.unpack_from("<I", header)
        if magic != 0xA1B2C3D4:
            raise ValueError(f"{path}: not a pcap file of the wire (magic {magic:#x})")
        while len(record := file.read(16)) == 16:
            seconds, microseconds, size, _ = struct.unpack("<IIII", record)
            frame = file.read(size)
            if len(frame) < size:
                return
            yield seconds * 1_000_000 + microseconds, frame


@dataclass
class Segment:
    """One TCP segment over IPv4."""
    time_us: int
    source: str
    source_port: int
    destination: str
    destination_port: int
    sequence: int
    acknowledged: int
    flags: int
    window: int
    payload: bytes

    @property
    def flow(self):
        return self.source, self.source_port, self.destination, self.destination_port


def parse_tcp(time_us, frame):
    """The frame as a Segment, or None."""
    if len(frame) < 54 or struct.unpack_from(">H", frame, 12)[0] != ETHERTYPE_IPV4:
        return None
    header_bytes = (frame[14] & 15) * 4
    total, = struct.unpack_from(">H", frame, 16)
    if frame[14] >> 4 != 4 or frame[23] != PROTOCOL_TCP or len(frame) < 14 + total or total < header_bytes + 20:
        return None
    tcp = 14 + header_bytes
    source_port, destination_port, sequence, acknowledged, offset, flags, window = \
        struct.unpack_from(">HHIIBBH", frame, tcp)
    return Segment(time_us, ".".join(map(str, frame[26:30])), source_port, ".".join(map(str, frame[30:34])),
                   destination_port, sequence, acknowledged, flags, window,
                   bytes(frame[tcp + (offset >> 4) * 4:14 + total]))


class Stream:
    """The bytes that one side of a TCP connection sent, put in order.

    `chunks` is [(time in us of the frame that completed the chunk, offset, bytes)].
    """

    def __init__(self, flow, initial_sequence, begin_us):
        self.flow, self.begin_us = flow, begin_us
        self.chunks = []
        self.closed = False             # a FIN was sent
        self.reset = False
        self.retransmitted_bytes = 0
        self._base = (initial_sequence + 1) & SEQUENCE_MASK
        self._length = 0
        self._pending = {}              # offset -> payload, beyond the contiguous part

    def add(self, segment):
        offset = (segment.sequence - self._base - self._length) & SEQUENCE_MASK
        offset = self._length + (offset - (1 << 32) if offset >= 1 << 31 else offset)
        if segment.payload:
            if offset + len(segment.payload) <= self._length or offset in self._pending:
                self.retransmitted_bytes += len(segment.payload)
            if len(segment.payload) > len(self._pending.get(offset, b"")):
                self._pending[offset] = segment.payload
        self.closed |= bool(segment.flags & FIN)
        self.reset |= bool(segment.flags & RST)
        self._collect(segment.time_us)

    def _collect(self, time_us):
        progress = True
        while progress:
            progress = False
            for offset in sorted(self._pending):
                if offset > self._length:
                    break
                payload = self._pending.pop(offset)[self._length - offset:]
                if payload:
                    self.chunks.append((time_us, self._length, payload))
                    self._length += len(payload)
                    progress = True

    @property
    def data(self):
        return b"".join(payload for _, _, payload in self.chunks)

    def time_of(self, offset):
        """Emulated us at which the byte at `offset` had been on the wire (with all before it)."""
        for time_us, start, payload in self.chunks:
            if start <= offset < start + len(payload):
                return time_us
        return None


def tcp_streams(path, port=None):
    """Every one-way stream whose connection was opened in the capture, in order of opening.

    port: only connections to (or from) this TCP port."""
    streams, open_streams = [], {}
    for time_us, frame in read_pcap(path):
        segment = parse_tcp(time_us, frame)
        if segment is None or (port is not None and port not in (segment.source_port, segment.destination_port)):
            continue
        known = open_streams.get(segment.flow)
        if segment.flags & SYN:
            if known is None or known._base != (segment.sequence + 1) & SEQUENCE_MASK:
                open_streams[segment.flow] = Stream(segment.flow, segment.sequence, time_us)
                streams.append(open_streams[segment.flow])
        elif known is not None:
            known.add(segment)
    return streams
