"""Fuzzes a Python callable, for tests.

    from contracts import fuzz_client

    def test_my_client_survives_any_server():
        fuzz_client(generate, examples=500)      # async def generate(job): …, or def generate(job, clock): …

What is found is raised, with its story and the YAML that replays it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from contracts.drivers.base import Declared
from contracts.drivers.in_process import Client, is_async, name_of
from contracts.examine import takes_clock
from contracts.fuzz.found import FORMAT, Kept, check_playable, read_files, write_finding
from contracts.fuzz.fuzzing import Options, fuzz_virtual
from contracts.fuzz.invariants import violation_of
from contracts.fuzz.outcome import Budget, Found, Outcome
from contracts.fuzz.story import story
from contracts.jobs import USUAL_CAPABILITIES
from contracts.virtual_stage import VirtualStage

# Without an end of its own a search of a test is a minute at most.
_SECONDS = 60.0


def fuzz_client(
    client: Client,
    *,
    examples: int | None = 500,
    seconds: float = _SECONDS,
    seed: int = 0,
    invariants: Sequence[str] = (),
    capabilities: Iterable[str] = USUAL_CAPABILITIES,
    settings: dict[str, float] | None = None,
    profile: str | None = None,
    spec: Path | None = None,
    corpus: Path | None = None,
) -> Outcome:
    """Search in virtual time for behaviours of the server that break an invariant; raise the violation of the first.

    `settings` are what the client spends and cannot change, in seconds, by their names in a job. What is in the folder
    `corpus` is played first, and findings are written there. Several violations are raised as an ExceptionGroup; return
    what was covered where there is none. Raise ValueError for a callable that cannot be run in virtual time, for an
    invariant that there is not, and for a file of the corpus that is none.
    """
    if not is_async(client) and not takes_clock(client):
        raise ValueError(f"{name_of(client)} is sync and takes no clock: write it as (job, clock)")
    declared = Declared(name_of(client), frozenset(capabilities), dict(settings or {}))
    stage = VirtualStage(client, declared, profile=profile, spec=spec, seed=seed)
    files = read_files(corpus) if corpus is not None else {}
    check_playable(files, stage.twin)
    known = [each.behaviour for each in files.values()]
    options = Options(seconds=seconds, examples=examples, seed=seed, invariants=invariants, corpus=known)
    outcome = fuzz_virtual(stage, options, Budget(seconds, examples))
    violations = []
    for found in outcome.counted:
        kept = kept_of(found, dict(found.session.play.settings))
        if corpus is not None:
            write_finding(corpus, kept)
        violation = violation_of(found.broken.invariant)(f"{found.broken.seen}\n\n{kept.story}\n\n{kept.told()}")
        violation.broken = found.broken
        violations.append(violation)
    if len(violations) == 1:
        raise violations[0]
    if violations:
        raise ExceptionGroup(f"{name_of(client)} breaks {len(violations)} invariants", violations)
    return outcome


def kept_of(found: Found, settings: dict[str, float]) -> Kept:
    """Return a finding as it is kept in a file."""
    behaviour = found.behaviour
    return Kept(
        format=FORMAT,
        invariant=found.broken.invariant,
        scenario=behaviour.scenario,
        request=behaviour.request,
        callbacks=behaviour.callbacks,
        settings=settings,
        story=story(found),
        seen=found.broken.seen,
    )
