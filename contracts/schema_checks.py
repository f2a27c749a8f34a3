"""Schemathesis against a twin of any spec: does the twin keep the file that it was made from?

Every operation is called with bodies that fit and bodies that do not, with every check of Schemathesis, and the links
of the file are followed. The list of keys is closed, the clock is a manual one, and each call meets a fresh twin, so
that what one has left does not change the answer to another.

One thing is beyond what a schema can say, and is no failure here: a request that fits its schema is refused because a
check (`x-checks`) says so, or because the task or the page that it names is not there. Nor is an unknown method that is
refused with another status than 405 where the spec itself says so.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mock_server.app import App
from mock_server.clock import ManualClock
from mock_server.compiled import Compiled
from mock_server.exchange import Exchange, Incoming
from mock_server.program import Program
from mock_server.reader import load_spec
from mock_server.resources import resource
from mock_server.schemas import compile_schema
from mock_server.settings import Settings
from mock_server.spec import Spec
from mock_server.twin import load_program, make_twin
from mock_server.worlds import World

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# The one key that the twin accepts. It opens nothing else.
KEY = "sk-selftest-of-the-twin"
# Far beyond any end, and a step within a usual pace.
_TO_THE_END_MS = 86_400_000
_STEP_MS = 20_000
# The names that generators draw the most often.
_EXTERNAL_IDS = ("0", "00", None)
_TOLD_MAX = 1_000


class SchemaFailure(msgspec.Struct, frozen=True):
    """One check that failed: for which operation, in which phase, why, and the request that shows it."""

    check: str
    kind: str
    operation: str
    phase: str
    message: str
    request: str


class SchemaReport(msgspec.Struct, frozen=True):
    """What a run saw: how often each operation answered with which status, and what failed.

    `linked` counts the answers while links were followed, `drawn` all others. `errors` are what could not be run.
    """

    title: str
    drawn: Mapping[tuple[str, int], int]
    linked: Mapping[tuple[str, int], int]
    failures: tuple[SchemaFailure, ...]
    errors: tuple[str, ...]

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return sum(self.drawn.values()) + sum(self.linked.values())


class Subject:
    """A twin with a closed list of keys, and Schemathesis's view of it."""

    def __init__(
        self,
        spec: Path | None = None,
        *,
        dialect: str | None = None,
        examples: int = 100,
        seed: int = 0,
        fresh: bool = True,
        phases: Sequence[str] = ("examples", "coverage", "fuzzing"),
    ) -> None:
        """Raise SpecError or ValueError where the twin cannot be made. `fresh`: each call meets a twin of its own."""
        import schemathesis

        self.settings = Settings(
            clock="manual", api_keys=(KEY,), dialect=dialect, spec=spec, profile=_strictest(spec), seed=seed
        )
        self.program: Program = load_program(self.settings)
        self.app = App(make_twin(self.settings, self.program))
        self.answers = Counter[tuple[str, int]]()
        self.fresh, self._asked = fresh, 0
        self._operations = {(each.operation.method, each.operation.path): each for each in self.program.operations}
        self._told: dict[str, Mapping[str, Any]] = {}
        self._smallest = {name: _smallest(each) for name, each in self.program.submits.items()}
        settings = _settings(self.program.spec, examples=examples, seed=seed, phases=phases)
        self.schema = schemathesis.openapi.from_dict(self.program.openapi(), config=settings)
        self.schema.config.update(base_url="http://testserver")
        self.schema.app = self
        self.schema.hooks.register_hook_with_name(self._keep_failure, "filter_failure")
        self.schema.hooks.register_hook_with_name(self._after_call, "after_call")

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request, of a fresh twin if so wished; where things are read there are things to read."""
        if scope["type"] == "lifespan":
            # The twin's own would send callbacks, to addresses that are made up.
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if self.fresh:
            self.start_afresh()
            match = self.program.routes.match(scope.get("raw_path") or scope["path"].encode())
            compiled = match.methods.get(scope["method"]) if match is not None else None
            self._asked += 1
            # Now and then nothing is there, so that this is seen as well.
            if compiled is not None and compiled.role in ("query", "list") and self._asked % 3:
                self.make_tasks(compiled.task_type.name)
        await self.app(scope, receive, send)

    def start_afresh(self) -> None:
        """Forget all tasks."""
        twin = make_twin(self.settings, self.program)
        self.app.twin, self.app.endpoint = twin, twin.endpoint

    def make_tasks(self, name: str) -> None:
        """Let there be tasks of a type: one that has ended, and younger ones."""
        submit = self.program.submits[name]
        pointer = submit.task_type.external_id
        member = pointer.removeprefix("$request.body#/") if pointer else ""
        for external_id in _EXTERNAL_IDS:
            more = {member: external_id} if member and external_id is not None else {}
            self._submit(submit, {**self._smallest[name], **more})
            if external_id == _EXTERNAL_IDS[0]:
                self._move_on(_TO_THE_END_MS)

    @property
    def world(self) -> World:
        """The world of the one key."""
        return self.app.twin.worlds.open(KEY)

    def was_right_to_refuse(self, case: Any, status: int) -> bool:
        """Tell whether what fits the schema was refused for a reason that no schema can say."""
        told, refusals = self._told.get(case.id, {}), self.program.spec.refusals
        compiled = self._operations.get((case.operation.method.upper(), case.operation.path))
        if compiled is None or not told or not 400 <= status < 500:
            return False
        rules = {each["rule"] for each in told.get("violations", ())}
        violated = told.get("problem") == refusals["violation"] and bool(rules)
        match compiled.role:
            case "query" | "cancel":
                return told.get("problem") in (refusals["task-unknown"], compiled.task_type.cancel_finished)
            case "list":
                return violated and rules <= {"cursor"}
            case "submit":
                return violated and rules <= self.check_ids(compiled) and self.fits(compiled, case.body)

    def check_ids(self, compiled: Compiled) -> frozenset[str]:
        """Return the names of the rules that are checks, which no schema has."""
        checks = compiled.operation.body_schema.get("x-checks", ())
        return frozenset(each["x-rule"]["id"] for each in checks)

    def fits(self, compiled: Compiled, body: Any) -> bool:
        """Tell whether a body fits the schema as any tool reads it."""
        spec, operation = self.program.spec, compiled.operation
        validator = compile_schema(spec.document, operation.body_schema, operation.body_schema_pointer)
        return validator.is_valid(body)

    def _submit(self, compiled: Compiled, body: Any) -> None:
        auth = self.program.spec.auth
        key = f"{auth.word} {KEY}" if auth.word else KEY
        headers = [(auth.header.encode(), key.encode()), (b"content-type", b"application/json")]
        operation = compiled.operation
        incoming = Incoming(operation.method, operation.path.encode(), b"", headers, msgspec.json.encode(body))
        self.app.twin.endpoint.answer(incoming)

    def _move_on(self, by_ms: int) -> None:
        clock = self.world.clock
        assert isinstance(clock, ManualClock)
        clock.move_to(clock.now_ms() + by_ms)

    def _after_call(self, context: Any, case: Any, response: Any) -> None:
        self.answers[case.operation.label, response.status_code] += 1
        if len(self._told) > _TOLD_MAX:
            self._told.clear()
        self._told[case.id] = self._explanation(response)
        if not self.fresh:
            # So that the later answers of a task are seen as well.
            self._move_on(_STEP_MS)

    def _explanation(self, response: Any) -> Mapping[str, Any]:
        """What the journal has of a call: the header that names its entry may have been cut."""
        header = response.headers.get("x-mock-explanation")
        if not header:
            return {}
        number = msgspec.json.decode(header[0]).get("journal")
        entries = [each for each in self.world.journal.entries if each.number == number]
        return entries[0].explanation or {} if entries and isinstance(entries[0], Exchange) else {}

    def _keep_failure(self, context: Any, failure: Any, case: Any, response: Any) -> bool:
        from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

        if isinstance(failure, UnsupportedMethodResponse):
            problem, _ = self.program.problem_for("method-unknown", self.program.dialect)
            return bool(response.status_code != problem.status)
        rejected = isinstance(failure, RejectedPositiveData)
        return not (rejected and self.was_right_to_refuse(case, response.status_code))


def run_schema_checks(
    spec: Path | None = None, *, dialect: str | None = None, examples: int = 100, seed: int = 0
) -> SchemaReport:
    """Run every check on every operation of a spec, then follow its links."""
    from schemathesis.checks import load_all_checks

    load_all_checks()
    drawn = Subject(spec, dialect=dialect, examples=examples, seed=seed)
    failures, errors = _draw(drawn)
    linked = Subject(spec, dialect=dialect, seed=seed, fresh=False, phases=("stateful",))
    failures += _follow_links(linked, stories=max(5, min(examples // 3, 100)), seed=seed)
    unique = {(each.kind, each.operation, each.message): each for each in reversed(failures)}
    return SchemaReport(
        drawn.program.spec.title, drawn.answers, linked.answers, tuple(reversed(unique.values())), tuple(errors)
    )


def _draw(subject: Subject) -> tuple[list[SchemaFailure], list[str]]:
    from schemathesis.engine import events, from_schema

    failures: list[SchemaFailure] = []
    errors: list[str] = []
    for event in from_schema(subject.schema).execute():
        if isinstance(event, events.ScenarioFinished):
            failures += _failures_of(event)
        elif isinstance(event, events.NonFatalError):
            errors.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            errors.append(str(event.exception))
    return failures, errors


def _failures_of(event: Any) -> list[SchemaFailure]:
    found = []
    for checks in event.recorder.checks.values():
        for each in checks:
            if each.failure_info is not None:
                failure = each.failure_info.failure
                request = each.failure_info.code_sample
                phase, label = event.phase.value, failure.operation or event.recorder.label
                kind = type(failure).__name__
                found.append(SchemaFailure(each.name, kind, label, phase, str(failure), request))
    return found


def _follow_links(subject: Subject, *, stories: int, seed: int) -> list[SchemaFailure]:
    import hypothesis
    from hypothesis import HealthCheck
    from schemathesis.core.failures import Failure, FailureGroup
    from schemathesis.errors import NoLinksFound

    machine: Any = subject.schema.as_state_machine()
    story: Any = hypothesis.seed(seed)(type("Story", (machine,), {"setup": lambda self: subject.start_afresh()}))
    bounds = hypothesis.settings(
        max_examples=stories,
        stateful_step_count=6,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        story.run(settings=bounds)
    except NoLinksFound:
        return []
    except (Failure, FailureGroup) as error:
        each = error.exceptions if isinstance(error, FailureGroup) else [error]
        return [
            SchemaFailure("links", type(one).__name__, one.operation or "", "links", str(one), "")
            for one in each
            if isinstance(one, Failure)
        ]
    return []


def _settings(spec: Spec, *, examples: int, seed: int, phases: Sequence[str]) -> Any:
    import schemathesis

    return schemathesis.Config.from_dict(
        {
            **_key(spec),
            "seed": seed,
            "generation": {"database": "none", "deterministic": True},
            "phases": {
                "examples": {"enabled": "examples" in phases},
                "coverage": {"enabled": "coverage" in phases},
                "fuzzing": {"enabled": "fuzzing" in phases, "generation": {"max-examples": examples}},
                # Links are followed apart, from the spec's own alone: with those that Schemathesis infers, each story
                # would start with an empty list of tasks.
                "stateful": {"enabled": "stateful" in phases, "inference": {"algorithms": []}},
            },
        }
    )


def _key(spec: Spec) -> dict[str, Any]:
    """How Schemathesis is told of the key; where the spec has no scheme for it, it is a header like another."""
    auth = spec.auth
    for name, scheme in spec.document.root.get("components", {}).get("securitySchemes", {}).items():
        if scheme.get("type") == "http" and auth.word.lower() == "bearer":
            return {"auth": {"openapi": {name: {"bearer": KEY}}}}
        if scheme.get("type") == "apiKey" and scheme.get("name", "").lower() == auth.header:
            return {"auth": {"openapi": {name: {"api_key": f"{auth.word} {KEY}".strip()}}}}
    return {"headers": {auth.header_name: f"{auth.word} {KEY}".strip()}}


@functools.cache
def _strictest(path: Path | None) -> str:
    """The profile that keeps the most: what it leaves out, no twin could be blamed for letting through."""
    profiles = load_spec(path or resource("openapi.yaml")).profiles
    return max(profiles.values(), key=lambda each: len(each.keeps)).name


def _smallest(compiled: Compiled) -> dict[str, Any]:
    """The smallest body that a submit takes, made from the examples of the spec; empty where none is taken."""
    assert compiled.submission is not None
    check = compiled.submission.validation.check
    for example in compiled.operation.examples.values():
        if isinstance(example, dict):
            required = {
                name: example[name] for name in compiled.operation.body_schema.get("required", ()) if name in example
            }
            if required and not check(required, None, ())[0]:
                return required
    whole = [each for each in compiled.operation.examples.values() if isinstance(each, dict)]
    return whole[0] if whole else {}
