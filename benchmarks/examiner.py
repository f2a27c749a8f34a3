"""How long the examiner takes, how often it is right, and how often it accuses a client that is.

    python -m benchmarks.examiner --runs 5 --busy 2

Each run is the whole catalogue on the reference client, over worker or exec, or in virtual time; the last runs may have
busy processes beside them. Times are those of this machine, at this moment: compare them with nothing but each other.
"""

import contextlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

_EXAMPLES = Path(__file__).parent.parent / "examples/python"
# A run ends in under a minute over worker; what takes longer than this has hung.
_SECONDS_MAX = 600
_CAPABILITIES = ("polling", "images", "videos", "elements", "multi-shot", "local-validation")


class Run(msgspec.Struct, frozen=True):
    """One run: how long it took, its verdicts, and the cases that accuse the client."""

    driver: str
    busy: int
    seconds: float
    status: int
    verdicts: dict[str, int]
    accusing: list[str]


@click.command()
@click.option("--runs", default=5, show_default=True, type=click.IntRange(1, 100), help="Runs of each driver.")
@click.option("--busy", default=0, type=click.IntRange(0, 16), help="Busy processes beside the last two runs.")
@click.option(
    "--driver", "drivers", multiple=True, type=click.Choice(["worker", "exec", "virtual"]), help="These alone."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(runs: int, busy: int, drivers: Sequence[str], as_json: bool) -> None:
    """Run the catalogue again and again on the reference client."""
    found: list[Run] = []
    for driver in drivers or ("worker", "exec", "virtual"):
        for number in range(runs):
            beside = busy if number >= runs - 2 else 0
            with _busy(beside):
                one = _virtual(beside) if driver == "virtual" else _over_sockets(driver, beside)
            found.append(one)
            if not as_json:
                click.echo(_line(one))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        alarms = sum(len(each.accusing) for each in found)
        click.echo(f"{len(found)} runs, {alarms} false alarms")
    sys.exit(1 if any(each.status or each.accusing for each in found) else 0)


def _over_sockets(driver: str, busy: int) -> Run:
    worker = driver == "worker"
    program = "worker.py" if worker else "exec_once.py"
    options = ["--worker"] if worker else [f"--capability={each}" for each in _CAPABILITIES]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "contracts", "check", *options, "--report", folder]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--", sys.executable, str(_EXAMPLES / program)],
            capture_output=True,
            timeout=_SECONDS_MAX,
            check=False,
        )
        seconds = time.monotonic() - began
        if done.returncode == 2:
            raise click.ClickException(done.stderr.decode("utf-8", "replace").strip())
        cases = json.loads((Path(folder) / "report.json").read_bytes())["cases"]
    return _run(driver, busy, seconds, done.returncode, [(each["id"], each["verdict"]) for each in cases])


def _virtual(busy: int) -> Run:
    sys.path.insert(0, str(_EXAMPLES))
    try:
        from in_process import generate

        from contracts.examine import examine

        began = time.monotonic()
        report = examine(generate, capabilities=_CAPABILITIES)
    finally:
        sys.path.remove(str(_EXAMPLES))
    cases = [(each.id, each.verdict) for each in report.cases]
    return _run("virtual", busy, time.monotonic() - began, report.status, cases)


def _run(driver: str, busy: int, seconds: float, status: int, cases: Sequence[tuple[str, Any]]) -> Run:
    accusing = [name for name, verdict in cases if verdict in ("failed", "warned", "intermittent", "not exercised")]
    return Run(driver, busy, seconds, status, dict(Counter(verdict for _, verdict in cases)), accusing)


def _line(run: Run) -> str:
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(run.verdicts.items()))
    beside = f", {run.busy} busy processes beside it" if run.busy else ""
    return f"{run.driver}: {run.seconds:.1f} s{beside}; {counted}; accused by {', '.join(run.accusing) or 'none'}"


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    processes = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for each in processes:
        each.start()
    try:
        yield
    finally:
        for each in processes:
            each.terminate()
            each.join()


def _spin() -> None:
    """Work for nothing, for as long as a run may take."""
    end = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < end:
        sum(range(10_000))


if __name__ == "__main__":
    main()
