"""What raw results say: medians, ratios to the floor and to the best peer, also as text."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from driver.programs import FLOOR, is_peer
from driver.rows import ROLES, Row


@dataclass(frozen=True)
class Cell:
    """The figure of one client in one row."""

    client: str
    value: float
    floor: float | None  # how many times the floor's
    best: float | None  # how many times the best peer's


@dataclass
class Results:
    """What raw results say."""

    facts: dict[str, str] = field(default_factory=dict)
    samples: dict[Row, dict[str, dict[int, dict[str, float]]]] = field(default_factory=dict)
    unsteady: set[Row] = field(default_factory=set)
    left_out: list[tuple[Row, str, str]] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> None:
        for line in map(json.loads, lines):
            row = Row(**line["row"]) if "row" in line else None
            if row is None:
                self.learn(line["facts"])
            elif line["kind"] == "sample":
                clients = self.samples.setdefault(row, {})
                clients.setdefault(line["client"], {})[line["round"]] = line["figures"]
            elif line["kind"] == "unsteady":
                self.unsteady.add(row)
            else:
                self.left_out.append((row, line["client"], line["why"]))

    def learn(self, facts: dict[str, str]) -> None:
        """Takes what a run says of itself, beside what another has said differently."""
        for name, fact in facts.items():
            known = self.facts.get(name)
            self.facts[name] = fact if known in (None, fact) else f"{known}; {fact}"

    def values(self, row: Row, key: str) -> dict[str, float]:
        """The medians of all clients that have this figure."""
        found = {}
        for client, rounds in self.samples[row].items():
            values = [figures[key] for figures in rounds.values() if key in figures]
            if values:
                found[client] = median(values)
        return found

    def cells(self, row: Row, key: str) -> list[Cell]:
        """All clients in a row: the floor, libwamp, and the peers, each from the best on."""
        values = self.values(row, key)
        floor = values.get(FLOOR)
        best = best_peer(values)
        order = sorted(values, key=lambda name: (name != FLOOR, is_peer(name), values[name]))
        return [
            Cell(
                name,
                values[name],
                values[name] / floor if floor else None,
                values[name] / values[best] if best else None,
            )
            for name in order
        ]


def best_peer(values: dict[str, float]) -> str | None:
    return min(
        (name for name in values if is_peer(name)), key=lambda name: values[name], default=None
    )


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(results: Results) -> str:
    """All figures as text."""
    lines = []
    for row in results.samples:
        role = ROLES[row.role]
        for figure in role.figures:
            cells = results.cells(row, figure.key)
            if not cells:
                continue
            mark = "  (unsteady)" if row in results.unsteady else ""
            lines.append(f"\n{row.name}: {figure.title}, {figure.unit}{mark}")
            for cell in cells:
                floor = f"{cell.floor:8.2f} x floor" if cell.floor else ""
                best = f"{cell.best:8.2f} x best peer" if cell.best and cell.client != FLOOR else ""
                lines.append(f"  {cell.client:16} {number(cell.value):>10} {floor:16}{best}")
    return "\n".join(lines)
