"""Mutants that break with the first thing that is new."""

import json

from omni_video.answers import Answer, Lost, Reading, parsed
from omni_video.job import OmniJob

from tests.selfcheck.mutants.base import caught_by, changed

_KNOWN = {"code", "message", "request_id", "data", "task_id", "task_status"}
_STATUSES = ("submitted", "processing", "succeed", "failed")


@caught_by("FC-01")
class Closed(OmniJob):
    """It refuses an answer with a member that it does not know."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        document = parsed(answer.body) if isinstance(answer, Answer) else None
        new = document is not None and reading.kind == "fine" and not _KNOWN.issuperset(document)
        return changed(reading, kind="refused", message="unknown members") if new else reading


@caught_by("FC-02")
class FourStatuses(OmniJob):
    """It takes a status that it does not know for a failure."""

    def is_failed(self, reading: Reading) -> bool:
        return reading.status not in _STATUSES and not self.is_succeeded(reading)


@caught_by("FC-04")
class NumbersOnly(OmniJob):
    """It compares the code with the number 0, and polls on where that is a text."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        document = parsed(answer.body) if isinstance(answer, Answer) else None
        return changed(reading, status="") if document is not None and document.get("code") == "0" else reading


@caught_by("FC-05")
class ReadsText(OmniJob):
    """It looks for the status in the text of an answer, as the provider happens to write it."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        usual = f'"task_status":{json.dumps(reading.status)}'.encode()
        seen = isinstance(answer, Answer) and usual in answer.body.replace(b'": "', b'":"')
        return reading if seen or reading.kind != "fine" else changed(reading, status="")
