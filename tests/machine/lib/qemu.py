# SPDX-License-Identifier: MIT
"""Machines on QEMU, with the same interface as those on Bochs.

KVM is used when this host offers VT-x to its guests, otherwise TCG, which has no VT-x: good for everything that
does not start a guest. Time is the host's: limits are wall time and generous, and nothing repeats bit for bit.
The cards are on a hub inside this process, so stations of the test work as on the wire; faults do not.
"""
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import bochs
from .bench import mac_address
from .bochs import BenchError
from .machine import Machine
from .marks import Skipped
from .wire import FRAME, PORT, PORT_SHIFT, EmulatedTimeout, WirePort

PATIENCE = 5                            # wall seconds per emulated second of a test's limit
STEP_US = 100_000                       # longest wait between two looks at a condition
PCAP_HEADER = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


@dataclass
class Nic:
    mac: str
    netdev: str                         # -netdev without its id, for example "user"


@dataclass
class Config:
    image: Path
    folder: Path
    memory_mib: int = bochs.DEFAULT_MEMORY_MIB
    cpus: int = 1
    machine: str = "q35"                # or "pc"
    card: str = "e1000"
    cpu: str = ""                       # default: host with KVM, max with TCG
    gdb: bool = False
    nics: list = field(default_factory=list)


def has_nested_vmx():
    """Can a KVM guest of this host have VT-x?"""
    try:
        flags = Path("/proc/cpuinfo").read_text()
        nested = Path("/sys/module/kvm_intel/parameters/nested").read_text().strip()
    except OSError:
        return False
    return " vmx" in flags and nested in ("1", "Y") and os.access("/dev/kvm", os.R_OK | os.W_OK)


def find_firmware():
    for suffix in ("_4M", ""):
        code, variables = (Path(f"/usr/share/OVMF/OVMF_{part}{suffix}.fd") for part in ("CODE", "VARS"))
        if code.is_file() and variables.is_file():
            return code, variables
    raise BenchError("firmware: no /usr/share/OVMF/OVMF_CODE*.fd; install the package ovmf")


def command_line(config, serial):
    """QEMU's command. serial: a TCP port of this host, or the path of a unix socket, that someone listens on."""
    config.folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("qemu-system-x86_64"):
        raise Skipped("no qemu-system-x86_64; install the package qemu-system-x86")
    code, variables = find_firmware()
    own_variables = config.folder / "vars.fd"
    shutil.copyfile(variables, own_variables)
    kvm = has_nested_vmx() and not config.gdb
    chardev = f"host=127.0.0.1,port={serial}" if isinstance(serial, int) else f"path={serial}"
    command = ["qemu-system-x86_64", "-machine", f"{config.machine},accel={'kvm' if kvm else 'tcg'}",
               "-cpu", config.cpu or ("host" if kvm else "max"), "-smp", str(config.cpus),
               "-m", str(config.memory_mib), "-display", "none", "-nodefaults",
               "-chardev", f"socket,id=com1,{chardev},server=off", "-serial", "chardev:com1",
               "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
               "-drive", f"if=pflash,format=raw,unit=1,file={own_variables.resolve()}",
               "-drive", f"file={Path(config.image).resolve()},format=raw,if=none,id=disk,snapshot=on",
               "-device", "ide-hd,drive=disk,bootindex=0"]
    for number, nic in enumerate(config.nics):
        command += ["-netdev", f"{nic.netdev},id=net{number}",
                    "-device", f"{config.card},netdev=net{number},mac={nic.mac},romfile="]
    return command + (["-s", "-S"] if config.gdb else [])


