"""One task: what was asked, its ids, its plan."""

from typing import Any

import msgspec

from mock_server.lifecycle import Plan
from mock_server.media import MediaFile
from mock_server.scenarios import Scenario


class Task(msgspec.Struct, frozen=True, gc=False):
    """A task as it was submitted; where it stands now follows from its plan and the time.

    `inputs` are the parts of the body that its replies repeat, kept so that no reply has to read the body again.
    `scenario` is the one that was chosen for it, None where nobody chose.
    """

    id: str
    external_id: str | None
    type: str
    created_at_ms: int
    plan: Plan
    body: bytes
    inputs: tuple[Any, ...]
    media: MediaFile | None
    base_url: str
    scenario: Scenario | None = None
