"""Rounds of measurements: in random order, and again where the floor tells of a disturbance."""

import json
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TextIO

from driver.measuring import Failure, Lab
from driver.programs import FLOOR, Client
from driver.rows import ROLES, Row

STEADY = 0.10  # a round whose floor is further from the median floor of its row is repeated
REPEATS = 2  # so many times at most


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Rounds:
    """All that is measured in a run."""

    lab: Lab
    clients: list[Client]
    rows: list[Row]
    seconds: float
    ends: float  # by time.monotonic()
    raw: TextIO
    samples: dict[tuple[Row, int], dict[str, dict[str, float]]] = field(default_factory=dict)
    left_out: dict[tuple[Row, str], str] = field(default_factory=dict)
    unsteady: list[Row] = field(default_factory=list)
    is_cut: bool = False

    def go(self, count: int, repeats: int = REPEATS) -> None:
        for number in range(count):
            for row in self.rows:
                self.round(row, number)
            note(f"round {number + 1} of {count} is done")
        for _ in range(repeats):
            for row, number in self.disturbed():
                self.round(row, number)
        self.unsteady = list(dict.fromkeys(row for row, _ in self.disturbed()))
        for row in self.unsteady:
            self.write(kind="unsteady", row=vars(row))

    def round(self, row: Row, number: int) -> None:
        """Measures all clients of a row once."""
        if time.monotonic() > self.ends:
            self.is_cut = True
            return
        taking_part = [client for client in self.clients if self.takes_part(client, row)]
        random.shuffle(taking_part)
        found = {}
        for client in taking_part:
            try:
                found[client.name] = self.lab.measure(client, row, self.seconds)
            except Failure as failure:
                self.leave_out(row, client.name, str(failure))
        self.samples[row, number] = found
        for name, figures in found.items():
            self.write(kind="sample", row=vars(row), client=name, round=number, figures=figures)

    def takes_part(self, client: Client, row: Row) -> bool:
        if client.serializer_for(row) is None or (row, client.name) in self.left_out:
            return False
        return client.is_quick or not row.is_thin

    def leave_out(self, row: Row, client: str, why: str) -> None:
        self.left_out[row, client] = why
        note(f"left out: {client} in {row.name}: {why}")
        self.write(kind="left out", row=vars(row), client=client, why=why)

    def disturbed(self) -> list[tuple[Row, int]]:
        """The rounds of rows whose floor is far from its median."""
        floors: dict[Row, dict[int, float]] = defaultdict(dict)
        for (row, number), found in self.samples.items():
            if FLOOR in found:
                floors[row][number] = found[FLOOR][ROLES[row.role].figures[0].key]
        return [
            (row, number)
            for row, values in floors.items()
            for number, value in values.items()
            if abs(value / median(values.values()) - 1) > STEADY
        ]

    def write(self, **line: object) -> None:
        print(json.dumps(line), file=self.raw, flush=True)
