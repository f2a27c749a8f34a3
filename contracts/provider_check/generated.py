"""Requests that Schemathesis makes up: reads that fit the spec and that do not, and bodies that must be refused.

Schemathesis draws them and looks at the replies; they are sent like every other probe, within its bounds. A body is
sent only where it breaks what is documented, however sure Schemathesis is that it is wrong.
"""

import datetime
from typing import Any

import httpx

from contracts.provider_check.bodies import WrongBody
from contracts.provider_check.calling import Answer, Exhausted
from contracts.provider_check.refusals import FreeProbes
from mock_server.compiled import Compiled
from mock_server.decoding import NotJson, decode_body
from mock_server.pointers import MISSING

_KIND = "generated"
# The service's own bounds for what is in a URL are not the spec's.
_TARGET_CHARACTERS_MAX = 2_000


class Generated:
    """Draws requests for each operation and sends them."""

    def __init__(self, probes: FreeProbes, *, examples: int, seed: int) -> None:
        import schemathesis

        self.probes, self.examples, self.seed = probes, examples, seed
        self.facts, self.caller, self.judge = probes.facts, probes.caller, probes.judge
        settings = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
        self._schema = schemathesis.openapi.from_dict(self.facts.program.openapi(), config=settings)
        self._schema.config.update(base_url=self.caller.url)

    def run(self) -> None:
        """Draw and send for each operation; raise Exhausted where a bound is reached."""
        from schemathesis import GenerationMode

        for compiled in self.facts.program.operations:
            if compiled.role in ("list", "query"):
                self._draw(compiled, GenerationMode.POSITIVE)
            if compiled.role == "list" and compiled.operation.query_parameters:
                self._draw(compiled, GenerationMode.NEGATIVE)
            if compiled.role == "submit":
                self._draw(compiled, GenerationMode.NEGATIVE)

    def _draw(self, compiled: Compiled, mode: Any) -> None:
        import hypothesis
        from hypothesis import HealthCheck, Phase

        ended: list[Exhausted] = []

        # What fails is noted and not raised: to shrink it would take many more requests.
        @hypothesis.seed(self.seed)
        @hypothesis.settings(
            max_examples=self.examples,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=self._operation(compiled).as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            if not ended:
                try:
                    self._send(compiled, case, positive=mode.is_positive)
                except Exhausted as error:
                    ended.append(error)

        send()
        if ended:
            raise ended[0]

    def _operation(self, compiled: Compiled) -> Any:
        return self._schema[compiled.operation.path][compiled.operation.method]

    def _send(self, compiled: Compiled, case: Any, *, positive: bool) -> None:
        import requests

        operation = compiled.operation
        sending = case.as_transport_kwargs(base_url=self.caller.url)
        names = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
        prepared = requests.Request(**{name: sending[name] for name in names if name in sending}).prepare()
        target = str(prepared.url)[len(self.caller.url) :]
        if not str(prepared.url).startswith(self.caller.url) or len(target) > _TARGET_CHARACTERS_MAX:
            return
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        if body is not None and not isinstance(body, bytes):
            return
        submits = compiled.role == "submit"
        if submits and not (self.probes.may_submit(_KIND) and self._is_refused_surely(compiled, body)):
            return
        path, _, query = target.partition("?")
        answer = self.caller.send(operation.method, path, query=query, raw=body)
        if submits:
            _, _, fact = self.facts.problem("violation")
            wrong = WrongBody(_KIND, "a body that does not fit the schema", case.body, fact)
            self.probes.refuse_submit(compiled, _KIND, wrong, answer, "violation")
        else:
            self.probes.done[_KIND] += 1
            self._judge_read(compiled, case, answer, positive=positive)

    def _is_refused_surely(self, compiled: Compiled, content: bytes | None) -> bool:
        """Tell whether a body is JSON, and breaks what is documented and what the profile at hand keeps."""
        assert compiled.submission is not None
        try:
            body = decode_body(content or b"")
            violations, _ = compiled.submission.validation.check(body, None, ())
        except NotJson:
            return False
        return any(each.confidence.startswith("documented") for each in violations)

    def _judge_read(self, compiled: Compiled, case: Any, answer: Answer, *, positive: bool) -> None:
        if answer.accepted:
            if positive:
                self.judge.success(compiled, _KIND, answer, valid="a request that fits the spec")
        elif compiled.role == "query" and positive:
            # The names are made up: whatever they look like, no task has them.
            self.judge.refusal(compiled, _KIND, answer, "task-unknown")
        elif positive and not self._by_cursor(compiled, case):
            self.judge.success(compiled, _KIND, answer, valid="a request that fits the spec")
        else:
            self.judge.refusal(compiled, _KIND, answer, "violation")
        self._ask_schemathesis(compiled, case, answer, positive=positive)

    def _by_cursor(self, compiled: Compiled, case: Any) -> bool:
        """Tell whether a page is asked for by a cursor, which is made up like all the rest."""
        cursor = compiled.task_type.paging.cursor
        return cursor is not None and cursor in (case.query or {})

    def _ask_schemathesis(self, compiled: Compiled, case: Any, answer: Answer, *, positive: bool) -> None:
        """Have it look at a reply with those of its checks that look at nothing else."""
        from schemathesis.core.failures import Failure, FailureGroup
        from schemathesis.openapi.checks import RejectedPositiveData

        if not answer.status or answer.value is MISSING:
            return
        response = httpx.Response(
            answer.status,
            headers=[each for each in answer.headers if each[0] not in ("content-encoding", "transfer-encoding")],
            content=answer.body,
            request=httpx.Request(compiled.operation.method, self.caller.url),
        )
        response.elapsed = datetime.timedelta(0)
        try:
            case.validate_response(response, checks=_checks())
        except FailureGroup as group:
            failures = [each for each in group.exceptions if isinstance(each, Failure)]
        except Failure as failure:
            failures = [failure]
        else:
            return
        for each in failures:
            known = isinstance(each, RejectedPositiveData) and (
                compiled.role == "query" or self._by_cursor(compiled, case)
            )
            seen_already = _OURS.get(type(each).__name__, "")
            if known or any(one.code == seen_already and one.probe for one in self.judge.findings):
                continue
            fact = self.facts.operation(compiled.operation, f"Schemathesis: {type(each).__name__}")
            title = " ".join(str(each).split())
            self.judge.found("schemathesis", compiled, _KIND, title, answer, fact, what=type(each).__name__)


# What Schemathesis calls a failure, and the code of the finding that says the same with the sources of the spec.
_OURS = {
    "UndefinedStatusCode": "status-undocumented",
    "UndefinedContentType": "content-type",
    "MissingContentType": "content-type",
    "MalformedMediaType": "content-type",
    "JsonSchemaError": "reply-schema",
    "MalformedJson": "not-json",
    "ServerError": "server-error",
    "RejectedPositiveData": "refused-valid",
}


def _checks() -> list[Any]:
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "positive_data_acceptance",
    )
    return [CHECKS.get_one(name) for name in names]
