# SPDX-License-Identifier: MIT
"""Size of the kernel by component, from the linker's map, and lines of source per folder. For information."""
import re
from collections import defaultdict

SIZE = "kernel image by component: code and constant data, KiB"
LINES = "lines of source"

FOLDERS = ("boot", "kernel", "vmx", "guest", "drivers", "net", "migration", "console")
SECTION = re.compile(r"^ (\.(?:text|rodata)\S*)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+)$")
FOLDED = re.compile(r"^ (\.(?:text|rodata)\S*)\n\s+0x", re.MULTILINE)


def component_of(path):
    """Folder of an object file, or the name of the library it belongs to."""
    if "libc.a(" in path:
        return "newlib"
    if "/lwip/" in path:
        return "lwIP"
    found = re.search(r"/kernel/(\w+)/", path)
    return found.group(1) if found else "other"


def sizes(map_text):
    """{component: octets} of everything that the linker kept."""
    kept = map_text[map_text.index("Linker script and memory map"):]
    kept = FOLDED.sub(r" \1 0x", kept)  # long section names stand on a line of their own
    total = defaultdict(int)
    for line in kept.splitlines():
        found = SECTION.match(line)
        if found:
            total[component_of(found.group(3))] += int(found.group(2), 16)
    return total


def count_lines(folder):
    """Lines of .c, .h, .S and .py files below a folder."""
    return sum(len(path.read_text(errors="replace").splitlines()) for path in folder.rglob("*")
               if path.suffix in (".c", ".h", ".S", ".py") and path.is_file())


def measure_sizes(figures, map_path, root):
    found = sizes(map_path.read_text())
    if not found:
        figures.fail(SIZE, f"{map_path} names no section")
    for name, octets in sorted(found.items(), key=lambda item: -item[1]):
        figures.add(SIZE, name, octets / 1024, "KiB")
    for folder in FOLDERS + ("tests", "tools"):
        figures.add(LINES, folder, count_lines(root / folder), "lines")
