"""What attacks cost the attacker, and what they cost a bystander. Runs the attacks of attacks.py, each against a router in a
process of its own, with a bystander (bystander.c) in the same realm; and the crowds of masses.py. Prints two tables and, with
--write, puts them into docs/ROUTER.md. Ends with an error if a bystander is delayed by more than the limits below.

Phases with and without the attack take turns in one run, so that what the machine does otherwise is in both; a cell that
fails is run once more. Where the machine is a virtual one and its host gives the processors to others meanwhile (steal, in
/proc/stat), a run does not count, whatever its outcome, and is repeated, at most three times. Attackers come from addresses of their own, by the PROXY protocol, and run at a lower priority,
because on other machines they would take no processor from the router; that runs before what else the machine does, and
the bystander before everybody, so that it measures the router and not its own turn.

Linux. python table.py [--write] [--once] [NAME...]; --once runs no cell again; WAMP_ATTACK_SECONDS is the time of each attack in a phase (2.5), of which there
are three, and WAMP_MASSES_SECONDS that of the calls of masses.py (300).
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import masses
from attacks import ATTACKS, Attack
from programs import LIBRARY, ROOT, TICKS, Client, Router, allow_files, attackers, build, router

DOCUMENT = ROOT / "docs" / "ROUTER.md"
BEGIN, END = "<!-- attacks: tests/attacks/table.py --write -->\n", "<!-- /attacks -->\n"
SECONDS = float(os.environ.get("WAMP_ATTACK_SECONDS", "2.5"))
PHASES = 3
QUANTILE_MS, WORST_MS = 5, 20  # what an attack may add to the 99.9th percentile, and to the worst delay
STOLEN = 0.01  # of the time of a run, at most, for which the host may have had a processor
QUIET_RUNS = 4  # to find one that counts
KINDS = {"e": "event", "c": "call", "j": "login"}
CONFIG = {"realms": ["realm1"], "trusted_proxies": ["127.0.0.0/8"]}
TELLING = ("refused", "refused_messages", "refused_connections", "refused_addresses", "dropped", "dropped_stalled",
           "dropped_late", "dropped_handshakes")


@dataclass
class Delays:
    """Delays of one kind in all phases of one sort, in milliseconds."""

    all: list[float] = field(default_factory=list)
    lost: int = 0

    def add(self, ns: int) -> None:
        if ns < 0:
            self.lost += 1
        else:
            self.all.append(ns / 1e6)

    def sort(self) -> None:
        self.all.sort()

    @property
    def quantile(self) -> float:
        return self.all[min(len(self.all) - 1, int(len(self.all) * 0.999))] if self.all else 0

    @property
    def worst(self) -> float:
        return self.all[-1] if self.all else 0


@dataclass
class Told:
    """The outcome of a cell."""

    attack: Attack
    calm: dict[str, Delays]
    attacked: dict[str, Delays]
    cost: str
    before: float
    most: float
    trouble: str = ""
    stolen: float = 0  # the part of the run's time

    @property
    def faults(self) -> list[str]:
        found = [f"{self.attack.name}: {self.trouble}"] if self.trouble else []
        for kind, name in KINDS.items():
            calm, attacked = self.calm[kind], self.attacked[kind]
            if attacked.lost:
                found.append(f"{self.attack.name}: {attacked.lost} of {name} lost")
            if attacked.quantile > calm.quantile + QUANTILE_MS:
                found.append(f"{self.attack.name}: {name}: 99.9 % within {attacked.quantile:.1f} ms,"
                             f" without attack {calm.quantile:.1f} ms")
            if attacked.worst > calm.worst + WORST_MS:
                found.append(f"{self.attack.name}: {name}: worst {attacked.worst:.1f} ms,"
                             f" without attack {calm.worst:.1f} ms")
        return found


def run(programs: dict[str, Path], attack: Attack) -> Told:
    with router(programs, {**CONFIG, **attack.config}) as one:
        bystander = Client([str(programs["bystander"]), str(one.port)])
        before = one.memory("VmRSS")
        reports, spans, trouble = [], [], ""
        stolen, started = stolen_time(), time.monotonic()
        for _ in range(PHASES):
            begun = time.monotonic()
            time.sleep(SECONDS / 2)
            attacked = time.monotonic()
            reports += attack_once(one, attack)
            spans.append((begun, attacked, time.monotonic()))
        stolen = (stolen_time() - stolen) / (time.monotonic() - started)
        stats, most = one.stats(), one.memory("VmHWM")
        try:
            samples = bystander.told()
        except RuntimeError as error:
            samples, trouble = "", f"the bystander: {error}"
        return Told(attack, *sorted_out(samples, spans), cost_of(reports, stats), before, most, trouble, stolen)


def stolen_time() -> float:
    """The seconds so far for which the host had processors of this machine, all together."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    return int(words[8]) / TICKS


