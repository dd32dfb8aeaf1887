# SPDX-License-Identifier: MIT
"""A station with an IPv4 address on the wire that belongs to the test: ARP, ping, and a small TCP.

    station = bench.wire.attach(bench.next_port(), Station, address="10.0.0.9")
    station.ping("10.0.0.2")
    connection = station.connect("10.0.0.2", 7000)
    connection.send(b"noise")

The TCP is plain: in-order reception, go-back-N with a fixed time-out, no options but the segment size. It never
sends on its own account except answers and retransmissions, so a test decides what the other side sees.
"""
import struct

from .pcap import ACK, ETHERTYPE_IPV4, FIN, PROTOCOL_TCP, PSH, RST, SEQUENCE_MASK, SYN, parse_tcp
from .wire import WirePort

ETHERTYPE_ARP = 0x0806
PROTOCOL_ICMP = 1
BROADCAST = b"\xff" * 6
SEGMENT_BYTES = 1460
WINDOW_BYTES = 65535
RETRANSMIT_US = 200_000
RETRANSMIT_MAX = 10


def checksum(data):
    """The Internet checksum, RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pack_address(text):
    return bytes(int(part) for part in text.split("."))


def distance(later, earlier):
    """later - earlier, as sequence numbers go round."""
    difference = (later - earlier) & SEQUENCE_MASK
    return difference - (1 << 32) if difference >> 31 else difference


class Connection:
    """One TCP connection. `data` is what has been received; `state` is one of
    syn-sent, syn-received, open, closed (both sides are done), reset (by the peer), dead (no answer any more)."""

    def __init__(self, station, peer, peer_port, port, state, initial_sequence):
        self.station, self.peer, self.peer_port, self.port = station, peer, peer_port, port
        self.state = state
        self.data = bytearray()
        self.peer_closed = False
        self._base = initial_sequence       # sequence number of _unacknowledged[0], or of our SYN
        self._unacknowledged = bytearray()  # sent or waiting to be sent
        self._sent = 0                      # bytes of it that are on their way
        self._closing = self._fin_sent = False
        self._expected = 0                  # next sequence number of the peer
        self._peer_window = 0
        self._timer_us = None
        self._retries = 0

    def send(self, data):
        self._unacknowledged += data
        self._transmit()

    def close(self):
        """Send what is left, then FIN."""
        self._closing = True
        self._transmit()

    def abort(self):
        """Send RST."""
        self._segment(RST | ACK, self._base + self._sent)
        self._end("reset")

    @property
    def all_acknowledged(self):
        return not self._unacknowledged

    @property
    def deadline_us(self):
        return self._timer_us

    # ---- sending ----

    def _segment(self, flags, sequence, payload=b""):
        self.station.send_tcp(self, flags, sequence & SEQUENCE_MASK, self._expected, payload)

    def _arm(self):
        self._timer_us = self.station.wire.time_us + RETRANSMIT_US

    def open(self):
        flags = SYN if self.state == "syn-sent" else SYN | ACK
        self._segment(flags, self._base)
        self._arm()

    def _transmit(self):
        if self.state != "open":
            return
        limit = min(len(self._unacknowledged), self._peer_window)
        while self._sent < limit:
            part = bytes(self._unacknowledged[self._sent:min(self._sent + SEGMENT_BYTES, limit)])
            self._segment(ACK | PSH, self._base + self._sent, part)
            self._sent += len(part)
            self._arm()
        if self._closing and not self._fin_sent and self._sent == len(self._unacknowledged):
            self._segment(FIN | ACK, self._base + self._sent)
            self._fin_sent = True
            self._arm()
        elif self._unacknowledged and self._timer_us is None:
            self._arm()                     # a closed window: probe it

    def on_timer(self):
        self._retries += 1
        if self._retries > RETRANSMIT_MAX:
            self._end("dead")
        elif self.state in ("syn-sent", "syn-received"):
            self.open()
        else:
            self._sent, self._fin_sent = 0, False
            if self._peer_window == 0 and self._unacknowledged:
                self._segment(ACK | PSH, self._base, bytes(self._unacknowledged[:1]))
                self._arm()
            self._transmit()

    def _end(self, state):
        self.state = state
        self._timer_us = None

    # ---- receiving ----

    def on_segment(self, segment):
        if segment.flags & RST:
            self._end("reset")
            return
        self._peer_window = segment.window
        if self.state == "syn-sent":
            if segment.flags & (SYN | ACK) != SYN | ACK:
                return
            self._opened(segment)
            self._expected = (segment.sequence + 1) & SEQUENCE_MASK
            self._segment(ACK, self._base)
        elif self.state == "syn-received":
            if not segment.flags & ACK:
                return
            self._opened(segment)
        elif segment.flags & SYN:
            self._segment(ACK, self._base + self._sent)     # our ACK of its SYN was lost
            return
        if segment.flags & ACK:
            self._on_acknowledge(segment)
        self._on_content(segment)
        self._transmit()

    def _opened(self, _):
        self.state = "open"
        self._base = (self._base + 1) & SEQUENCE_MASK
        self._timer_us, self._retries = None, 0

    def _on_acknowledge(self, segment):
        done = distance(segment.acknowledged, self._base)
        fin_done = self._fin_sent and done == len(self._unacknowledged) + 1
        done = min(done, len(self._unacknowledged))
        if done > 0:
            del self._unacknowledged[:done]
            self._base = (self._base + done) & SEQUENCE_MASK
            self._sent = max(0, self._sent - done)
            self._retries = 0
            self._timer_us = None
            if self._unacknowledged:
                self._arm()
        if fin_done:
            self._timer_us = None
            if self.peer_closed:
                self._end("closed")

    def _on_content(self, segment):
        size = len(segment.payload)
        if size == 0 and not segment.flags & FIN:
            return
        skip = distance(self._expected, segment.sequence)
        if 0 <= skip <= size and not self.peer_closed:
            self.data += segment.payload[skip:]
            self._expected = (segment.sequence + size) & SEQUENCE_MASK
            if segment.flags & FIN:
                self.peer_closed = True
                self._expected = (self._expected + 1) & SEQUENCE_MASK
                if self._fin_sent and not self._unacknowledged:
                    self.state = "closed"
        self._segment(ACK, self._base + self._sent + (1 if self._fin_sent else 0))


class Station(WirePort):
    """An IPv4 host on the wire."""

    def __init__(self, wire, number, address, mac=None):
        super().__init__(wire, number)
        self.address = address
        self.mac = mac or bytes((0x02, 0, 0, 0, 0xEE, number))
        self.neighbours = {}                # address -> MAC
        self.connections = []
        self.accepted = {}                  # port -> connections that peers opened
        self._waiting = {}                  # address -> IP packets that wait for its MAC
        self._echo_replies = {}             # sequence number -> time in us
        self._echo_sequence = 0
        self._next_port = 40000
        self._next_sequence = 0x10000000

    # ---- what a test calls ----

    def ping(self, address, limit=1.0):
        """Round-trip time in emulated us; raises EmulatedTimeout without an answer."""
        self._echo_sequence += 1
        number = self._echo_sequence
        echo = struct.pack(">BBHHH", 8, 0, 0, 0x4757, number) + bytes(32)
        begin = self.wire.time_us
        self._send_ip(address, PROTOCOL_ICMP, echo[:2] + struct.pack(">H", checksum(echo)) + echo[4:])
        self.wire.run_until(lambda: number in self._echo_replies, limit, f"ping {address}")
        return self._echo_replies[number] - begin

    def connect(self, address, port, limit=5.0, wait=True):
        """Open a TCP connection. wait: until it is open or refused (see its `state`)."""
        connection = Connection(self, address, port, self._next_port, "syn-sent", self._take_sequence())
        self._next_port += 1
        self.connections.append(connection)
        connection.open()
        if wait:
            self.wire.run_until(lambda: connection.state != "syn-sent", limit, f"connect {address}:{port}")
        return connection

    def listen(self, port):
        """Accept connections at a port; returns the list in which they will appear."""
        return self.accepted.setdefault(port, [])

    # ---- the layers below ----

    def _take_sequence(self):
        self._next_sequence += 0x01000000
        return self._next_sequence & SEQUENCE_MASK

    def _send_ip(self, address, protocol, payload):
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                             pack_address(self.address), pack_address(address))
        packet = header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload
        if address in self.neighbours:
            self._send_ethernet(self.neighbours[address], ETHERTYPE_IPV4, packet)
        else:
            self._waiting.setdefault(address, []).append(packet)
            self._send_arp(1, BROADCAST, bytes(6), address)

    def _send_ethernet(self, destination, kind, payload):
        self.send((destination + self.mac + struct.pack(">H", kind) + payload).ljust(60, b"\0"))

    def _send_arp(self, operation, destination, target_mac, target):
        self._send_ethernet(destination, ETHERTYPE_ARP,
                            struct.pack(">HHBBH6s4s6s4s", 1, ETHERTYPE_IPV4, 6, 4, operation, self.mac,
                                        pack_address(self.address), target_mac, pack_address(target)))

    def send_tcp(self, connection, flags, sequence, acknowledged, payload):
        options = struct.pack(">BBH", 2, 4, SEGMENT_BYTES) if flags & SYN else b""
        header = struct.pack(">HHIIBBHHH", connection.port, connection.peer_port, sequence, acknowledged,
                             (20 + len(options)) // 4 << 4, flags, WINDOW_BYTES, 0, 0) + options
        pseudo = struct.pack(">4s4sBBH", pack_address(self.address), pack_address(connection.peer), 0, PROTOCOL_TCP,
                             len(header) + len(payload))
        total = checksum(pseudo + header + payload)
        self._send_ip(connection.peer, PROTOCOL_TCP, header[:16] + struct.pack(">H", total) + header[18:] + payload)

    # ---- reception ----

    def on_frame(self, frame):
        super().on_frame(frame)
        if len(frame) < 34 or frame[:6] not in (self.mac, BROADCAST):
            return
        kind, = struct.unpack_from(">H", frame, 12)
        if kind == ETHERTYPE_ARP:
            self._on_arp(frame)
        elif kind == ETHERTYPE_IPV4 and frame[30:34] == pack_address(self.address):
            if frame[23] == PROTOCOL_ICMP:
                self._on_icmp(frame)
            elif frame[23] == PROTOCOL_TCP:
                self._on_tcp(frame)

    def _on_arp(self, frame):
        operation, = struct.unpack_from(">H", frame, 20)
        sender = ".".join(map(str, frame[28:32]))
        if frame[38:42] != pack_address(self.address):
            return
        self.neighbours[sender] = frame[22:28]
        if operation == 1:
            self._send_arp(2, frame[22:28], frame[22:28], sender)
        for packet in self._waiting.pop(sender, []):
            self._send_ethernet(self.neighbours[sender], ETHERTYPE_IPV4, packet)

    def _on_icmp(self, frame):
        message = frame[34:14 + struct.unpack_from(">H", frame, 16)[0]]
        sender = ".".join(map(str, frame[26:30]))
        if message[0] == 8:
            answer = b"\0\0\0\0" + message[4:]
            self._send_ip(sender, PROTOCOL_ICMP, answer[:2] + struct.pack(">H", checksum(answer)) + answer[4:])
        elif message[0] == 0:
            self._echo_replies.setdefault(struct.unpack_from(">H", message, 6)[0], self.wire.time_us)

    @staticmethod
    def _is_intact(frame):
        payload = frame[34:14 + struct.unpack_from(">H", frame, 16)[0]]
        return checksum(frame[14:34]) == 0 \
            and checksum(frame[26:34] + struct.pack(">BBH", 0, PROTOCOL_TCP, len(payload)) + payload) == 0

    def _on_tcp(self, frame):
        segment = parse_tcp(self.wire.time_us, frame)
        if segment is None or not self._is_intact(frame):
            return
        for connection in self.connections:
            if (connection.peer, connection.peer_port, connection.port) \
                    == (segment.source, segment.source_port, segment.destination_port):
                connection.on_segment(segment)
                return
        if segment.flags & (SYN | ACK) == SYN and segment.destination_port in self.accepted:
            self._accept(segment)
        elif not segment.flags & RST:
            refused = Connection(self, segment.source, segment.source_port, segment.destination_port, "reset", 0)
            acknowledged = segment.sequence + len(segment.payload) + bool(segment.flags & SYN)
            self.send_tcp(refused, RST | ACK, segment.acknowledged if segment.flags & ACK else 0,
                          acknowledged & SEQUENCE_MASK, b"")

    def _accept(self, segment):
        connection = Connection(self, segment.source, segment.source_port, segment.destination_port,
                                "syn-received", self._take_sequence())
        connection._expected = (segment.sequence + 1) & SEQUENCE_MASK
        self.connections.append(connection)
        self.accepted[segment.destination_port].append(connection)
        connection.open()

    # ---- timers ----

    def on_turn(self):
        for connection in self.connections:
            if connection.deadline_us is not None and self.wire.time_us >= connection.deadline_us:
                connection.on_timer()

    def wake_us(self):
        return min((connection.deadline_us for connection in self.connections
                    if connection.deadline_us is not None), default=None)
