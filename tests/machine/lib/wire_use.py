# SPDX-License-Identifier: MIT
"""What a migration did to the wire, from a capture alone: octets, rounds, pages, how full the link was.

Reads records as docs/wire-format.md has them; checks nothing (tools/read_stream.py does)."""
import bisect
import struct
from dataclasses import dataclass, field

from .migration_peer import HEADER, PAGES, ROUND_BEGIN, ROUND_END
from .pcap import SYN, Stream, parse_tcp, read_pcap

FRAME_OCTETS = 12                       # preamble, start of frame and FCS, which the capture does not have
GAP_OCTETS = 12                         # until the next frame may begin
PAGE_BYTES = 4096
PAGE_RAW = 1


@dataclass
class Direction:
    stream: Stream
    frames: list = field(default_factory=list)      # (time in us, octets on the wire)

    @property
    def octets(self):
        return sum(octets for _, octets in self.frames)

    def occupied(self, begin_us, end_us, rate):
        """Share of the link's time that frames and the gaps after them took in this interval."""
        octets = sum(octets + GAP_OCTETS for time_us, octets in self.frames if begin_us < time_us <= end_us)
        return octets * 8 * 1_000_000 / rate / (end_us - begin_us)


@dataclass
class Round:
    number: int
    kind: int                           # 1 all, 2 dirty, 3 final
    begin_us: int
    end_us: int = None
    raw: int = 0
    zero: int = 0


class Move:
    """One connection to the migration port."""

    def __init__(self):
        self.to_target = self.to_source = None
        self.rounds = []
        self.times_sent = {}            # page -> how often

    def read(self):
        """Find the rounds and pages in the source's stream."""
        data, at = self.to_target.stream.data, 0
        starts = [start for _, start, _ in self.to_target.stream.chunks]

        def time_of(offset):
            return self.to_target.stream.chunks[bisect.bisect_right(starts, offset) - 1][0]
        while len(data) - at >= HEADER.size:
            kind, _, length, _, _ = HEADER.unpack_from(data, at)
            body = at + HEADER.size
            if body + length > len(data):
                break
            if kind == ROUND_BEGIN:
                self.rounds.append(Round(*struct.unpack_from("<II", data, body), time_of(at)))
            elif kind == PAGES:
                self._take_pages(struct.unpack_from(f"<{struct.unpack_from('<I', data, body + 4)[0]}Q", data, body + 8))
            elif kind == ROUND_END:
                self.rounds[-1].end_us = time_of(body + length - 1)
            at = body + length
        return self

    def _take_pages(self, runs):
        for run in runs:
            first, count, kind = run & (1 << 40) - 1, run >> 40 & 0xFFFF, run >> 56
            for page in range(first, first + count):
                self.times_sent[page] = self.times_sent.get(page, 0) + 1
            if kind == PAGE_RAW:
                self.rounds[-1].raw += count
            else:
                self.rounds[-1].zero += count

    def figures(self, rate):
        """Everything that is derived, as a dictionary of numbers."""
        running = [r for r in self.rounds if r.kind != 3 and r.end_us is not None]
        non_zero = self.rounds[0].raw * PAGE_BYTES
        resent = sum(r.raw for r in self.rounds[1:]) * PAGE_BYTES
        wire = self.to_target.octets
        return {
            "rounds": len(self.rounds),
            "pages": sum(r.raw + r.zero for r in self.rounds),
            "zero_pages": sum(r.zero for r in self.rounds),
            "wire_octets": wire,
            "wire_octets_back": self.to_source.octets,
            "retransmitted_octets": self.to_target.stream.retransmitted_bytes,
            "non_zero_bytes": non_zero,
            "dirtied_bytes": resent,
            "wire_to_non_zero": wire / non_zero,
            "wire_to_non_zero_and_dirtied": wire / (non_zero + resent),
            "sent_more_than_once": sum(n > 1 for n in self.times_sent.values()) / len(self.times_sent),
            "link_use_round_1": self.to_target.occupied(running[0].begin_us, running[0].end_us, rate),
            "link_use_rounds": self.to_target.occupied(running[0].begin_us, running[-1].end_us, rate),
        }


def moves_in(pcap, port):
    """Every migration connection of a capture, in order of opening."""
    found, live = [], {}
    for time_us, frame in read_pcap(pcap):
        segment = parse_tcp(time_us, frame)
        if segment is None or port not in (segment.source_port, segment.destination_port):
            continue
        back = segment.source_port == port
        key = segment.flow[2:] + segment.flow[:2] if back else segment.flow
        if segment.flags & SYN and not back and (key not in live or live[key].to_source):
            live[key] = Move()
            live[key].to_target = Direction(Stream(segment.flow, segment.sequence, time_us))
            found.append(live[key])
        if key not in live:
            continue
        move = live[key]
        if back and move.to_source is None:
            move.to_source = Direction(Stream(segment.flow, segment.sequence, time_us))
        direction = move.to_source if back else move.to_target
        direction.frames.append((time_us, len(frame) + FRAME_OCTETS))
        if not segment.flags & SYN:
            direction.stream.add(segment)
    return [move.read() for move in found]