def attack_once(one: Router, attack: Attack) -> list[dict]:
    """Attacks for the time of a phase, and waits until the router has got over it: that is a part of the attack."""
    running = attackers(attack.name, one, attack.processes)
    time.sleep(SECONDS)
    reports = [attacker.stop() for attacker in running]
    calm_at_last = time.monotonic() + 5
    time.sleep(0.5)
    while one.load(0.2) > 0.4 and time.monotonic() < calm_at_last:
        pass
    return reports


def sorted_out(samples: str, spans: list[tuple[float, float, float]]) -> tuple[dict[str, Delays], dict[str, Delays]]:
    """The bystander's delays, without the attack and with it."""
    calm = {kind: Delays() for kind in KINDS}
    attacked = {kind: Delays() for kind in KINDS}
    for line in samples.splitlines():
        kind, begun, delay = line.split()
        moment = int(begun) / 1e9
        for start, middle, end in spans:
            if start <= moment < end:
                (calm if moment < middle else attacked)[kind].add(int(delay))
    for delays in (*calm.values(), *attacked.values()):
        delays.sort()
    return calm, attacked


def cost_of(reports: list[dict], stats: dict) -> str:
    """What the attack was for the attacker, of all phases."""
    errors: Counter[str] = Counter()
    for report in reports:
        errors.update(report.get("errors", {}))
    sent, lost, cpu = (sum(report.get(key, 0) for report in reports) for key in ("sent", "lost", "cpu"))
    words = [f"{cpu:.1f} s of CPU, {sent:,} sent"]
    words += [f"{count:,} x `{uri}`" for uri, count in errors.most_common(3)]
    if lost:
        words.append(f"{lost:,} connections ended")
    words += [f"`{name}` {stats[name]:,}" for name in TELLING if stats.get(name)]
    return "; ".join(words)


# ===== the tables =====


def rows(told: list[Told]) -> Iterator[str]:
    kinds = [f"{name}, ms" for name in KINDS.values()]
    yield f"| attack | what it costs the attacker | {' | '.join(kinds)} | memory, MiB |"
    yield "|---|---|---|---|---|---|"
    for cell in told:
        delays = [f"{figures(cell.attacked[kind])} ({figures(cell.calm[kind])})" for kind in KINDS]
        mark = " **fails**" if cell.faults else ""
        mark += f" (the host took {cell.stolen:.1%} of the time)" if cell.stolen > STOLEN else ""
        yield (f"| {cell.attack.does}{mark} | {cell.cost} | {' | '.join(delays)} |"
               f" {cell.most:.0f} ({cell.before:.0f}) |")


def figures(delays: Delays) -> str:
    return f"{delays.quantile:.1f} / {delays.worst:.1f}" + (f", {delays.lost} lost" if delays.lost else "")


def origin() -> str:
    """When, on what, and of which state of the repository this is."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
                if line.startswith("model name")), "unknown")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            check=False).stdout.strip()
    load = os.getloadavg()
    return (f"{date.today()}, {os.cpu_count()} x {cpu}, shared with other work (load {load[2]:.1f}), Linux"
            f" {os.uname().release}, commit {commit}.")


def write(lines: list[str]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    table = "\n".join(lines)
    DOCUMENT.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def measured(programs: dict[str, Path], attack: Attack) -> Told:
    """A cell, run once more if it fails."""
    told = counted(programs, attack)
    if told.faults and "--once" not in sys.argv:
        told = counted(programs, attack)
    return told


def counted(programs: dict[str, Path], attack: Attack) -> Told:
    """A run that counts; the last one, if there was none."""
    for left in reversed(range(QUIET_RUNS)):
        told = run(programs, attack)
        show(told)
        if told.stolen <= STOLEN or not left:
            break
        print(f"    does not count: the host took {told.stolen:.1%} of the time", flush=True)
    return told


def show(told: Told) -> None:
    print(list(rows([told]))[2], flush=True)
    for fault in told.faults:
        print(f"    {fault}", flush=True)


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    chosen = [attack for attack in ATTACKS if not words or attack.name in words]
    files = allow_files()
    if not LIBRARY.exists():
        print(f"{LIBRARY} is missing: make lib")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        programs = build(Path(directory))
        told = [measured(programs, attack) for attack in chosen]
        large = masses.all_of(programs, files) if not words or "masses" in words else []
    faults = [fault for cell in told for fault in cell.faults] + [fault for cell in large for fault in cell.faults]
    lines = [origin(), "", *rows(told), "", *masses.rows(large)]
    print(*lines, sep="\n")
    if "--write" in sys.argv[1:]:
        write(lines)
    print(*faults, sep="\n")
    failed = sum(1 for cell in (*told, *large) if cell.faults)
    print(f"{len(told) + len(large) - failed} passed, {failed} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
