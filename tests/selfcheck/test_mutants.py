"""The score of the catalogue: every broken client is caught by its own case, and no right one is accused."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.case import case_of, catalogue
from tests.selfcheck.clients import RIGHT_CLIENTS
from tests.selfcheck.mutants import MUTANTS
from tests.selfcheck.score import Score, check_clients, try_mutants, unguarded_cases
from tests.selfcheck.trial import needs_sockets

# One score, tried once: they stay in one process.
pytestmark = pytest.mark.xdist_group("selfcheck")

# The others (exec, shell) are as right: `python -m tests.selfcheck` examines them too, one after the other.
_HERE = ("Python, async, worker", "Python, sync, worker", "Python, callbacks relayed", "Node, worker")


def test_every_case_that_judges_has_a_mutant_and_every_mutant_a_case() -> None:
    assert unguarded_cases() == []
    assert {each.case for each in MUTANTS} <= {each.id for each in catalogue()}
    assert len({each.name for each in MUTANTS}) == len(MUTANTS)
    assert all(each.wrong.endswith(".") for each in MUTANTS)


def test_every_mutant_is_caught_and_no_right_client_is_accused() -> None:
    # What runs in virtual time keeps what the process prints for itself, so it comes before the threads.
    virtual = [each for each in RIGHT_CLIENTS if "virtual" in each.name]
    live = [each for each in RIGHT_CLIENTS if each.name in _HERE]
    found = check_clients(virtual)
    trials = try_mutants([each for each in MUTANTS if not needs_sockets(case_of(each.case))])
    with ThreadPoolExecutor(len(live)) as threads:
        waiting = [threads.submit(each.check) for each in live]
        trials += try_mutants([each for each in MUTANTS if needs_sockets(case_of(each.case))])
        found += [each.result() for each in waiting]
    score = Score(tuple(trials), tuple(found))
    missed = [f"{each.case} has not caught {each.mutant} ({each.wrong}) It saw: {each.saw}" for each in score.missed]
    alarms = [f"{each.client}: {one.case} {one.verdict}: {one.saw}" for each in score.accused for one in each.alarms]
    assert not missed, "\n".join((score.summary(), *missed))
    assert not alarms, "\n".join((score.summary(), *alarms))
