"""The spec, compiled under a profile: everything the endpoint needs and that never changes.

Compiling also tries the spec out: each of its examples is submitted, each reply is rendered for each step of each way,
and a reply that does not fit its own schema is an error with file and line. So a twin that starts keeps its contract.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mock_server.compiled import compile_operation
from mock_server.dialects import choose_dialect, document_in
from mock_server.media import Library
from mock_server.problems import Problem
from mock_server.reply import Replies, compile_problem
from mock_server.routes import Routes
from mock_server.rules import Profile
from mock_server.spec import Spec
from mock_server.templates import Template
from mock_server.tryout import try_out
from mock_server.validation import WireMessages


class Program:
    """A compiled spec."""

    def __init__(
        self,
        spec: Spec,
        profile: Profile,
        library: Library,
        *,
        mounts: tuple[str, ...] = (),
        dialect: str | None = None,
    ) -> None:
        """Compile and try out; raise SpecError where the spec does not hold together. `mounts` adds prefixes.

        All dialects are compiled; `dialect` is the one that is spoken, the spec's default where none is named. Raise
        ValueError where there is none of that name.
        """
        self.spec, self.profile, self.library = spec, profile, library
        self.dialect = choose_dialect(spec, dialect)
        self.wire_messages = WireMessages(spec)
        self.deliveries = {each.task_type: each.delivery for each in spec.operations if each.delivery}
        self.replies = {name: Replies(spec, each, self.deliveries.get(name)) for name, each in spec.task_types.items()}
        self.problems: Mapping[str, Mapping[str, tuple[Problem, Template]]] = _compile_problems(spec)
        self.operations = [
            compile_operation(spec, each, self.replies[each.task_type], profile, library) for each in spec.operations
        ]
        # By task type: the operation that its tasks come from.
        self.submits = {each.task_type.name: each for each in self.operations if each.role == "submit"}
        try:
            self.routes = Routes(
                [(each.operation.path, each.operation.method, each) for each in self.operations],
                (*spec.mounts, *mounts),
            )
        except ValueError as error:
            raise spec.document.error(("x-mounts",), str(error)) from None
        try_out(spec, profile, library, self.operations, self.replies, self.problems)

    def problem_for(self, event: str, dialect: str) -> tuple[Problem, Template]:
        """Return the problem that answers an event of `x-refusals`; `problem:NAME` is that problem."""
        kind, _, name = event.partition(":")
        return self.problems[dialect][name if kind == "problem" else self.spec.refusals[event]]

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the response schemas of the dialect that is spoken."""
        return document_in(self.spec, self.dialect)


def _compile_problems(spec: Spec) -> dict[str, dict[str, tuple[Problem, Template]]]:
    """Each problem as each dialect says it, by dialect and name."""
    usual = {
        name: (problem, compile_problem(spec, problem.body, ("x-problems", name, "body")))
        for name, problem in spec.problems.items()
    }
    compiled = {}
    for dialect in spec.dialects.values():
        compiled[dialect.name] = dict(usual)
        for name, (problem, template) in usual.items():
            refusal = dialect.problems.get(name, dialect.otherwise)
            if refusal is not None:
                said = compile_problem(spec, refusal.body, refusal.pointer, template)
                status = problem.status if refusal.status is None else refusal.status
                compiled[dialect.name][name] = (msgspec.structs.replace(problem, status=status), said)
    return compiled
