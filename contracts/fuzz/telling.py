"""What is told of a search on the terminal: each finding, and in one line what it all came to."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from contracts.fuzz.client import kept_of
from contracts.fuzz.found import write_kept
from contracts.fuzz.invariants import INVARIANTS
from contracts.fuzz.outcome import Budget, Found, Outcome

# By then a client that polls has seen an end.
_ENDS_SOON = 20


def told(found: Found, folder: Path, command: Sequence[str], replay: Sequence[str]) -> str:
    """Write a finding into the corpus, and return what is told of it. `replay` are the options of `omnimock replay`.

    Where it cannot be written it is told all the same.
    """
    kept = kept_of(found, dict(found.session.play.settings))
    try:
        path, test = write_kept(folder, kept, command, replay)
    except OSError as error:
        places = f"NOT written into {folder}: {error.strerror or error}\n"
    else:
        again = shlex.join(["omnimock", "replay", str(path), *replay, "--", *command])
        places = f"written: {path}\n         {test}\nreplay:  {again}\n"
    name = click.style(found.broken.invariant, fg="red", bold=True)
    if found.intermittent:
        counts = "not counted: this machine may be busy" if INVARIANTS[found.broken.invariant].timed else "counted"
        name = f"{click.style('INTERMITTENT', fg='yellow', bold=True)} {name} ({counts})"
    return f"{name}: {found.broken.seen}\n\n{kept.story}\n\n{kept.shown()}\n{places}"


def summary(outcome: Outcome, budget: Budget, *, interrupted: bool) -> str:
    """Return the last line: how much was searched, and what it came to."""
    seconds = outcome.seconds or max(budget.now() - budget.began, 0.001)
    outcomes = ", ".join(f"{name} {count}" for name, count in outcome.outcomes.most_common())
    broken = [f"{len(outcome.found)} invariant{'s' * (len(outcome.found) != 1)} broken" if outcome.found else ""]
    broken += [f"{len(outcome.intermittent)} intermittent" if outcome.intermittent else ""]
    each = ", ".join(f"{name} {count}" for name, count in outcome.doubtful.most_common())
    doubts = f", {outcome.doubtful.total()} not seen again ({each})" if each else ""
    held = f", {outcome.held} known before and broken no more" if outcome.held else ""
    return (
        f"{'interrupted; ' * interrupted}{', '.join(filter(None, broken)) or 'no invariant broken'}: "
        f"{outcome.sessions} sessions in {seconds:.1f} s ({outcome.sessions / seconds:.0f}/s){doubts}{held}, at most "
        f"{outcome.most_requests} requests for a job, {len(outcome.cells)} coverage cells; "
        f"outcomes: {outcomes or 'none'}"
    )


def unseen(outcome: Outcome) -> str:
    """Return why it says nothing that nothing was found; empty where it does say something."""
    if outcome.all_found:
        return ""
    if not outcome.sessions:
        return "no session was played, so nothing was judged"
    if not outcome.requests:
        return (
            "no request came in any session, so nothing was judged: does the client call the address that it is given "
            "(base_url of the job, or the variables OMNIMOCK_BASE_URL and DEERAPI_BASE_URL)?"
        )
    if not outcome.ends_told and outcome.sessions >= _ENDS_SOON:
        return (
            "in no session the client was told the end of a task, so little was judged: what does it spend? Have it "
            "declare its settings, or give them with --client-setting poll_interval_seconds=…"
        )
    return ""
