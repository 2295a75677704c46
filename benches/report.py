"""Writes docs/PERFORMANCE.md and its plots from the results of `make bench` and `make bench-scale`.

    python3 benches/report.py [RESULTS.jsonl...]

Without arguments it takes bench.jsonl (or full.jsonl, if that is newer) and scale.jsonl in
target/bench.
"""

import math
import sys
from collections.abc import Iterable
from pathlib import Path

from driver.plot import Bar, Chart, Group
from driver.programs import FLOOR, OUTPUT, ROOT, is_peer
from driver.results import Results, best_peer, number
from driver.rows import RESIDENT, ROLES, SCALE_ROLES, SERIALIZERS, Figure, Row, has_size

PAGE = ROOT / "docs" / "PERFORMANCE.md"
PLOTS = ROOT / "docs" / "performance"
ORDER = (
    FLOOR, "libwamp-inline", "libwamp-thread", "libwamp-manual",
    "wamp_async", "autobahn-cpp", "autobahn-js", "wampy", "autobahn-python",
)  # fmt: skip
COLORS = {
    FLOOR: "#8c959f",
    "libwamp-inline": "#0550ae",
    "libwamp-thread": "#218bff",
    "libwamp-manual": "#80ccff",
}
PEER_COLOR = "#e8a33d"
NO_JSON = "autobahn-cpp"
NEARLY = 1.02  # a figure within two hundredths of the best peer's is as good

INTRODUCTION = """# Performance

What libwamp costs, beside other clients. This page and its plots are made by `make performance`,
and never written by hand.

## How it is measured

* From outside: a program that has nothing but `wamp.h`, and for each peer a program on its public
  interface. **Every program reads the payloads that it gets**, and compares their length.
* The client under test has one processor for itself; the router and the other peer have another.
  The router (`benches/c/router.c`) only forwards, so that it is not what is measured, and no
  slowness of it lets messages gather.
* The figure is the client's processor time per message: user and system time of all its threads,
  after a while of warming up. It hardly depends on the router. Where it is how long something
  takes, that is said.
* The *floor* (`benches/c/floor.c`) is a client written for the purpose, that does no more than the
  kernel and the protocol ask for: one epoll loop, heads scanned by hand, payloads sliced and never
  parsed, and everything that has gathered written by one call. Nobody would want to program with
  it.
* All clients of a row take turns in random order; a figure is the median of the rounds. A round
  whose floor is more than a tenth away from the row's is repeated; a row that stays unsteady is
  marked with ~.
* Absolute times hold for one machine. Ratios travel better.

libwamp is measured in each dispatch mode: `inline` (callbacks on the I/O thread), `thread` (on a
thread of the library) and `manual` (events are polled)."""

EXPLANATION = """\
A cell has the figure, and how many times the floor's that is. Cells of libwamp also have, in bold,
how many times the best peer's it is: less than 1 is better than all peers. autobahn-cpp has no
JSON; in rows with JSON it speaks MsgPack. wampy has every publication acknowledged, so it has no
figure for publishing without."""

GROWTH = """\
What a message costs when there is more of something else; flat is what is wanted. With many
connections each message is alone in its system calls, for the floor too. The floor has no threads;
it has as many calls in flight as there are threads, and writes them by one call."""

REPETITION = """## How to repeat it

    make performance            # this page: make bench, make bench-scale, and the report
    make bench                  # a quarter of an hour at most; with ROUNDS=1 about five minutes
    make bench ONLY=event/ws    # some rows: those whose names contain this
    make bench-full             # every role, transport, serializer and size
    python3 benches/run.py --help

Peers that are not installed are left out. Debian has autobahn-cpp (`autobahn-cpp-dev`, with
`libssl-dev` and Boost's `thread`, `system` and `random`); the others are fetched by cargo, `make
venv` and `make javascript`. Raw results are in `target/bench`, a line of JSON for each
measurement.
"""

AHEAD = "In no row of this run is a peer ahead of libwamp, in any of its modes."
BEHIND = "In these rows a peer is ahead of libwamp, in the modes that are named:"


