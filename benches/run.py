"""Measures libwamp from outside, beside a floor and its peers.

    python3 benches/run.py [PLAN] [options]

It wants what `make lib` builds; `make bench`, `make bench-full` and `make bench-scale` run plans.
A row is measured by a client on one processor, with the router and the other peer on another. All
clients of a row take turns in random order, each for --seconds; a figure is the median of all
rounds. What matters is the client's processor time per message (user and system, of all its
threads), which hardly depends on the router. "Floor" is a client that does no more than the kernel
and the protocol ask for (benches/c/floor.c).

With options such as --roles or --transports the rows are all combinations of these instead of a
plan's. The router that is part of libwamp (--router embedded) has transports that the forwarding
one has not.
"""

import argparse
import resource
import shlex
import signal
import sys
import time
from pathlib import Path

from driver import programs, rows
from driver.measuring import Lab
from driver.programs import MODES, OUTPUT, PEERS, TARGET, Client, Missing
from driver.results import Results, table
from driver.rounds import Rounds, note

DEFAULTS = {
    "bench": (3, 0.35, 14),
    "scale": (3, 0.35, 14),
    "full": (3, 0.5, 0),
    "smoke": (1, 0.02, 0),
}
CUSTOM = (3, 0.5, 0)


def words(text: str) -> list[str]:
    return text.split(",")


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "plan", nargs="?", choices=list(rows.PLANS), help="which rows (default: bench)"
    )
    parser.add_argument("--rounds", type=int, help="how often each row is measured")
    parser.add_argument("--seconds", type=float, help="for how long each client is measured")
    parser.add_argument("--minutes", type=float, help="begin nothing after so many; 0: no limit")
    parser.add_argument(
        "--only", default="", help="only rows whose names contain this, such as call/ws/json/16"
    )
    parser.add_argument("--roles", type=words, help=f"some of {','.join(rows.ROLES)}")
    parser.add_argument("--transports", type=words, help="some of ws,rs,ws+unix,rs+unix,http")
    parser.add_argument(
        "--serializers", type=words, help="some of json,msgpack,cbor, or json.batched and so on"
    )
    parser.add_argument("--sizes", type=words, help="of the payload's string, in bytes")
    parser.add_argument(
        "--scales", type=words, help="how many connections, subscriptions and so on"
    )
    parser.add_argument(
        "--modes", type=words, default=list(MODES), help=f"of libwamp: some of {','.join(MODES)}"
    )
    parser.add_argument("--peers", type=words, help=f"some of {','.join(PEERS)}, or none")
    parser.add_argument(
        "--payloads",
        default="wire",
        choices=("wire", "json"),
        help="the encoding of libwamp's payloads",
    )
    parser.add_argument("--deflate", default="false", help="libwamp's option permessage_deflate")
    parser.add_argument("--router", default="forward", choices=("forward", "embedded"))
    parser.add_argument(
        "--lib", default=str(TARGET / "release"), help="the directory of libwamp.so"
    )
    options = parser.parse_args(arguments)
    unknown = [*(set(options.roles or ()) - set(rows.ROLES)), *(set(options.modes) - set(MODES))]
    unknown += set(options.peers or ()) - {*PEERS, "none"}
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return options


def is_custom(options: argparse.Namespace) -> bool:
    chosen = (options.roles, options.transports, options.serializers, options.sizes, options.scales)
    return options.router == "embedded" or any(chosen)


def rows_of(options: argparse.Namespace) -> list[rows.Row]:
    if not is_custom(options):
        made = rows.PLANS[options.plan or "bench"]()
    else:
        made = rows.matrix(
            options.roles or ("sequential", "call", "invocation", "publish", "event"),
            options.transports or ("ws",),
            options.serializers or ("json",),
            map(int, options.sizes or (16,)),
            list(map(int, options.scales or (1,))),
        )
    return [row for row in made if options.only in row.name]


def clients_of(options: argparse.Namespace, library: Path) -> tuple[list[Client], dict[str, str]]:
    """The floor, libwamp and those peers that are there, and why others are not."""
    clients = [programs.floor()]
    clients += [
        programs.libwamp(mode, library, options.payloads, options.deflate) for mode in options.modes
    ]
    wanted, left_out = options.peers, {}
    if wanted is None:
        wanted = (
            ["none"] if options.plan in ("smoke", "scale") or is_custom(options) else list(PEERS)
        )
    for name in wanted:
        if name == "none":
            continue
        try:
            clients.append(PEERS[name]())
        except Missing as missing:
            left_out[name] = f"left out: {missing}"
            note(f"{name} is {left_out[name]}")
    return clients, left_out


def name_of(options: argparse.Namespace) -> str:
    return "custom" if is_custom(options) else options.plan or "bench"


def measure(options: argparse.Namespace) -> int:
    name = name_of(options)
    rounds, seconds, minutes = DEFAULTS.get(name, CUSTOM)
    minutes = minutes if options.minutes is None else options.minutes
    begin = time.monotonic()
    library = programs.library_in(Path(options.lib))
    clients, left_out = clients_of(options, library)
    chosen = rows_of(options)
    facts = {
        "command": shlex.join(["python3", "benches/run.py", *sys.argv[1:]]),
        **programs.facts(clients),
    }
    rounds, seconds = options.rounds or rounds, options.seconds or seconds
    facts |= {**left_out, "rounds": f"{rounds}, each client for {seconds} s or longer"}
    facts["date"] = time.strftime("%Y-%m-%d")
    for key, value in facts.items():
        print(f"{key}: {value}", flush=True)
    if not chosen:
        note("no row is left to measure")
        return 2
    path = OUTPUT / f"{'some' if options.only else name}.jsonl"  # a report wants a whole plan
    lab = Lab(library, options.router, options.deflate)
    with path.open("w", encoding="utf-8") as raw:
        if not lab.processors.are_two:
            facts["processors"] = "one for all, so that nothing is pinned"
            note("there is one processor: nothing is pinned, and the router disturbs the figures")
        ends = begin + minutes * 60 if minutes else float("inf")
        run = Rounds(lab, clients, chosen, seconds, ends, raw)
        run.write(facts=facts)
        run.go(rounds, repeats=0 if name == "smoke" else 2)
    return tell(run, path, must_be_whole=name == "smoke")


def tell(run: Rounds, path: Path, must_be_whole: bool) -> int:
    results = Results()
    results.read(path.read_text(encoding="utf-8").splitlines())
    print(table(results))
    for row in run.unsteady:
        note(f"unsteady: the floor of {row.name} stays more than 10 % apart between rounds")
    if run.is_cut:
        note("the time is up; some rounds or repetitions are missing")
    print(f"\nraw results: {path}")
    return 1 if must_be_whole and run.left_out else 0


def give_up(*_: object) -> None:
    """Ends the run as if it were done, so that all children are ended."""
    sys.exit(1)


def main() -> int:
    signal.signal(signal.SIGTERM, give_up)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = read_options(sys.argv[1:])
    try:
        return measure(options)
    except Missing as missing:
        note(f"benches/run.py: {missing}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
