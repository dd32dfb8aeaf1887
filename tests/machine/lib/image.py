# SPDX-License-Identifier: MIT
"""Disk images with one EFI system partition, made with mtools."""
import os
import struct
import subprocess
from pathlib import Path

SECTOR = 512
FIRST_LBA = 2048
CYLINDER = 16 * 63 * SECTOR


def _mbr(sectors):
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0xEF, b"\xfe\xff\xff", FIRST_LBA, sectors)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def make_esp_image(path, files, size_mib=64):
    """Write a disk image at `path`; `files` maps "/EFI/BOOT/BOOTX64.EFI" style names to host paths or bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sectors = size_mib * 2048
    total = (FIRST_LBA + sectors) * SECTOR
    with open(path, "wb") as image:
        image.write(_mbr(sectors))
        image.truncate(-(-total // CYLINDER) * CYLINDER)
    volume = f"{path}@@{FIRST_LBA * SECTOR}"
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1")

    def mtool(*command, data=None):
        subprocess.run(command, check=True, env=env, input=data, stdout=subprocess.DEVNULL)

    mtool("mformat", "-i", volume, "-F", "-T", str(sectors), "-h", "16", "-s", "63", "-N", "47445749", "::")
    made = set()
    for name, source in files.items():
        folder = ""
        for part in name.strip("/").split("/")[:-1]:
            folder += "/" + part
            if folder not in made:
                mtool("mmd", "-i", volume, "::" + folder)
                made.add(folder)
        if isinstance(source, bytes):
            mtool("mcopy", "-i", volume, "-", "::" + name, data=source)
        else:
            mtool("mcopy", "-i", volume, str(source), "::" + name)
    return path
