# SPDX-License-Identifier: MIT
"""A bench: some machines on one wire.

    with Bench(folder, faults=["drop,nth=7"]) as bench:
        a = bench.machine("a", image)
        b = bench.machine("b", image)
        bench.start()
        a.expect("ready")
"""
from dataclasses import replace
from pathlib import Path

from . import bochs, snapshot
from .machine import Machine
from .wire import Wire


def mac_address(number, card=0):
    """The MAC that a bench gives to card `card` of machine `number`."""
    return f"52:54:00:12:{0x34 + card:02x}:{0x10 + number:02x}"


class Bench:
    """Machines on Bochs in lock-step. Keyword arguments go to Wire."""

    def __init__(self, folder, seed=1, **wire_options):
        self.folder = Path(folder)
        self.seed = seed
        self.wire_options = dict(wire_options, seed=seed)
        self.machines = []
        self.wire = None
        self._next_port = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _open_wire(self):
        if self.wire is None:
            self.wire = Wire(self.folder, machines=1, **self.wire_options)

    def machine(self, name, image, cards=1, **config):
        """Describe a machine; `config` are fields of bochs.Config. It is started by start() of the bench, or
        later by its own start()."""
        self._open_wire()
        number = len(self.machines)
        nics = []
        for card in range(cards):
            nics.append(bochs.Nic(mac=mac_address(number, card), module="tuntap",
                                  device=f"wire:{self._next_port}"))
            self._next_port += 1
        settings = bochs.Config(image=Path(image), folder=self.folder / name, nics=nics,
                                serial="mode=socket-client, dev=127.0.0.1:1", **config)
        made = Machine(name, number, settings, self.wire, seed=self.seed)
        self.machines.append(made)
        return made

    def adopt(self, model, image):
        """A machine with the settings of another bench's machine, and an image of its own."""
        self._open_wire()
        settings = replace(model.config, image=image, folder=self.folder / model.name)
        self.machines.append(Machine(model.name, model.number, settings, self.wire, seed=model.seed))
        return self.machines[-1]

    def next_port(self):
        """Number of a port that no machine has."""
        self._next_port += 1
        return self._next_port - 1

    def start(self, *machines):
        """Power on the machines (default: all) at the same instant."""
        chosen = machines or self.machines
        for machine in chosen:
            machine.launch()
        for machine in chosen:
            machine.await_join()
        self.wire.step(0)

    def boot(self, pattern, *machines, limit=60.0):
        """Like start(), and the machines (default: all) have shown `pattern` on their consoles. That moment is
        kept as a snapshot for the next test with the same images and settings, so the boot runs only once.
        Emulated time of the wire begins there."""
        chosen = machines or self.machines
        saved = snapshot.find_or_make(self, chosen, pattern, limit)
        for machine in chosen:
            machine.snapshot = saved / machine.name
            machine.console.feed((saved / f"{machine.name}.console").read_bytes(), 0)
            machine.console.consumed = len(machine.console.text)
        self.start(*chosen)

    def stop(self):
        """Pull all plugs; returns the wire's statistics."""
        for machine in self.machines:
            machine.stop()
            machine.console.close()
        return self.wire.stop() if self.wire else None
