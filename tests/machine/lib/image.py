# SPDX-License-Identifier: MIT
"""Disk images with one EFI system partition, made by tools/mkimage.sh."""
import os
import subprocess
import tempfile
from pathlib import Path

from .bochs import BUILD, ROOT, BenchError

BOOT_FILE = "/EFI/BOOT/BOOTX64.EFI"


def make_esp_image(path, files):
    """Write a disk image; `files` maps names such as "/EFI/BOOT/BOOTX64.EFI" to host paths, or to bytes or text."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        pairs = []
        for number, (name, source) in enumerate(files.items()):
            if isinstance(source, (bytes, str)):
                content = source if isinstance(source, bytes) else source.encode()
                source = Path(scratch) / str(number)
                source.write_bytes(content)
            pairs.append(f"{os.path.abspath(source)}={name}")
        made = subprocess.run([str(ROOT / "tools" / "mkimage.sh"), os.path.abspath(path), *pairs],
                              capture_output=True, text=True, check=False)
    if made.returncode:
        raise BenchError(f"image: {made.stderr.strip()}")
    return path


def make_godwit_image(path, config, files=None):
    """A disk image that boots Godwit with this godwit.cfg (text) and further files for the folder /godwit."""
    contents = {BOOT_FILE: BUILD / "BOOTX64.EFI", "/godwit/godwit.cfg": config}
    for name, source in (files or {}).items():
        contents[f"/godwit/{name}"] = source
    return make_esp_image(path, contents)
