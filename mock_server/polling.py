"""Replies to polls, of which the pieces are kept.

A client asks for the same task again and again, and as long as the task is on the same step, the answers differ in
nothing but the id of the request.
"""

import os

import msgspec

from mock_server.lifecycle import NEVER_MS, step_index
from mock_server.reply import Scene
from mock_server.task import Task
from mock_server.templates import Template
from mock_server.worlds import World

# More tasks than are polled at once; then it starts anew.
_KEPT_MAX = 1_000
# What is larger is rendered each time, so that all that is kept stays within some megabytes.
_KEPT_BYTES_MAX = 8_192
# Stands for the id of a request where a reply is cut. Nobody can know it, so nothing that a client sent has it.
_MARK = os.urandom(16).hex()


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """The reply about a task from one moment to another, cut at the ids of the request."""

    task: Task
    template: Template
    from_ms: int
    until_ms: int
    pieces: list[bytes]


class Polls:
    """Renders what queries are answered with."""

    def __init__(self) -> None:
        # By the identity of the task: one that is replaced is another, and asked for anew.
        self._kept: dict[int, _Kept] = {}

    def render(self, template: Template, task: Task, now_ms: int, world: World) -> bytes:
        """Return the reply about a task as it is at `now_ms`."""
        request_id = world.request_id()
        kept = self._kept.get(id(task))
        if (
            kept is not None
            and kept.task is task
            and kept.template is template
            and kept.from_ms <= now_ms < kept.until_ms
        ):
            return request_id.encode().join(kept.pieces)
        step = step_index(task.plan, now_ms)
        body = template.render(Scene(task, step, world.tag, _MARK))
        pieces = body.split(_MARK.encode())
        if len(body) + len(task.body) <= _KEPT_BYTES_MAX:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            moments = task.plan.at_ms
            until_ms = moments[step + 1] if step + 1 < len(moments) else NEVER_MS
            # Before its first moment, which only a reading of the past can see, a task is on its first step too.
            self._kept[id(task)] = _Kept(task, template, moments[step], until_ms, pieces)
        return request_id.encode().join(pieces)