def listen():
    """A listening TCP socket on a free port of the loopback interface."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return listener


class RealTimeWire:
    """What Wire is for Bochs: time (the host's), the serial lines, and a hub between the cards."""

    is_open = True

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.joined, self.left = set(), set()
        self.serial_sinks, self.ports = {}, {}
        self._listeners = {}            # socket -> machine whose serial line will come
        self._serials, self._cards = {}, {}     # key -> connected socket
        self._partial = {}              # card key -> bytes of an unfinished frame
        self._begin = time.monotonic()
        self._capture = open(self.folder / "wire.pcap", "wb")
        self._capture.write(PCAP_HEADER)

    @property
    def time_us(self):
        return int((time.monotonic() - self._begin) * 1_000_000)

    @property
    def pcap_path(self):
        self._capture.flush()
        return self.folder / "wire.pcap"

    def deadline_us(self, limit_s):
        return self.time_us + int(limit_s * PATIENCE * 1_000_000)

    def plug_in(self, port):
        """The other end of a hub port, for a card. A connected socket, because a card of QEMU 7.2 that is reset
        before its `stream` connection stands believes for ever that its link is down."""
        ours, theirs = socket.socketpair()
        self._cards[port], self._partial[port] = ours, b""
        return theirs

    def listen_serial(self, number):
        """Listen for a machine's serial line; returns the socket's path."""
        path = self.folder / f"serial{number}.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.relpath(path))
        listener.listen(1)
        self._listeners[listener] = number
        return path

    def await_join(self, number, process, log):
        while number not in self.joined:
            if process.poll() is not None:
                raise BenchError(f"machine {number}: QEMU ended: " + log.read_text(errors="replace").strip())
            self.step(self.time_us + 100_000)

    def await_leave(self, number):
        while number in self.joined:
            self.step(self.time_us + 100_000)

    def step(self, until_us):
        """Wait until something happens, but not for long: conditions of run_until() may depend on anything."""
        until_us = min(until_us, self.time_us + STEP_US)
        wakes = [wake for wake in (port.wake_us() for port in self.ports.values()) if wake is not None]
        wait_s = max(0.0, (min([until_us] + wakes) - self.time_us) / 1e6)
        serials = {sock: key for key, sock in self._serials.items()}
        cards = {sock: key for key, sock in self._cards.items()}
        ready = select.select([*self._listeners, *serials, *cards], [], [], wait_s)[0]
        for sock in ready:
            if sock in self._listeners:
                self._accept(sock)
            elif sock in serials:
                self._read_serial(serials[sock], sock)
            else:
                self._read_card(cards[sock], sock)
        for port in list(self.ports.values()):
            port.on_turn()

    def _accept(self, listener):
        number = self._listeners.pop(listener)
        self._serials[number] = listener.accept()[0]
        listener.close()
        self.joined.add(number)
        self.left.discard(number)

    def _read_serial(self, number, sock):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if data:
            self.serial_sinks[(number, 0)](data)
        else:
            del self._serials[number]
            self.joined.discard(number)
            self.left.add(number)

    def _read_card(self, port, sock):
        try:
            data = sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            del self._cards[port]
            return
        pending = self._partial[port] + data
        while len(pending) >= 4 and len(pending) >= 4 + (size := int.from_bytes(pending[:4], "big")):
            self._forward(port, pending[4:4 + size])
            pending = pending[4 + size:]
        self._partial[port] = pending

    def _forward(self, source, frame):
        now = self.time_us
        self._capture.write(struct.pack("<IIII", now // 1_000_000, now % 1_000_000, len(frame), len(frame)) + frame)
        for port, sock in list(self._cards.items()):
            if port != source:
                try:
                    sock.sendall(len(frame).to_bytes(4, "big") + frame)
                except OSError:
                    pass                # the machine has gone; its end is seen when we read
        for port, station in self.ports.items():
            if port != source:
                station.on_frame(frame)

    def run_until(self, condition, limit_s, what="condition"):
        deadline_us = self.deadline_us(limit_s)
        while not condition():
            if self.time_us >= deadline_us:
                raise EmulatedTimeout(f"{what}: not within {limit_s * PATIENCE} s")
            self.step(deadline_us)

    def run_for(self, seconds):
        deadline_us = self.time_us + int(seconds * 1_000_000)
        while self.time_us < deadline_us:
            self.step(deadline_us)

    def put(self, kind, value, payload=b""):
        """Messages that stations send; the others exist on the lock-step wire only."""
        if kind == FRAME:
            self._forward(value >> PORT_SHIFT, payload)
        elif kind != PORT:
            raise Skipped("needs the lock-step wire")

    def attach(self, number, station=WirePort, **arguments):
        self.ports[number] = station(self, number, **arguments)
        return self.ports[number]

    def send_serial(self, machine, data, unit=0):
        self._serials[machine].sendall(data)

    def add_fault(self, rule):
        raise Skipped("faults need the lock-step wire")

    def stop(self):
        self.is_open = False
        for sock in [*self._listeners, *self._serials.values(), *self._cards.values()]:
            sock.close()
        self._capture.close()


class QemuMachine(Machine):
    """A machine on QEMU. Made by QemuBench.machine()."""

    ips = None                          # the TSC follows the host
    ports = ()                          # of the hub, one per card

    def launch(self):
        serial = self.wire.listen_serial(self.number)
        folder = self.wire.folder
        ends = [self.wire.plug_in(port) for port in self.ports]
        for nic, end in zip(self.config.nics, ends):
            nic.netdev = f"socket,fd={end.fileno()}"
        command = command_line(self.config, serial.name)
        with open(self.config.folder / "stdout.txt", "wb") as out:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            pass_fds=[end.fileno() for end in ends])
        for end in ends:
            end.close()


class QemuBench:
    """Like Bench; faults, rates and the like do not exist here."""

    def __init__(self, folder, **_):
        self.folder = Path(folder)
        self.wire = RealTimeWire(folder)
        self.machines = []
        self._next_port = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def machine(self, name, image, cards=1, **config):
        number = len(self.machines)
        ports = [self.next_port() for _ in range(cards)]
        nics = [Nic(mac_address(number, card), "") for card in range(cards)]
        settings = Config(image=Path(image), folder=self.folder / name, nics=nics, **config)
        made = QemuMachine(name, number, settings, self.wire)
        made.ports = ports
        self.machines.append(made)
        return made

    def next_port(self):
        self._next_port += 1
        return self._next_port - 1

    def start(self, *machines):
        chosen = machines or self.machines
        for machine in chosen:
            machine.launch()
        for machine in chosen:
            machine.await_join()

    def stop(self):
        for machine in self.machines:
            machine.stop()
            machine.console.close()
        self.wire.stop()
