"""What is drawn from: requests that the client may be asked for, and bodies that a reply of the spec may have.

Schemathesis generates both from the spec, once for each run: each takes it a few hundredths of a second.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from contracts.fuzz.behaviour import Behaviour
from contracts.stage import REQUEST, fills_of, scenario_source
from mock_server.catalogue import Catalogue
from mock_server.compiled import Compiled
from mock_server.decoding import NotJson
from mock_server.document import SpecError
from mock_server.pointers import parse
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.scenario_form import ScenarioError

# Enough for variety, and generated in about two seconds.
_REQUESTS, _BODIES = 20, 30
# A request is written into reports, and asked again and again.
_REQUEST_BYTES_MAX = 4_000
_BODY_BYTES_MAX = 3_000
# What a client needs to be able to do to be asked for these members.
_NEEDED: Mapping[str, str] = {
    "image_list": "images",
    "video_list": "videos",
    "element_list": "elements",
    "multi_shot": "multi-shot",
}


def request_pool(program: Program, capabilities: frozenset[str], seed: int) -> list[dict[str, Any]]:
    """Return requests that a client of these capabilities can be asked for, and that break no rule of the profile.

    The usual one, which says nothing of its own, stands first; then those of the corpus, then generated ones.
    """
    submit = _submit(program)
    assert submit.submission is not None
    validation = submit.submission.validation
    corpus = [
        msgspec.json.decode(path.read_bytes())["body"]
        for path in sorted(resource("fixtures/requests/valid").glob("*.json"))
    ]
    # What a client can be asked for: its own id and address are its own, and what the spec does not name nobody sends.
    known = set(submit.operation.body_schema.get("properties", ())) - {"callback_url", "external_task_id"}
    found: list[dict[str, Any]] = [{}]
    for body in [*corpus, *_generated_requests(submit, seed)]:
        if not isinstance(body, dict):
            continue
        own = {key: value for key, value in body.items() if key in known}
        fits = all(need in capabilities for name, need in _NEEDED.items() if own.get(name))
        if fits and len(msgspec.json.encode(own)) <= _REQUEST_BYTES_MAX and not validation.check(own, None, ())[0]:
            # A member that the usual request has, and this one has not, is taken away.
            found.append({**dict.fromkeys(("model_name", "mode", "aspect_ratio", "duration")), **own})
    return found


def validity(program: Program, catalogue: Catalogue) -> Callable[[Behaviour], bool]:
    """Return what says whether a behaviour can be played: a scenario that there can be, and a request without fault."""
    reason = unplayable(program, catalogue)
    return lambda behaviour: reason(behaviour) is None


def unplayable(program: Program, catalogue: Catalogue) -> Callable[[Behaviour], str | None]:
    """Return what says why a behaviour cannot be played; None where it can."""
    submission = _submit(program).submission
    assert submission is not None
    fills = fills_of("sk-omnimock-any", "http://elsewhere.test", "http://video.test")

    def reason(behaviour: Behaviour) -> str | None:
        try:
            catalogue.define(scenario_source(behaviour.scenario, fills))
        except (ScenarioError, SpecError) as error:
            return f"scenario: {error}"
        request = {name: value for name, value in {**REQUEST, **behaviour.request}.items() if value is not None}
        try:
            violations, _ = submission.validation.check(request, None, ())
        except NotJson as error:
            return f"request: {error}"
        if not violations:
            return None
        first = violations[0]
        return f"request{first.pointer}: came {first.came}, allowed {first.allowed} ({first.rule})"

    return reason


def body_pool(program: Program, seed: int) -> list[Any]:
    """Return bodies that the spec allows for a query, of a task that has not ended: of the future, so to say."""
    query = next(each for each in program.operations if each.role == "query")
    schema = query.operation.response_schema(query.status)
    places = [parse(each) for each in query.replies[program.dialect].places("$task.status")]
    lifecycle = query.task_type.lifecycle.statuses
    going_on = [name for name, each in lifecycle.items() if each.final is None]
    bodies = _drawn(_lifted(schema), _BODIES, seed)
    return [
        told
        for number, body in enumerate(bodies)
        if isinstance(body, dict)
        and (told := _saying(body, places, going_on[number % len(going_on)])) is not None
        and len(msgspec.json.encode(told)) <= _BODY_BYTES_MAX
    ]


def _submit(program: Program) -> Compiled:
    return next(each for each in program.operations if each.role == "submit")


def _generated_requests(submit: Compiled, seed: int) -> list[Any]:
    return _drawn(_lifted(submit.operation.body_schema), _REQUESTS, seed)


def _lifted(schema: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a schema: Schemathesis draws bodies of requests, so it becomes one."""
    import schemathesis

    document = {
        "openapi": "3.1.0",
        "info": {"title": "lifted", "version": "1"},
        "paths": {
            "/lifted": {
                "post": {
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _plain(schema)}}},
                    "responses": {"200": {"description": "Whatever."}},
                }
            }
        },
    }
    strategy = schemathesis.openapi.from_dict(document)["/lifted"]["POST"].as_strategy()
    bodies: st.SearchStrategy[Any] = strategy.map(lambda case: case.body)
    return bodies


def _plain(schema: Any) -> Any:
    """Return a schema without the extensions of ours."""
    if isinstance(schema, Mapping):
        return {key: _plain(value) for key, value in schema.items() if not str(key).startswith("x-")}
    if isinstance(schema, list | tuple):
        return [_plain(each) for each in schema]
    return schema


def _drawn(strategy: st.SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    """Return so many values of a strategy, the same for the same seed."""
    found: list[Any] = []

    @seeded(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        if value not in found:
            found.append(value)

    collecting: Callable[[], None] = collect
    collecting()
    return found


def _saying(body: dict[str, Any], places: list[tuple[str, ...]], status: str) -> dict[str, Any] | None:
    """Return a body that says this status in all its places; None where it has not one of them."""
    told = copy.deepcopy(body)
    for place in places:
        node: Any = told
        for part in place[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict) or place[-1] not in node:
            return None
        node[place[-1]] = status
    return told