# ---- names ----


def wire(row: Row) -> str:
    serializers = {"json": "JSON", "msgpack": "MsgPack", "cbor": "CBOR"}
    transports = {"ws": "WebSocket", "rs": "RawSocket"}
    serializer = serializers.get(row.serializer, row.serializer)
    return f"{serializer} on {transports.get(row.transport, row.transport)}"


def size(row: Row) -> str:
    return f"{row.size} B" if row.size < 1024 else f"{row.size // 1024} KiB"


def scale(row: Row) -> str:
    counted = ROLES[row.role].scale_of
    return f"{row.scale:,} {counted.removesuffix('s') if row.scale == 1 else counted}"


def title(row: Row) -> str:
    parts = [wire(row)]
    if has_size(row.role):
        parts.append(size(row))
    if ROLES[row.role].scale_of:
        parts.append(scale(row))
    return ", ".join(parts)


def place(row: Row) -> tuple[bool, int, int, int]:
    """Where a row stands among those of its role."""
    return row.transport != "ws", SERIALIZERS.index(row.wire), row.size, row.scale


def in_order(clients: Iterable[str]) -> list[str]:
    return sorted(
        clients, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)
    )


def shown(value: float, figure: Figure) -> str:
    if figure is RESIDENT:
        return f"{number(value / 1024)} MiB"
    return f"{number(value)} {figure.unit}"


# ---- tables ----


def table(results: Results, rows: list[Row], figure: Figure) -> list[str]:
    """The figure of all clients in all rows of a role."""
    rows = [row for row in rows if results.values(row, figure.key)]
    clients = in_order({client for row in rows for client in results.values(row, figure.key)})
    if not rows:
        return []
    unit = "MiB" if figure is RESIDENT else figure.unit
    heading = f"{figure.title[0].upper()}{figure.title[1:]}, in {unit}:"
    lines = ["", heading, "", f"| | {' | '.join(clients)} |", "|---" * (len(clients) + 1) + "|"]
    for row in rows:
        cells = {cell.client: cell for cell in results.cells(row, figure.key)}
        words = []
        for client in clients:
            cell = cells.get(client)
            if cell is None:
                words.append("")
                continue
            word = number(cell.value / 1024 if figure is RESIDENT else cell.value)
            if cell.floor and client != FLOOR:
                word += f" ({number(cell.floor)} x)"
            if cell.best and client.startswith("libwamp"):
                word += f" **{cell.best:.2f}**"
            words.append(word)
        mark = " ~" if row in results.unsteady else ""
        lines.append(f"| {title(row)}{mark} | {' | '.join(words)} |")
    return lines


def behind(results: Results) -> list[str]:
    """What is to be said where a peer is ahead of libwamp."""
    lines = []
    for row in sorted(results.samples, key=lambda row: (list(ROLES).index(row.role), place(row))):
        for figure in ROLES[row.role].figures:
            values = results.values(row, figure.key)
            best = best_peer(values)
            if best is None:
                continue
            worse = [
                f"`{name.removeprefix('libwamp-')}` {shown(values[name], figure)}"
                f" ({values[name] / values[best]:.2f} x)"
                for name in in_order(values)
                if name.startswith("libwamp") and values[name] > NEARLY * values[best]
            ]
            if worse:
                what = f"{ROLES[row.role].title}, {title(row)} ({figure.title})"
                with_what = " with MsgPack" if (best, row.wire) == (NO_JSON, "json") else ""
                better = f"{best}{with_what} {shown(values[best], figure)}"
                lines.append(f"* {what}: {better}; {', '.join(worse)}.")
    if not lines:
        return [AHEAD]
    return [BEHIND, "", *lines]


# ---- plots ----


def color(client: str) -> str:
    return PEER_COLOR if is_peer(client) else COLORS.get(client, "#0550ae")


