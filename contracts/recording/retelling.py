"""Makes a scenario of a recorded task: the same refusals, statuses and callbacks, at the same times.

What the format has no words for is said in `about`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from contracts.recording.pacing import Moment, Sight, duration, moments_of
from contracts.recording.recorded import Exchange, Recording
from contracts.recording.recounting import callback_story
from contracts.recording.stepping import ROLES, Untold, latencies, script
from mock_server.document_text import members_text
from mock_server.scenario_form import ScenarioError
from mock_server.scenario_reader import compile_scenario
from mock_server.spec import Spec, TaskType

_COLUMNS = 118


def retold(recording: Recording, spec: Spec, name: str) -> dict[str, Any] | None:
    """Return the scenario of a recorded task, None where nothing of it was seen that could be one."""
    task = recording.task
    if task is None or task.type not in spec.task_types or not any(each.accepted for each in recording.exchanges):
        return None
    task_type, untold = spec.task_types[task.type], Untold()
    exchanges = sorted(recording.exchanges, key=lambda each: each.at_ms)
    created = next((each for each in exchanges if each.role == "submit" and each.accepted), None)
    begun = created or next((each for each in reversed(exchanges) if each.role == "submit"), None)
    created_ms = (begun or exchanges[0]).at_ms
    if begun is None:
        untold.add("the submit, which was not seen: times count from the first exchange")
    moments = moments_of(_sights(exchanges), task_type.lifecycle, created_ms)
    about = _about(recording, moments, created_ms)
    if task_type.lifecycle.statuses[moments[-1].status].final == "cancelled":
        # The client ends it itself, and will again.
        moments = moments[:-1]
    source: dict[str, Any] = {
        "name": name,
        "about": "",
        "seen": f"Recorded at {recording.upstream}, {recording.started}.",
    }
    for role in ROLES:
        steps = script(role, exchanges, created, moments, task_type, untold)
        if steps:
            source[role] = steps
    if latency := latencies(exchanges):
        source["latency"] = latency
    source["lifecycle"] = _lifecycle(moments, exchanges, task_type, untold)
    if recording.callbacks_recorded and (story := callback_story(exchanges, moments, created, untold)):
        source["callbacks"] = story
    elif not recording.callbacks_recorded and _wanted_callbacks(created, spec, task.type):
        untold.add("callbacks, which were not recorded (--public-url)")
    if recording.dialect != spec.default_dialect:
        source["dialect"] = recording.dialect
    if recording.left_out:
        untold.add(f"{recording.left_out} exchanges for which there was no room")
    wrong = sum(each.who == "service" and not each.warning for one in exchanges for each in one.violations)
    if wrong:
        untold.add(f"where replies do not fit the spec ({wrong} times, in the recording): here they fit")
    source["about"] = f"{about} What could not be expressed: {'; '.join(untold)}." if untold else about
    try:
        compile_scenario(source, spec, name)
    except ScenarioError as error:
        # A scenario that cannot be served would spoil the whole folder for `serve`.
        return _without_the_rest(source, spec, name, error)
    return source


def scenario_bytes(source: dict[str, Any]) -> bytes:
    """Return the content of a scenario's file."""
    return members_text(source, columns=_COLUMNS).encode()


def _without_the_rest(source: dict[str, Any], spec: Spec, name: str, error: ScenarioError) -> dict[str, Any] | None:
    fewer = {key: source[key] for key in ("name", "about", "seen", "lifecycle")}
    fewer["about"] += f" All but the lifecycle is left out, because the format refused it: {error}."
    try:
        compile_scenario(fewer, spec, name)
    except ScenarioError:
        return None
    return fewer


def _sights(exchanges: Sequence[Exchange]) -> list[Sight]:
    """When each status was told, and by what."""
    return [
        Sight(each.at_ms, each.told.status, each.kind == "callback", _own_ms(each))
        for each in exchanges
        if each.told is not None and each.told.status is not None and (each.accepted or each.kind == "callback")
    ]


def _own_ms(exchange: Exchange) -> int | None:
    """How long after its creation the task has changed last, as the service says."""
    told = exchange.told
    if told is None or told.created_ms is None or told.updated_ms is None:
        return None
    return told.updated_ms - told.created_ms


# The lifecycle


def _lifecycle(
    moments: Sequence[Moment], exchanges: Sequence[Exchange], task_type: TaskType, untold: Untold
) -> dict[str, Any]:
    lifecycle = task_type.lifecycle
    names = [each.status for each in moments]
    last = lifecycle.statuses[names[-1]]
    pace = {here.status: duration(there.at_ms - here.at_ms) for here, there in pairwise(moments)}
    told: dict[str, Any] = {"pace": pace} if pace else {}
    usual = list(lifecycle.success)
    if last.final is None:
        stays = names[-1]
        if names != usual[: len(names)]:
            untold.add(f"that the task went {' → '.join(names)}: a task that does not end goes the usual way")
        return {**told, "outcome": {"stays": stays} if stays in usual[:-1] else "never"}
    if last.final == "success":
        return {**told, "outcome": "success"} if names == usual else {"way": names, **told, "outcome": "success"}
    return {**told, **_failure(names, exchanges, task_type)}


def _failure(names: list[str], exchanges: Sequence[Exchange], task_type: TaskType) -> dict[str, Any]:
    said = [
        each.told.message
        for each in exchanges
        if each.told is not None and each.told.status == names[-1] and each.accepted
    ]
    message = next((each for each in said if each), "")
    known = next((name for name, each in task_type.failures.items() if each.message == message), None)
    if names == [each.status for each in task_type.lifecycle.failing("", task_type.pace_ms).steps]:
        return {"outcome": known or {"message": message}}
    return {"way": names, "outcome": {"message": message}}


# The words


def _wanted_callbacks(created: Exchange | None, spec: Spec, type_: str) -> bool:
    delivery = next((each.delivery for each in spec.operations if each.task_type == type_ and each.delivery), None)
    if created is None or delivery is None or not isinstance(created.request.body.value, dict):
        return False
    return bool(created.request.body.value.get(delivery.url.rpartition("/")[2]))


def _about(recording: Recording, moments: Sequence[Moment], created_ms: int) -> str:
    task = recording.task
    assert task is not None
    told = ", ".join(f"{each.status} after {duration(each.at_ms - created_ms)} ({each.known})" for each in moments[1:])
    return f"What happened to the task {task.id}: {told or 'it stayed as it was created'}."
