# SPDX-License-Identifier: MIT
"""The test's side of the lock-step wire: starts wired, and owns the emulated time.

Emulated time moves only inside Wire.step() and what is built on it. While a test thinks, every machine stands
still; so neither the host's load nor the speed of a test has any influence on what the machines see, and a
scripted run repeats bit for bit.
"""
import json
import os
import select
import socket
import struct
import subprocess
import time
from pathlib import Path

from .bochs import BUILD, BenchError

WIRED = BUILD / "wire" / "wired"
HEAD = struct.Struct("=IIQ")            # mirrors wire/wire_proto.h
(HELLO_MACHINE, HELLO_HOST, WELCOME, PORT, FRAME, SERIAL, TICK, RELEASE,
 JOIN, LEAVE, TURN, GO, FAULT, SAVE) = range(1, 15)
PORT_SHIFT = 48

WALL_LIMIT_S = 300                      # for one turn: only a safety net
TURN_AT_LEAST_US = 1_000_000            # emulated; keeps the safety net short


class EmulatedTimeout(AssertionError):
    """Something that a test waited for did not happen in the emulated time it was given."""


class WirePort:
    """A port of the switch that belongs to the test. Override on_frame() for a station that answers."""

    def __init__(self, wire, number):
        self.wire, self.number = wire, number
        self.received = []              # (time in us, frame)

    def send(self, frame):
        """Send one Ethernet frame (without FCS) now."""
        self.wire.put(FRAME, self.number << PORT_SHIFT, bytes(frame))

    def on_frame(self, frame):
        self.received.append((self.wire.time_us, frame))

    def on_turn(self):
        """Called at the end of every step."""

    def wake_us(self):
        """Emulated time at which on_turn() wants to run again; None: whenever."""
        return None