def plot_of_role(results: Results, rows: list[Row]) -> Chart | None:
    """How many times the floor's each client's figure is, for JSON on WebSocket."""
    role = ROLES[rows[0].role]
    figure, groups = role.figures[0], []
    for row in rows:
        cells = [cell for cell in results.cells(row, figure.key) if cell.floor]
        if (row.transport, row.serializer) != ("ws", "json") or not cells:
            continue
        cells.sort(key=lambda cell: cell.floor or 0)
        bars = [
            Bar(
                cell.client,
                cell.floor or 1,
                f"{number(cell.floor or 1)} x  ({shown(cell.value, figure)})",
                color(cell.client),
            )
            for cell in cells
        ]
        what = scale(row) if role.scale_of else size(row) if has_size(row.role) else wire(row)
        groups.append(Group(what, bars))
    if not groups:
        return None
    return Chart(
        role.title,
        f"{figure.title}, JSON on WebSocket; shorter is better",
        "times the floor",
        groups,
        1,
    )


def plot_of_scale(results: Results, rows: list[Row]) -> Chart | None:
    """What a message costs each client, the more there is of something else."""
    role = ROLES[rows[0].role]
    figure, groups = role.figures[0], []
    for client in in_order({client for row in rows for client in results.samples[row]}):
        values = [(row, results.values(row, figure.key).get(client)) for row in rows]
        bars = [
            Bar(scale(row), value, shown(value, figure), color(client))
            for row, value in values
            if value
        ]
        groups.append(Group(client, bars))
    if not groups:
        return None
    least = min(bar.value for group in groups for bar in group.bars)
    start = 10 ** math.floor(math.log10(least))
    return Chart(
        role.title,
        f"{figure.title}, {title(rows[0]).rpartition(',')[0]}",
        f"{figure.unit} a message",
        groups,
        start,
    )


# ---- the page ----


def section(results: Results, role: str) -> list[str]:
    rows = sorted((row for row in results.samples if row.role == role), key=place)
    if not rows:
        return []
    chart = (plot_of_scale if role in SCALE_ROLES else plot_of_role)(results, rows)
    lines = ["", f"### {ROLES[role].title}"]
    if chart:
        (PLOTS / f"{role}.svg").write_text(chart.svg(), encoding="utf-8")
        lines += ["", f"![{chart.title}: {chart.subtitle}](performance/{role}.svg)"]
    for figure in ROLES[role].figures:
        lines += table(results, rows, figure)
    return lines


def page(results: Results) -> str:
    lines = [INTRODUCTION, "", "## The run", "", "| | |", "|---|---|"]
    lines += [
        f"| {key} | {f'`{value}`' if key == 'command' else value} |"
        for key, value in results.facts.items()
    ]
    for row, client, why in results.left_out:
        lines.append(f"| left out | {client} in {row.name}: {why} |")
    lines += ["", "## Results", "", EXPLANATION]
    for role in ROLES:
        if role not in SCALE_ROLES:
            lines += section(results, role)
    lines += ["", "## Where libwamp is not ahead", "", *behind(results)]
    growth = [line for role in SCALE_ROLES for line in section(results, role)]
    if growth:
        lines += ["", "## How it grows", "", GROWTH, *growth]
    return "\n".join([*lines, "", REPETITION])


def newest() -> list[Path]:
    whole = [path for path in (OUTPUT / "bench.jsonl", OUTPUT / "full.jsonl") if path.exists()]
    found = [max(whole, key=lambda path: path.stat().st_mtime)] if whole else []
    return found + [path for path in [OUTPUT / "scale.jsonl"] if path.exists()]


def main() -> int:
    paths = [Path(name) for name in sys.argv[1:]] or newest()
    results = Results()
    for path in paths:
        results.read(path.read_text(encoding="utf-8").splitlines())
    if not results.samples:
        print("benches/report.py: no results; run `make bench` first", file=sys.stderr)
        return 1
    PLOTS.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS.glob("*.svg"):
        plot.unlink()
    PAGE.write_text(page(results), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is written, from {', '.join(map(str, paths))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
