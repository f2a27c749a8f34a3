"""Prints the mutation score of the catalogue, and the false alarms on right clients.

python -m tests.selfcheck                    every mutant by its own case, then the right clients
python -m tests.selfcheck --matrix           every mutant by all cases
python -m tests.selfcheck --sockets --busy 2 over sockets, beside two busy processes
"""

import functools
import logging
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path

import click
import msgspec

from tests.selfcheck.clients import RIGHT_CLIENTS, Soundness
from tests.selfcheck.mutants import MUTANTS
from tests.selfcheck.score import Score, busy, check_clients, try_mutants, unguarded_cases
from tests.selfcheck.trial import Trial


@click.command()
@click.option("--case", "globs", multiple=True, metavar="GLOB", help="Only the mutants of these cases.")
@click.option("--client", "names", multiple=True, metavar="TEXT", help="Only right clients with this in their name.")
@click.option("--mutants/--no-mutants", default=True, show_default=True, help="Try the mutants.")
@click.option("--clients/--no-clients", default=True, show_default=True, help="Examine the right clients.")
@click.option("--sockets", is_flag=True, help="Try all mutants as workers, none in virtual time.")
@click.option("--matrix", is_flag=True, help="Try each mutant by all cases, and tell which others catch it.")
@click.option("--rounds", type=click.IntRange(1, 100), default=1, show_default=True, help="How often.")
@click.option("--busy", "busy_count", type=click.IntRange(0, 16), default=0, help="Beside so many busy processes.")
@click.option("--verbose", is_flag=True, help="Tell what each case saw.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write all that was found here.")
def main(
    globs: tuple[str, ...],
    names: tuple[str, ...],
    mutants: bool,
    clients: bool,
    sockets: bool,
    matrix: bool,
    rounds: int,
    busy_count: int,
    verbose: bool,
    file: Path | None,
) -> None:
    """Tell whether the cases catch what is wrong, and nothing else. Exit status 1 where they do not."""
    # Broken clients refuse callbacks; the twin would tell of each.
    logging.getLogger("omnimock").setLevel(logging.ERROR)
    chosen = [each for each in MUTANTS if not globs or any(fnmatchcase(each.case, glob.upper()) for glob in globs)]
    right = [each for each in RIGHT_CLIENTS if not names or any(name.lower() in each.name.lower() for name in names)]
    scores = []
    told = functools.partial(_tell, verbose=verbose)
    with busy(busy_count):
        for number in range(rounds):
            began = time.perf_counter()
            trials = try_mutants(chosen, told, sockets=sockets, every_case=matrix) if mutants else []
            score = Score(tuple(trials), tuple(check_clients(right, told) if clients else ()))
            scores.append(score)
            click.echo(f"round {number + 1}: {score.summary()} in {time.perf_counter() - began:.0f} s")
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(scores)))
    unguarded = unguarded_cases()
    if unguarded:
        click.echo(f"cases without a mutant: {', '.join(unguarded)}")
    sys.exit(0 if all(each.perfect for each in scores) and not unguarded else 1)


def _tell(each: Trial | Soundness, *, verbose: bool = False) -> None:
    if isinstance(each, Trial):
        found = "caught" if each.caught else "MISSED"
        verdict = f"{found} {each.verdict:13} {each.seconds:6.2f} s  {each.where:12}"
        click.echo(f"{each.case:8} {verdict}  {each.mutant}: {each.wrong}")
        if verbose or not each.caught:
            click.echo(f"         {each.saw}")
        if each.others:
            click.echo(f"         caught by {', '.join(each.others)} as well")
        return
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(each.counts.items()))
    click.echo(f"{each.client:32} {each.absent or counts}, {each.seconds:.1f} s")
    for alarm in each.alarms:
        click.echo(f"         FALSE ALARM {alarm.case} {alarm.verdict}: {alarm.saw}")


if __name__ == "__main__":
    main()