class Wire:
    """One wired process. Options as of `wired --help`; `faults` are texts as in wire/fault.h."""

    def __init__(self, folder, machines=1, period_us=100, rate=1_000_000_000, delay_us=0, seed=1, faults=(),
                 pcap=True, pcap_ports=(), options=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.period_us, self.rate = period_us, rate
        self.machines = machines
        self.poll = 0
        self.joined, self.left = set(), set()
        self.serial_sinks = {}          # (machine, unit) -> function of bytes
        self.ports = {}
        self.stats = None
        self._input, self._output = bytearray(), bytearray()
        self._events = []
        self._has_turn = True           # at poll 0: nothing starts before the first step()
        # A unix socket's path is limited to 107 bytes: use a short one, relative to the working directory.
        self.socket_path = self.folder / "wire.sock"
        command = [str(WIRED), "--socket", "wire.sock", "--host", "--machines", str(machines),
                   "--period", str(period_us), "--rate", str(rate), "--delay", str(delay_us),
                   "--seed", str(seed), "--stats", "wire.json"]
        if pcap:
            command += ["--pcap", "wire.pcap"]
        for number in pcap_ports:
            command += ["--pcap-port", f"{number}=port{number}.pcap"]
        for rule in faults:
            command += ["--fault", rule]
        if not WIRED.is_file():
            raise BenchError(f"wire: no {WIRED}; run `make wire`")
        self.socket_path.unlink(missing_ok=True)
        self._log = open(self.folder / "wired.txt", "wb")
        self.process = subprocess.Popen(command + list(options), cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True)
        self._connect()

    # ---- connection ----

    def _connect(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        deadline = time.monotonic() + 10
        while True:
            try:
                self._socket.connect(str(os.path.relpath(self.socket_path)))
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BenchError("wire: wired did not start: "
                                     + (self.folder / "wired.txt").read_text()) from None
                time.sleep(0.01)
        self.put(HELLO_HOST, 0)
        self._flush()

    def put(self, kind, value, payload=b""):
        self._output += HEAD.pack(kind, len(payload), value) + payload

    def _flush(self):
        self._socket.sendall(self._output)
        self._output.clear()

    def _next_message(self):
        """One message; waits for it."""
        while True:
            if len(self._input) >= HEAD.size:
                kind, size, value = HEAD.unpack_from(self._input)
                if len(self._input) >= HEAD.size + size:
                    payload = bytes(self._input[HEAD.size:HEAD.size + size])
                    del self._input[:HEAD.size + size]
                    return kind, value, payload
            if not select.select([self._socket], [], [], WALL_LIMIT_S)[0]:
                raise BenchError(f"wire: no machine finished its interval within {WALL_LIMIT_S} s of wall time "
                                 f"(poll {self.poll})")
            data = self._socket.recv(1 << 18)
            if not data:
                raise BenchError("wire: wired ended: " + (self.folder / "wired.txt").read_text())
            self._input += data

    def _dispatch(self, kind, value, payload):
        if kind in (SERIAL, FRAME):
            self._events.append((kind, value, payload))     # belong to the poll of the coming TURN
        elif kind == JOIN:
            self.joined.add(value)
            self.left.discard(value)
        elif kind == LEAVE:
            self.joined.discard(value)
            self.left.add(value)
        elif kind == TURN:
            self.poll = value
            self._has_turn = True
            events, self._events = self._events, []
            for event in events:
                self._hand_out(*event)

    def _hand_out(self, kind, value, payload):
        if kind == FRAME:
            self.ports[value >> PORT_SHIFT].on_frame(payload)
        elif (value >> 16, value & 0xFFFF) in self.serial_sinks:
            self.serial_sinks[(value >> 16, value & 0xFFFF)](payload)

    def _receive_until(self, condition):
        while not condition():
            self._dispatch(*self._next_message())

    # ---- time ----

    @property
    def time_us(self):
        """Emulated time since the first machine's power-on."""
        return self.poll * self.period_us

    @property
    def is_open(self):
        return self.process.poll() is None

    def deadline_us(self, limit_s):
        """The time by which something that gets limit_s of emulated time must have happened."""
        return self.time_us + int(limit_s * 1_000_000)

    def await_join(self, number, process, log):
        """A machine's process has been started: wait until its emulator is on the wire. log: its output's path."""
        while number not in self.joined:
            if select.select([self._socket], [], [], 0.2)[0] or self._input:
                self._dispatch(*self._next_message())
            elif process.poll() is not None:
                raise BenchError(f"machine {number}: the emulator ended with status {process.returncode}: "
                                 + (log.read_text(errors="replace").strip() or "no output"))

    def await_leave(self, number):
        """A machine's process has been killed: wait until wired knows."""
        self._receive_until(lambda: number not in self.joined)

    def step(self, until_us):
        """Let time run until something happens (output of a machine, a frame for us), or until_us at the latest."""
        if self._has_turn:
            wakes = [wake for wake in (port.wake_us() for port in self.ports.values()) if wake is not None]
            until_us = min([until_us, self.time_us + TURN_AT_LEAST_US] + wakes)
            until_poll = max(-(-int(until_us) // self.period_us), self.poll + 1)
            self._has_turn = False
            self.put(GO, until_poll)
            self._flush()
        self._receive_until(lambda: self._has_turn)
        for port in list(self.ports.values()):
            port.on_turn()

    def run_until(self, condition, limit_s, what="condition"):
        """Let time run until condition() holds; checked after every step."""
        deadline_us = self.deadline_us(limit_s)
        while not condition():
            if self.time_us >= deadline_us:
                raise EmulatedTimeout(f"{what}: not within {limit_s} s of emulated time")
            self.step(deadline_us)

    def run_for(self, seconds):
        """Let time run on by so many emulated seconds."""
        deadline_us = self.time_us + int(seconds * 1_000_000)
        while self.time_us < deadline_us:
            self.step(deadline_us)

    # ---- what a test may do while it has its turn ----

    def send_serial(self, machine, data, unit=0):
        self.put(SERIAL, machine << 16 | unit, bytes(data))

    def add_fault(self, rule):
        self.put(FAULT, 0, rule.encode())

    def save_snapshot(self, machine, folder):
        self.put(SAVE, machine, str(folder).encode())

    def attach(self, number, station=WirePort, **arguments):
        """Take port `number` for the test; `station` is WirePort or a class derived from it."""
        self.put(PORT, number)
        self.ports[number] = station(self, number, **arguments)
        return self.ports[number]

    @property
    def pcap_path(self):
        return self.folder / "wire.pcap"

    def stop(self):
        """End wired after the machines have ended; returns the statistics."""
        if self.process.poll() is None:
            self._socket.close()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait(10)
        self._log.close()
        path = self.folder / "wire.json"
        self.stats = json.loads(path.read_text()) if path.exists() else None
        return self.stats
