# SPDX-License-Identifier: MIT
"""Booted machines, kept on disk: build/machine/snapshots/KEY/ holds one set of machines that were saved at the same
poll. KEY covers everything that the boot depends on: images, settings, the preload library, poll period."""
import hashlib
import shutil

from . import bochs
from .bochs import BUILD, BenchError

FOLDER = BUILD / "machine" / "snapshots"
KEEP = 8                                # sets; the oldest go
SETTLE_S = 0.005                        # emulated, between the pattern and the snapshot
FORMAT = 2                              # older sets are not used


def _key(bench, machines, pattern):
    digest = hashlib.sha256()
    for machine in machines:
        config = machine.config
        settings = {name: str(value) for name, value in vars(config).items() if name not in ("image", "folder")}
        digest.update(repr((machine.name, machine.number, machine.seed, sorted(settings.items()))).encode())
        digest.update(config.image.read_bytes())
    digest.update(repr((FORMAT, pattern, bench.wire.period_us, bochs.find_bochs(), bochs.find_firmware())).encode())
    digest.update(bochs.PRELOAD.read_bytes())
    return digest.hexdigest()[:16]


def _restore_features(path, config):
    """A saved configuration lacks the CPU's excluded and added features; the restored CPU would have all of its model."""
    features = "".join(f', {key}="{value}"' for key, value in (("exclude_features", config.exclude_features),
                                                               ("add_features", config.add_features)) if value)
    lines = [line + features if line.startswith("cpu:") else line for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


def _prune():
    sets = sorted((path for path in FOLDER.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in sets[:-KEEP]:
        shutil.rmtree(old)


def _make(bench, machines, pattern, limit, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with type(bench)(bench.folder / "boot", seed=bench.seed, period_us=bench.wire.period_us, pcap=False) as maker:
        for machine in machines:
            image = folder / f"{machine.name}.img"
            shutil.copyfile(machine.config.image, image)
            maker.adopt(machine, image)
        maker.start()
        for machine in maker.machines:
            machine.expect(pattern, limit)
        maker.wire.run_for(SETTLE_S)
        for machine in maker.machines:
            maker.wire.save_snapshot(machine.number, (folder / machine.name).resolve())
        maker.wire.run_for(SETTLE_S)
    for machine in maker.machines:
        if not (folder / machine.name / "config").is_file():
            raise BenchError(f"snapshot: {machine.name} was not saved, see {machine.config.folder}/stdout.txt")
        _restore_features(folder / machine.name / "config", machine.config)
        shutil.copyfile(machine.console.path, folder / f"{machine.name}.console")
    (folder / "complete").touch()


def find_or_make(bench, machines, pattern, limit):
    """Folder of the set for these machines of the bench; boots them in a bench of their own if there is none yet."""
    folder = FOLDER / _key(bench, machines, pattern)
    if not (folder / "complete").exists():
        _make(bench, machines, pattern, limit, folder)
        _prune()
    folder.touch()
    return folder
