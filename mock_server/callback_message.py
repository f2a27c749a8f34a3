"""What one callback looks like on the wire: the task at one step, in the dialect of its scenario, signed and spoiled.

Every attempt of a delivery sends the same body; only the time in the signature is that of the attempt.
"""

import logging
from collections.abc import Callable, Mapping

import msgspec

from mock_server import __version__
from mock_server.callback_faults import Spoiling
from mock_server.faults.places import with_unknown
from mock_server.lifecycle import Plan, Step
from mock_server.outbox import Delivery
from mock_server.post import Manner
from mock_server.program import Program
from mock_server.reply import Scene
from mock_server.respelling import respelled
from mock_server.scenarios import Scenario
from mock_server.signature import Signing
from mock_server.task import Task

log = logging.getLogger("omnimock")

_USUAL = Spoiling()
_CONTENT_TYPE = "application/json; charset=utf-8"
_USER_AGENT = f"omnimock/{__version__}"


class Message(msgspec.Struct, frozen=True, gc=False):
    """The POST that an attempt makes; `manner` is None where the body is simply sent."""

    body: bytes
    headers: Mapping[str, str]
    manner: Manner | None = None


class Messages:
    """Makes the messages of all worlds."""

    def __init__(
        self,
        program: Program,
        signing: Signing,
        *,
        scenario: Callable[[Task], Scenario],
        wall_seconds: Callable[[], float],
    ) -> None:
        """`scenario` returns that of a task."""
        self._program, self._signing, self._scenario = program, signing, scenario
        self._wall_seconds = wall_seconds
        self._secret_told = False

    def message(self, delivery: Delivery, world_tag: str) -> Message:
        """Return what an attempt sends now."""
        scenario = self._scenario(delivery.task)
        template = self._program.replies[delivery.task.type].callbacks[scenario.dialect or self._program.dialect]
        body = template.render(self._scene(delivery, world_tag))
        spoiling = delivery.spoiling or _USUAL
        if spoiling.unknown_fields:
            body = msgspec.json.encode(with_unknown(msgspec.json.decode(body)))
        if spoiling.rewritten:
            body = respelled(body)
        headers = {"content-type": spoiling.content_type or _CONTENT_TYPE, "user-agent": _USER_AGENT}
        headers |= self._signature(delivery.message, body, spoiling, scenario)
        return Message(body, headers, _manner(spoiling, len(body)))

    def _scene(self, delivery: Delivery, world_tag: str) -> Scene:
        spoiling = delivery.spoiling
        if spoiling is None or not spoiling.status:
            return Scene(delivery.task, delivery.step, world_tag)
        lifecycle = self._program.spec.task_types[delivery.task.type].lifecycle
        task = _as_if(delivery.task, [Step(each, lifecycle.statuses[each].final) for each in lifecycle.success])
        if spoiling.task_id:
            task = msgspec.structs.replace(task, id=spoiling.task_id, external_id=None)
        return Scene(task, len(lifecycle.success) - 1, world_tag, media_url=spoiling.media_url)

    def _signature(self, message: str, body: bytes, spoiling: Spoiling, scenario: Scenario) -> dict[str, str]:
        signed = scenario.callbacks.signed
        usually = not self._signing.derived if signed is None else signed
        # A wrong signature, or an old one, is sent where else none would be; but a forger need not bother.
        asked = spoiling.signature in ("right", "wrong", "two") and "forged" not in spoiling.faults
        if spoiling.signature == "none" or not (usually or asked):
            return {}
        if self._signing.derived and not self._secret_told:
            self._secret_told = True
            log.warning(
                "callbacks are signed with %s, which belongs to the seed; --callback-secret sets another (told once)",
                self._signing.secret,
            )
        seconds = int(self._wall_seconds()) - spoiling.age_ms // 1_000
        if spoiling.signature == "two":
            return self._signing.both_headers(message, seconds, body)
        signer = self._signing.wrong if spoiling.signature == "wrong" else self._signing.right
        return signer.headers(message, seconds, body)


def _as_if(task: Task, steps: list[Step]) -> Task:
    """Return the task as if it had taken these steps, up to the moment at which it really ends."""
    moments = (*(task.created_at_ms for _ in steps[1:]), task.plan.at_ms[-1])
    return msgspec.structs.replace(task, plan=Plan(tuple(steps), moments))


def _manner(spoiling: Spoiling, whole_bytes: int) -> Manner | None:
    if spoiling.body_bytes is None and not spoiling.drip_bytes:
        return None
    cut = spoiling.body_bytes
    if cut is not None:
        cut = whole_bytes // 2 if cut < 0 else min(cut, whole_bytes - 1)
    return Manner(cut, spoiling.drip_bytes, spoiling.drip_ms)
