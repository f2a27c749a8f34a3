"""One check of a provider, from its plan to what was found."""

import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from contracts.provider_check.calling import Budget, Caller, Exhausted, is_loopback
from contracts.provider_check.facts import Facts
from contracts.provider_check.finding import Verification
from contracts.provider_check.generated import Generated
from contracts.provider_check.judging import Judge
from contracts.provider_check.receiver import Receiver
from contracts.provider_check.refusals import FreeProbes
from contracts.provider_check.tasks import Tasks
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import load_program


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked, by which spec, and within which bounds."""

    url: str
    spec: Path | None = None
    profile: str | None = None
    dialect: str | None = None
    tasks_max: int = 0
    requests_max: int = 1_000
    seconds_max: float = 600.0
    examples: int = 10
    seed: int = 0
    callback_url: str | None = None
    callback_port: int = 0
    ca_file: Path | None = None


def verify_provider(plan: Plan, key: str, *, transport: Any = None) -> Verification:
    """Check a server; raise ValueError, SpecError or OSError where it cannot be checked."""
    program = load_program(Settings(spec=plan.spec, profile=plan.profile, dialect=plan.dialect))
    caller = Caller(
        plan.url,
        key,
        program.spec.auth,
        requests_max=plan.requests_max,
        seconds_max=plan.seconds_max,
        verify=_trust(plan.ca_file),
        transport=transport,
    )
    with contextlib.closing(caller):
        return _verify(plan, program, caller)


def _verify(plan: Plan, program: Program, caller: Caller) -> Verification:
    facts = Facts(program)
    judge = Judge(facts, caller)
    budget = Budget(plan.tasks_max)
    probes = FreeProbes(facts, caller, judge, budget, seed=plan.seed)
    probes.greet()
    interrupted = False
    try:
        probes.run()
        Generated(probes, examples=plan.examples, seed=plan.seed).run()
        with contextlib.ExitStack() as stack:
            receiver = stack.enter_context(_receiver(plan)) if _can_be_called(plan) else None
            Tasks(probes, receiver).run()
    except Exhausted as error:
        probes.not_exercised.append(f"all that would have come after: {error}")
    except KeyboardInterrupt:
        interrupted = True
        probes.not_exercised.append("all that would have come after: interrupted")
    return Verification(
        title=program.spec.title,
        url=caller.redactor.text(caller.url),
        profile=program.profile.name,
        findings=tuple(judge.findings),
        requests=caller.requests,
        tasks_created=budget.created,
        tasks_max=plan.tasks_max,
        done=dict(probes.done),
        not_exercised=tuple(dict.fromkeys(probes.not_exercised)),
        interrupted=interrupted,
    )


def _can_be_called(plan: Plan) -> bool:
    return plan.callback_url is not None or is_loopback(urlsplit(plan.url).hostname or "")


def _receiver(plan: Plan) -> Receiver:
    return Receiver(plan.callback_port, plan.callback_url or "")


def _trust(ca_file: Path | None) -> Any:
    if ca_file is None:
        return True
    from mock_server.tls import trusting

    return trusting(ca_file)
