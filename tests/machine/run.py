#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One machine with its serial console on this terminal.

    run.py IMAGE                    on Bochs; Ctrl-A x ends it, Ctrl-A Ctrl-A types a Ctrl-A
    run.py IMAGE --second OTHER     a second machine on the same wire; Ctrl-A n switches the terminal to the other
    run.py IMAGE --net tap:NAME     the card on a tap device of this host (root)
    run.py IMAGE --net bxhub:PORT   the card on a stock bxhub started with `bxhub -base=PORT`
    run.py IMAGE --qemu             on QEMU (KVM when it offers VT-x to guests, else TCG without VT-x)
    run.py IMAGE --gdb              on QEMU, halted at power-on, `target remote :1234`

With the wire (the default) the machine's clock is held back to real time where the emulator is faster.
"""
import argparse
import os
import select
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import bochs, qemu             # noqa: E402
from lib.bench import Bench, mac_address    # noqa: E402
from lib.machine import Console         # noqa: E402

ESCAPE_KEY = b"\x01"                    # Ctrl-A
SLICE_S = 0.01                          # of emulated time between two looks at the keyboard


class Terminal:
    """The user's terminal in raw mode; also works on a pipe."""

    def __enter__(self):
        self._saved = None
        if sys.stdin.isatty():
            self._saved = termios.tcgetattr(0)
            tty.setraw(0)
        self._escaped = False
        self._closed = False
        return self

    def __exit__(self, *_):
        if self._saved:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)
        print()

    def show(self, data):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def typed(self, wait_s):
        """(bytes for the machine, set of commands) typed since the last call."""
        data, commands = bytearray(), set()
        if self._closed:
            time.sleep(wait_s)
            return bytes(data), commands
        if not select.select([0], [], [], wait_s)[0]:
            return bytes(data), commands
        keys = os.read(0, 4096)
        self._closed = not keys
        for key in (keys[i:i + 1] for i in range(len(keys))):
            if self._escaped:
                self._escaped = False
                if key in (b"x", b"n"):
                    commands.add(key.decode())
                else:
                    data += key
            elif key == ESCAPE_KEY:
                self._escaped = True
            else:
                data += key
        return bytes(data), commands


def run_on_wire(args):
    options = {"ips": args.ips, "memory_mib": args.mem, "cpus": args.cpus, "exclude_features": args.exclude,
               "extra": args.bochsrc}
    with Bench(args.folder, rate=args.rate, faults=args.fault) as bench, Terminal() as terminal:
        images = [args.image] + ([args.second] if args.second else [])
        machines = [bench.machine("ab"[i], image, **options) for i, image in enumerate(images)]
        shown = 0
        for number, machine in enumerate(machines):
            feed = bench.wire.serial_sinks[(machine.number, 0)]

            def sink(data, number=number, feed=feed):
                feed(data)
                if number == shown:
                    terminal.show(data)
            bench.wire.serial_sinks[(machine.number, 0)] = sink
        bench.start()
        begin = time.monotonic()
        while any(machine.is_running for machine in machines):
            bench.wire.run_for(SLICE_S)
            ahead_s = bench.wire.time_us / 1e6 - (time.monotonic() - begin)
            if ahead_s < 0:             # behind: what is lost is lost, the clock goes on from here
                begin -= ahead_s
            data, commands = terminal.typed(max(0.0, min(ahead_s, 0.2)))
            if data:
                bench.wire.send_serial(machines[shown].number, data)
            if "x" in commands:
                return
            if "n" in commands and len(machines) > 1:
                shown = 1 - shown
                terminal.show(f"\r\n[console of {machines[shown].name}]\r\n".encode())
                terminal.show(machines[shown].console.text[-2000:].encode("latin-1"))


def run_on_host_network(args):
    kind, _, where = args.net.partition(":")
    if kind == "tap":
        nic = bochs.Nic(mac_address(0), "tuntap", f"/dev/net/tun:{where}")
    elif kind == "bxhub":
        nic = bochs.Nic(mac_address(0), "socket", where or "40000")
    else:
        raise bochs.BenchError(f"--net {args.net}: tap:NAME or bxhub:PORT")
    listener = qemu.listen()
    config = bochs.Config(image=args.image, folder=args.folder / "a", ips=args.ips, memory_mib=args.mem,
                          cpus=args.cpus, exclude_features=args.exclude, nics=[nic], extra=args.bochsrc,
                          serial=f"mode=socket-client, dev=127.0.0.1:{listener.getsockname()[1]}")
    process = bochs.start(config)
    try:
        relay(listener.accept()[0], process, args.folder)
    finally:
        bochs.stop(process)


def run_on_qemu(args):
    listener = qemu.listen()
    command = qemu.command_line(qemu.Config(image=args.image, folder=args.folder / "a", memory_mib=args.mem,
                                            cpus=args.cpus, gdb=args.gdb,
                                            nics=[qemu.Nic(mac_address(0), "user")]),
                                listener.getsockname()[1])
    if args.gdb:
        print("halted; in another terminal: gdb build/godwit.elf -ex 'target remote :1234'", file=sys.stderr)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        relay(listener.accept()[0], process, args.folder)
    finally:
        bochs.stop(process)


def relay(serial, process, folder):
    """Terminal <-> serial socket, until either side ends."""
    console = Console(folder, "a")
    with Terminal() as terminal:
        while process.poll() is None:
            if select.select([serial], [], [], 0)[0]:
                data = serial.recv(4096)
                if not data:
                    break
                console.feed(data, 0)
                terminal.show(data)
            data, commands = terminal.typed(0.02)
            serial.sendall(data)
            if "x" in commands:
                break
    console.close()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--second", type=Path, metavar="IMAGE")
    parser.add_argument("--ips", type=int, default=100_000_000,
                        help="emulated instructions per second (default 100M: closest to real time)")
    parser.add_argument("--mem", type=int, default=bochs.DEFAULT_MEMORY_MIB, help="MiB")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--exclude", default="", help="CPU features to leave out, for example vmx")
    parser.add_argument("--rate", type=int, default=1_000_000_000, help="of the wire, bits/s")
    parser.add_argument("--fault", action="append", default=[], help="fault rule, see wire/fault.h")
    parser.add_argument("--net", help="tap:NAME or bxhub:PORT instead of the wire")
    parser.add_argument("--bochsrc", default="", help="one more line of Bochs configuration")
    parser.add_argument("--qemu", action="store_true")
    parser.add_argument("--gdb", action="store_true")
    parser.add_argument("--folder", type=Path, default=bochs.BUILD / "machine" / "run")
    return parser.parse_args()


def main():
    args = parse_arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.qemu or args.gdb:
        run_on_qemu(args)
    elif args.net:
        run_on_host_network(args)
    else:
        run_on_wire(args)


if __name__ == "__main__":
    try:
        main()
    except bochs.BenchError as problem:
        sys.exit(f"run.py: {problem}")
    except KeyboardInterrupt:
        pass
