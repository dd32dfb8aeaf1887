# SPDX-License-Identifier: MIT
"""Bochs: where it is, its configuration file, and its process.

The configuration is the one that makes a run repeat bit for bit: sync=none, a fixed time0,
cpuid_freq=ips, a volatile disk, and no display in real time.
"""
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
PRELOAD = BUILD / "wire" / "preload.so"

DEFAULT_IPS = 1_000_000_000
DEFAULT_MEMORY_MIB = 512
DEFAULT_MODEL = "corei7_skylake_x"
CYLINDER_BYTES = 16 * 63 * 512          # heads * sectors * bytes, the geometry given to Bochs
TIME0 = 1_700_000_000

# Timers are numbered in the order in which the plugins are loaded, and a snapshot knows them by number only. A
# restore loads the plugins in this order; so every start has to.
PLUGIN_ORDER = ("plugin_ctrl: serial=0, gameport=0, parallel=0, speaker=0, unmapped=0",
                "plugin_ctrl: usb_uhci=1, parallel=1, gameport=1, fw_cfg=1, e1000=1, serial=1, unmapped=1")


class BenchError(RuntimeError):
    """The bench itself cannot do what was asked; one line says why."""


@dataclass
class Nic:
    """One e1000: mac, and where it is plugged in (Bochs module and device)."""
    mac: str
    module: str = "null"                # null | tuntap | socket | linux
    device: str = "null"                # "wire:PORT" with tuntap joins the lock-step wire


@dataclass
class Config:
    """What one emulated machine consists of."""
    image: Path
    folder: Path                        # scratch folder: configuration, logs, redolog
    ips: int = DEFAULT_IPS
    memory_mib: int = DEFAULT_MEMORY_MIB
    model: str = DEFAULT_MODEL
    cpus: int = 1
    quantum: int = 4                    # ticks of a sleeping CPU per turn; see "Several CPUs" in README.md
    exclude_features: str = ""          # for example "vmx" or "avx,avx2"
    add_features: str = ""
    nics: list = field(default_factory=list)
    serial: str = "mode=file, dev=com1.txt"
    cpu0_errors: str = "ignore"         # "report" shows why a VM entry failed
    extra: str = ""                     # further bochsrc lines


def find_bochs():
    """Path of the wrapper script that starts bochs-bin."""
    for path in (os.environ.get("GODWIT_BOCHS"), BUILD / "deps" / "bochs"):
        if path and os.access(path, os.X_OK):
            return Path(path)
    raise BenchError("bochs: no build/deps/bochs; run `make deps` first (or set GODWIT_BOCHS)")


def find_firmware():
    """OVMF image with code and variables in one file, and the address it ends below 4 GiB."""
    for path in (os.environ.get("GODWIT_OVMF"), BUILD / "deps" / "OVMF.fd", "/usr/share/ovmf/OVMF.fd"):
        if path and Path(path).is_file():
            return Path(path), (1 << 32) - Path(path).stat().st_size
    raise BenchError("firmware: no OVMF.fd; install the package ovmf (or set GODWIT_OVMF)")


def find_vgabios():
    for path in ("/usr/share/vgabios/vgabios.bin", BUILD / "deps" / "vgabios.bin"):
        if Path(path).is_file():
            return Path(path)
    raise BenchError("vgabios: no vgabios.bin; install the package vgabios")


def padded_image(config):
    """The image itself when it ends on a cylinder, else a padded copy in the scratch folder."""
    size = config.image.stat().st_size
    if size % CYLINDER_BYTES == 0:
        return config.image.resolve(), size // CYLINDER_BYTES
    copy = config.folder / "disk.img"
    shutil.copyfile(config.image, copy)
    cylinders = -(-size // CYLINDER_BYTES)
    os.truncate(copy, cylinders * CYLINDER_BYTES)
    return copy.resolve(), cylinders


def cpu_line(config):
    line = (f"cpu: model={config.model}, count={config.cpus}, quantum={config.quantum}, ips={config.ips}, "
            "reset_on_triple_fault=0, ignore_bad_msrs=1, cpuid_freq=ips")
    if config.exclude_features:
        line += f', exclude_features="{config.exclude_features}"'
    if config.add_features:
        line += f', add_features="{config.add_features}"'
    return line


def nic_lines(config):
    slots = "".join(f", slot{i + 1}=e1000" for i in range(len(config.nics)))
    lines = [f"pci: enabled=1, chipset=i440fx{slots}"]
    for card, nic in enumerate(config.nics):
        lines.append(f"e1000: card={card}, enabled=1, mac={nic.mac}, ethmod={nic.module}, ethdev={nic.device}")
    return lines


def bochsrc(config):
    """The text of the configuration file."""
    firmware, address = find_firmware()
    disk, cylinders = padded_image(config)
    lines = [
        *PLUGIN_ORDER,
        'display_library: rfb, options="timeout=0, no_gui_console"',
        cpu_line(config),
        f"memory: guest={config.memory_mib}, host={config.memory_mib}",
        f"romimage: file={firmware}, address={address:#x}",
        "fw_cfg: enabled=1",
        f"vgaromimage: file={find_vgabios()}",
        *nic_lines(config),
        "vga: extension=vbe, realtime=0",
        "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
        f"ata0-master: type=disk, mode=volatile, path={disk}, journal=redolog, "
        f"cylinders={cylinders}, heads=16, spt=63",
        "boot: disk",
        f"com1: enabled=1, {config.serial}",
        "log: bochs.log",
        "panic: action=fatal",
        f"error: action=report, cpu0={config.cpu0_errors}",
        "info: action=report",
        "debug: action=ignore",
        f"clock: sync=none, time0={TIME0}",
        "sound: driver=dummy",
        "speaker: enabled=0",
    ]
    if config.extra:
        lines.append(config.extra)
    return "\n".join(lines) + "\n"


def start(config, env=None, snapshot=None):
    """Write the configuration and start Bochs in the scratch folder; returns the process.

    snapshot: folder of a saved machine, which has its own configuration."""
    config.folder.mkdir(parents=True, exist_ok=True)
    for stale in ("com1.txt", "bochs.log"):
        (config.folder / stale).unlink(missing_ok=True)
    what = ["-r", str(Path(snapshot).resolve())] if snapshot else ["-f", "bochsrc"]
    if not snapshot:
        (config.folder / "bochsrc").write_text(bochsrc(config))
    if not PRELOAD.is_file():
        raise BenchError(f"preload: no {PRELOAD}; run `make build/wire/preload.so`")
    environment = dict(os.environ, BOCHS_PRELOAD=str(PRELOAD), **(env or {}))
    with open(config.folder / "stdout.txt", "wb") as out:
        return subprocess.Popen([str(find_bochs()), "-q", *what], cwd=config.folder,
                                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                env=environment, start_new_session=True)


def stop(process, grace_s=2.0):
    """End one emulator that start() returned."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode
