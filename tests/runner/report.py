"""The last lines of a run: how long each part took, what was skipped, what is flaky, and whether all is well."""

from places import FLAKY, SKIPS
from run import Report

MOST_FLAKY = 2  # with more, something is wrong that is not chance


def show(report: Report) -> int:
    """Prints it, and gives the status to end with."""
    add_skips(report)
    failures = write_flaky(report)
    outcomes = report.outcomes
    print(f"\n{'part':<24}{'seconds':>8}{'passed':>8}{'failed':>8}{'flaky':>8}")
    for outcome in outcomes:
        counts = (outcome.told.passed, len(outcome.failed) + bool(outcome.told.trouble), len(outcome.flaky))
        print(f"{outcome.part.name:<24}{outcome.seconds:>8.0f}{counts[0]:>8}{counts[1]:>8}{counts[2]:>8}")
    print(f"{'all, side by side':<24}{report.seconds:>8.0f}")
    for outcome in outcomes:
        for failure, why in outcome.failed:
            failures.append(f"{outcome.part.name}: {failure.test}{f' ({why})' if why else ''}")
        if outcome.told.trouble:
            failures.append(f"{outcome.part.name}: {outcome.told.trouble}")
    for part in report.left_out:
        failures.append(f"{part.name}: not run, because {' or '.join(part.needs)} failed")
    skips = SKIPS.read_text(encoding="utf-8").splitlines() if SKIPS.exists() else []
    if skips:
        print("\nNot everything could be tested here:", *skips, sep="\n")
    if FLAKY.exists():
        print(f"\nFlaky, failed once and passed when run again alone (see {FLAKY}):")
        for outcome in outcomes:
            for flaky in outcome.flaky:
                print(f"FLAKY: {outcome.part.name}: {flaky.test}")
    if failures:
        print("\nFailed:", *failures, sep="\n")
    passed = sum(outcome.told.passed + len(outcome.flaky) for outcome in outcomes)
    print(f"\n{passed} passed, {len(failures)} failed, {len(skips)} skipped")
    return 1 if failures else 0


def add_skips(report: Report) -> None:
    """Adds what pytest skipped to the list that the tests in Rust write themselves."""
    lines = [f"SKIPPED: {skip}\n" for outcome in report.outcomes for skip in outcome.told.skipped]
    if lines:
        with SKIPS.open("a", encoding="utf-8") as file:
            file.writelines(lines)


def write_flaky(report: Report) -> list[str]:
    """Keeps what the flaky tests said when they failed; gives what is wrong about their number."""
    flaky = [(outcome.part.name, one) for outcome in report.outcomes for one in outcome.flaky]
    if flaky:
        stories = (f"===== {part}: {one.test} =====\n{one.output.rstrip()}\n" for part, one in flaky)
        FLAKY.write_text("\n".join(stories), encoding="utf-8")
    return [f"{len(flaky)} flaky tests, more than {MOST_FLAKY}"] if len(flaky) > MOST_FLAKY else []
