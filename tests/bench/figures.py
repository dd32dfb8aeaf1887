# SPDX-License-Identifier: MIT
"""Measured figures: collected as they come, printed as one table, written as JSON lines."""
import json
from dataclasses import asdict, dataclass


@dataclass
class Figure:
    """One row. peer: the same measured elsewhere; target: what is to be reached (at most, or at least)."""
    group: str
    name: str
    value: float
    unit: str
    peer: float = None
    target: float = None
    at_least: bool = False
    note: str = ""
    least: float = None
    most: float = None

    @property
    def within(self):
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def number(value):
    """A figure as people read it: four digits matter."""
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.4g}"


class Figures:
    """All figures of a run, and what could not be measured."""

    COLUMNS = ("", "measured", "unit", "peer", "ratio", "target", "within target")

    def __init__(self):
        self.rows = []
        self.failures = []              # (group, why)

    def add(self, group, name, value, unit, **more):
        self.rows.append(Figure(group, name, value, unit, **more))

    def fail(self, group, why):
        self.failures.append((group, why))

    def _cells(self, row):
        ratio = f"{row.value / row.peer:.2f}" if row.peer else ""
        bound = "" if row.target is None else (">= " if row.at_least else "<= ") + number(row.target)
        within = {None: "", True: "yes", False: "no"}[row.within]
        return ("  " + row.name, number(row.value), row.unit, number(row.peer), ratio, bound, within)

    def table(self):
        """The whole table as text; notes stand below their group."""
        cells = [self._cells(row) for row in self.rows]
        widths = [max(len(line[i]) for line in cells + [self.COLUMNS]) for i in range(len(self.COLUMNS))]

        def line(parts):
            left = (0, 2)
            return "  ".join(part.ljust(width) if i in left else part.rjust(width)
                             for i, (part, width) in enumerate(zip(parts, widths))).rstrip()
        lines = [line(self.COLUMNS)]
        groups = list(dict.fromkeys(row.group for row in self.rows))
        for group in groups:
            lines += ["", group]
            lines += [line(self._cells(row)) for row in self.rows if row.group == group]
            lines += [f"    {row.name}: {row.note}" for row in self.rows if row.group == group and row.note]
        for group, why in self.failures:
            lines += ["", f"NOT MEASURED: {group}: {why}"]
        judged = [row for row in self.rows if row.within is not None]
        missed = sum(not row.within for row in judged)
        lines += ["", f"{len(judged) - missed} of {len(judged)} figures within their targets"]
        return "\n".join(lines)

    def write(self, path):
        """One JSON object per figure."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            for row in self.rows:
                out.write(json.dumps(dict(asdict(row), within=row.within)) + "\n")
            for group, why in self.failures:
                out.write(json.dumps({"group": group, "not_measured": why}) + "\n")
