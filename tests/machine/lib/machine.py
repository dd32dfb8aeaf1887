# SPDX-License-Identifier: MIT
"""One emulated machine and its serial console, as tests see it, whatever emulator runs it."""
import re
from pathlib import Path

from . import bochs
from .wire import EmulatedTimeout

ESCAPE = re.compile(r"\x1b(\[[0-9;=?]*[ -/]*[@-~]|[@-Z\\-_])")
SEND_CHUNK = 16                         # a UART's FIFO
SEND_PAUSE_US = 2000


class MachineEnded(AssertionError):
    """The machine's emulator ended while a test was waiting for its output."""


class Console:
    """Received text, the part of it that expect() has not consumed yet, and log files."""

    def __init__(self, folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        self.text = ""
        self.consumed = 0
        self.path = folder / f"{name}.console"
        self._raw = open(self.path, "wb")
        self._timed = open(folder / f"{name}.log", "w", encoding="utf-8")
        self._line = ""
        self.listeners = []             # functions of (name, line, time in us), for demonstrations

    def feed(self, data, time_us):
        self._raw.write(data)
        text = data.decode("latin-1")
        self.text += text
        self._line += text
        while "\n" in self._line:
            line, self._line = self._line.split("\n", 1)
            line = ESCAPE.sub("", line).rstrip("\r")
            self._timed.write(f"[{time_us / 1e6:12.6f}] {line}\n")
            for listener in self.listeners:
                listener(line, time_us)

    def search(self, pattern):
        match = pattern.search(self.text, self.consumed)
        if match:
            self.consumed = match.end()
        return match

    def tail(self, lines=15):
        return "\n".join(ESCAPE.sub("", self.text).splitlines()[-lines:])

    def close(self):
        self._raw.close()
        self._timed.close()


class Machine:
    """A machine on Bochs, in lock-step with its wire. Made by Bench.machine(). On QEMU: lib/qemu.py."""

    def __init__(self, name, number, config, wire, seed=1):
        self.name, self.number, self.config, self.wire = name, number, config, wire
        self.seed = seed
        self.console = Console(wire.folder, name)
        self.process = None
        self.snapshot = None            # saved state to go on from; set by Bench.boot()
        wire.serial_sinks[(number, 0)] = lambda data: self.console.feed(data, wire.time_us)

    @property
    def ips(self):
        """TSC counts per emulated second."""
        return self.config.ips

    @property
    def text(self):
        return ESCAPE.sub("", self.console.text)

    @property
    def is_running(self):
        return self.process is not None and self.number not in self.wire.left

    def start(self):
        """Power on. Returns when the emulator is on the wire; time does not move."""
        self.launch()
        self.await_join()

    def launch(self):
        """Start the emulator's process without waiting for it; await_join() must follow."""
        env = {"WIRE_SOCK": str(self.wire.socket_path.resolve()), "WIRE_MACHINE": str(self.number),
               "WIRE_SEED": str(self.seed * 100 + self.number)}
        self.process = bochs.start(self.config, env, self.snapshot)
        self.snapshot = None            # the next power-on is a cold one
        self.wire.left.discard(self.number)

    def await_join(self):
        self.wire.await_join(self.number, self.process, Path(self.config.folder) / "stdout.txt")

    def stop(self):
        """Pull the plug."""
        if self.process is not None:
            bochs.stop(self.process, grace_s=0.2)
            self.process = None
            if self.number in self.wire.joined and self.wire.is_open:
                self.wire.await_leave(self.number)

    def expect(self, pattern, limit=30.0):
        """Wait until the console shows the regular expression; returns the match. limit: emulated seconds."""
        compiled = re.compile(pattern, re.MULTILINE)
        deadline_us = self.wire.deadline_us(limit)
        while True:
            match = self.console.search(compiled)
            if match:
                return match
            if not self.is_running:
                raise MachineEnded(f"{self.name}: ended while waiting for /{pattern}/{self._evidence()}")
            if self.wire.time_us >= deadline_us:
                raise EmulatedTimeout(f"{self.name}: /{pattern}/ not seen within {limit} s of emulated time"
                                      f"{self._evidence()}")
            self.wire.step(deadline_us)

    def send(self, text):
        """Type on the console, a FIFO's worth at a time. A line ends with \\r."""
        data = text.encode("latin-1")
        for start in range(0, len(data), SEND_CHUNK):
            self.wire.send_serial(self.number, data[start:start + SEND_CHUNK])
            if start + SEND_CHUNK < len(data):
                self.wire.run_for(SEND_PAUSE_US / 1e6)

    def run(self, command, prompt=r"godwit:\w+> ", limit=30.0):
        """Type a command, wait for its echo and for the next prompt; returns what was printed in between."""
        self.console.consumed = len(self.console.text)
        self.send(command + "\r")
        self.expect(re.escape(command) + r"\r*\n", limit)
        begin = self.console.consumed
        match = self.expect(prompt, limit)
        return ESCAPE.sub("", self.console.text[begin:match.start()]).replace("\r", "")

    def wait_exit(self, limit=30.0):
        """Wait until the machine has switched itself off."""
        self.wire.run_until(lambda: not self.is_running, limit, f"{self.name}: power-off")
        if self.process is not None:
            self.process.wait(30)

    def _evidence(self):
        """What explains a failure: the console's last lines and the emulator's alarms."""
        log = Path(self.config.folder) / "bochs.log"
        alarms = []
        if log.exists():
            alarms = [line for line in log.read_text(errors="replace").splitlines()
                      if "PANIC" in line or "3rd (" in line or "VMENTER FAIL" in line][-5:]
        said = "".join("\n  | " + line for line in self.console.tail().splitlines())
        return said + "".join("\n  ! " + line for line in alarms)
