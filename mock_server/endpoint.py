"""The endpoint that is faked. **Read this first**: one request goes through `answer`, from top to bottom.

    auth → route → validation and rules → scenario → capacity → plan → store → outbox → reply → journal

It is synchronous and does no I/O: an `Incoming` goes in, a `Reply` comes out, and time, chance and settings came in
through the constructor. Shells (HTTP, in process) carry it. On every way out the exchange is in the journal.
"""

import contextlib
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mock_server.auth import Auth
from mock_server.befalling import Befallen, around, befall, restated, spoiled
from mock_server.bodies import Bodies
from mock_server.callback_plan import Case, first_of, plan_deliveries
from mock_server.choosing import Chooser
from mock_server.compiled import Compiled
from mock_server.decoding import NotJson, WrongMediaType, check_media_type
from mock_server.ending import end_task
from mock_server.exchange import First, Incoming, Reply, Wire
from mock_server.explanation import HEADER, to_header
from mock_server.heads import Head, Heads
from mock_server.lifecycle import Step, make_plan, step_index
from mock_server.polling import Polls
from mock_server.problems import Refused
from mock_server.program import Program
from mock_server.refusing import (
    NAME_CHARACTERS_MAX,
    nowhere,
    redacted_traceback,
    refused_by,
    short,
    unknown_task,
    violated,
)
from mock_server.reply import PageScene, ProblemScene, Scene, scene_at
from mock_server.scenario_form import ScenarioError
from mock_server.scenarios import Scenario
from mock_server.task import Task
from mock_server.validation import Violation, shown
from mock_server.worlds import World, Worlds

log = logging.getLogger("omnimock")

# Where neither the request nor the spec says how long a page of a list is.
PAGE_SIZE = 30


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request whose world and operation are known."""

    world: World
    compiled: Compiled
    incoming: Incoming
    head: Head


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A reply, what the journal says of it besides, what will befall it on its way out, and what goes out first."""

    reply: Reply
    task_id: str | None = None
    explanation: dict[str, Any] | None = None
    befallen: Befallen | None = None
    first: First | None = None


class Endpoint:
    """Answers the operations of the spec."""

    def __init__(
        self,
        program: Program,
        worlds: Worlds,
        auth: Auth,
        scenarios: Chooser,
        *,
        explain: bool = True,
        media_base_url: str | None = None,
        own_base_url: str = "http://127.0.0.1",
        callback_refusal: Callable[[str], str] = lambda url: "",
    ) -> None:
        """`explain` says whether replies carry `X-Mock-Explanation`; `own_base_url` serves where no good Host came.

        `callback_refusal` says why callbacks to an address will not be sent, or nothing.
        """
        self.program, self.worlds, self.auth, self.scenarios = program, worlds, auth, scenarios
        self.crashes = 0
        self.heads = Heads(program, auth.header, media_base_url=media_base_url, own_base_url=own_base_url)
        self._dialect, self._explain = program.dialect, explain
        self._callback_refusal = callback_refusal
        self._polls = Polls()
        self._bodies = {each.id: Bodies(each.submission) for each in program.operations if each.submission is not None}
        self._act = {"submit": self._submit, "query": self._query, "list": self._list, "cancel": self._cancel}

    def answer(self, incoming: Incoming, head: Head | None = None) -> Reply:
        """Answer one request, whatever it is. `head` is what its head says, where the shell has it from before."""
        if head is None:
            head = self.heads.read(incoming)
        world, compiled = self.worlds.lobby, head.compiled
        try:
            world = self.auth.world(head.key)
            if compiled is None:
                raise nowhere(self.program, incoming)
            answer = self._act[compiled.role](Call(world, compiled, incoming, head))
        except Refused as refused:
            answer = self._refusal(world, refused)
        except ScenarioError as error:
            explanation = {"at": "scenario", "reason": str(error)}
            answer = self._refusal(world, Refused("scenario-unknown", explanation, detail=str(error)))
        except Exception as error:  # noqa: BLE001  A defect of ours must still be answered and recorded.
            answer = self._crash(world, incoming, error)
        if answer.befallen is not None:
            answer = self._spoiled(world, incoming, head, answer, answer.befallen)
        if answer.first is not None:
            reply = msgspec.structs.replace(answer.reply, first=answer.first, wire=answer.reply.wire or Wire())
            answer = msgspec.structs.replace(answer, reply=reply)
        operation = compiled.id if compiled is not None else None
        world.journal.exchange(
            world.clock.now_ms(),
            incoming,
            answer.reply,
            operation,
            answer.task_id,
            answer.explanation,
            head_bytes=head.size,
        )
        return answer.reply

    def refuse(self, incoming: Incoming, event: str, explanation: dict[str, Any], detail: str = "") -> Reply:
        """Refuse a request that a shell could not read to its end."""
        head = self.heads.read(incoming)
        world = self._world_or_lobby(head)
        answer = self._refusal(world, Refused(event, explanation, detail=detail))
        self._record(world, incoming, head, answer.reply, answer.explanation)
        return answer.reply

    def client_left(self, incoming: Incoming) -> None:
        """Record a client that left before its request was whole."""
        head = self.heads.read(incoming)
        explanation = {"what": "the client left before its request was whole", "body_bytes": len(incoming.body)}
        self._record(self._world_or_lobby(head), incoming, head, None, explanation)

    def last_entry(self, incoming: Incoming) -> tuple[World, int]:
        """Return the world of the request that was answered last, and the number of its journal entry."""
        world = self._world_or_lobby(self.heads.read(incoming))
        return world, world.journal.next_number - 1

    # The steps

    def _world_or_lobby(self, head: Head) -> World:
        """The world of a request that went wrong before its key mattered: that the key is bad as well is not told."""
        with contextlib.suppress(Refused):
            return self.auth.world(head.key)
        return self.worlds.lobby

    def _record(
        self, world: World, incoming: Incoming, head: Head, reply: Reply | None, explanation: dict[str, Any] | None
    ) -> None:
        now_ms = world.clock.now_ms()
        world.journal.exchange(now_ms, incoming, reply, None, None, explanation, head_bytes=head.size)

    def _submit(self, call: Call) -> Answer:
        world, compiled, head = call.world, call.compiled, call.head
        submission, task_type = compiled.submission, compiled.task_type
        assert submission is not None
        try:
            hint = check_media_type(head.headers.get(b"content-type"), head.headers.get(b"content-encoding"))
            said = self._bodies[compiled.id].read(call.incoming.body, world.store.external_ids)
        except WrongMediaType as error:
            raise Refused("media-type-wrong", {"at": "headers", "reason": str(error)}, detail=str(error)) from None
        except NotJson as error:
            raise Refused("body-not-json", {"at": "body", "reason": str(error)}, detail=str(error)) from None
        if said.violations:
            raise violated(self.program, compiled, said.violations, said.warnings)
        body = said.body
        scenario = self.scenarios.for_submit(world, call.incoming, head, lambda: submission.directive(body))
        now_ms = world.clock.now_ms()
        befallen = befall(world, scenario, "submit", "", now_ms) if "submit" in scenario.befalls else None
        if befallen is not None and not befallen.happening.stores:
            world.steering.submitted(scenario, stored=False)
            raise refused_by(befallen)
        usage = world.capacity.usage(scenario)
        if usage is not None:
            group = submission.slot_group(body)
            shortage = usage.request("submit", task_type, world.clock) or usage.task(task_type, group, now_ms)
            if shortage is not None:
                world.steering.submitted(scenario, stored=False)
                raise short(shortage, scenario, befallen, default=self.scenarios.default)
        way = scenario.way(task_type.name, world.chances.of("outcomes")() if len(scenario.ways) > 1 else 0)
        plan = make_plan(way, now_ms, world.chance)
        task_id = world.task_ids[task_type.name]()
        if usage is not None:
            plan = usage.planned(plan, task_id)
        notes = [each for each in (hint, said.note) if each]
        task = Task(
            task_id,
            said.external_id,
            task_type.name,
            now_ms,
            plan,
            call.incoming.body,
            said.inputs,
            said.media,
            head.base_url,
            None if scenario is self.scenarios.default else scenario,
        )
        world.store.add(task)
        world.tally.tasks[task.type] += 1
        if usage is not None:
            usage.take(task, task_type, group)
        first = None
        if submission.delivery is not None and said.callback_url is not None:
            case = Case(task, task_type, said.callback_url, world.tag, world.callback_chance)
            first = self._book_callbacks(case, submission.callback_statuses(body), scenario, world, notes)
        if world.steering.armed is not None:
            world.steering.submitted(scenario, stored=True)
        if befallen is not None and befallen.happening.problem is not None:
            raise refused_by(befallen, task.id, first)
        # What is answered is the task as it was created, however soon it moves on.
        template = compiled.replies[scenario.dialect or self._dialect]
        reply = template.render(Scene(task, 0, world.tag, world.request_id()))
        explanation = None
        if notes or said.warnings or task.scenario is not None:
            explanation = self._hints(world, notes, said.warnings, task.scenario)
        return Answer(Reply(compiled.status, reply, self._headers(explanation)), task.id, explanation, befallen, first)

    def _book_callbacks(
        self, case: Case, statuses: Sequence[str], scenario: Scenario, world: World, notes: list[str]
    ) -> First | None:
        """Return what goes out before the reply; note what the developer should know."""
        deliveries = plan_deliveries(case, statuses, scenario.callbacks)
        world.outbox.book_all(deliveries)
        first = first_of(case, deliveries) if scenario.callbacks.faults else None
        if first is not None:
            notes.append(f"these callbacks go out before this reply: {', '.join(first.deliveries)}")
        if reason := self._callback_refusal(case.url):
            notes.append(f"callbacks of this task will not be sent: {reason}")
        return first

    def _query(self, call: Call) -> Answer:
        now_ms = call.world.clock.now_ms()
        task, dialect, befallen = self._task(call, now_ms)
        return self._shown(call, task, now_ms, dialect, befallen)

    def _cancel(self, call: Call) -> Answer:
        """Cancel a task, where its lifecycle lets it from where it is; a later cancel changes nothing."""
        world, task_type, now_ms = call.world, call.compiled.task_type, call.world.clock.now_ms()
        task, dialect, befallen = self._task(call, now_ms)
        lifecycle, status = task_type.lifecycle, task.plan.steps[step_index(task.plan, now_ms)].status
        if lifecycle.cancelled is not None and lifecycle.cancelled in lifecycle.statuses[status].next:
            end = Step(lifecycle.cancelled, "cancelled")
            story = self.scenarios.of(task).callbacks
            task = end_task(world, task, end, now_ms, self.program.submits[task_type.name], story)
        elif task_type.cancel_finished is not None:
            explanation = {"came": f"a cancel of a task that is {status}", "do": "cancel a task before it has ended"}
            raise Refused(f"problem:{task_type.cancel_finished}", explanation, dialect=dialect, befallen=befallen)
        return self._shown(call, task, now_ms, dialect, befallen)

    def _task(self, call: Call, now_ms: int) -> tuple[Task, str, Befallen | None]:
        """Return the task that a request names, the dialect in which it is answered, and what befalls the answer."""
        name = call.head.name
        task = call.world.store.find(name) if name is not None else None
        scenario = self.scenarios.for_task(call.world, call.incoming, call.head, task)
        befallen = None
        if call.compiled.role in scenario.befalls:
            task_id = task.id if task is not None else (name or "")[:NAME_CHARACTERS_MAX]
            befallen = befall(call.world, scenario, call.compiled.role, task_id, now_ms)
            if befallen is not None and befallen.happening.problem is not None:
                raise refused_by(befallen, task.id if task is not None else None)
        if scenario.limits is not None:
            self._check_rate(call, scenario, befallen)
        unseen = befallen is not None and befallen.reads == "nothing"
        if task is None or task.type != call.compiled.task_type.name or unseen:
            raise unknown_task(call.world, scenario, befallen, name, task)
        return task, scenario.dialect or self._dialect, befallen

    def _shown(self, call: Call, task: Task, now_ms: int, dialect: str, befallen: Befallen | None) -> Answer:
        world, compiled = call.world, call.compiled
        if befallen is not None and befallen.reads == "first":
            now_ms = task.created_at_ms
        reply = Reply(compiled.status, self._polls.render(compiled.replies[dialect], task, now_ms, world))
        return Answer(reply, task.id, None, befallen)

    def _list(self, call: Call) -> Answer:
        world, compiled = call.world, call.compiled
        values, violations = compiled.parameters.read(call.incoming.query)
        if violations:
            raise violated(self.program, compiled, violations)
        scenario = self.scenarios.for_task(world, call.incoming, call.head, None)
        now_ms = world.clock.now_ms()
        befallen = befall(world, scenario, "list", "", now_ms)
        if befallen is not None and befallen.happening.problem is not None:
            raise refused_by(befallen)
        if scenario.limits is not None:
            self._check_rate(call, scenario, befallen)
        tasks, next_cursor = self._page(world, compiled, values)
        request_id = world.request_id()
        scenes = [scene_at(task, now_ms, world.tag, request_id) for task in tasks]
        page = PageScene(scenes, request_id, call.head.base_url, next_cursor)
        reply = Reply(compiled.status, compiled.replies[scenario.dialect or self._dialect].render(page))
        return Answer(reply, None, None, befallen)

    def _page(self, world: World, compiled: Compiled, values: Mapping[str, Any]) -> tuple[Sequence[Task], str | None]:
        """The tasks of a page, and the cursor of the next: the id of the last, where there are more."""
        paging, task_type, store = compiled.task_type.paging, compiled.task_type.name, world.store
        size = paging.size if isinstance(paging.size, int) else values.get(paging.size, PAGE_SIZE)
        cursor = values.get(paging.cursor) if paging.cursor is not None else None
        if cursor is None:
            number = values.get(paging.page, 1) if paging.page is not None else 1
            tasks = store.page(task_type, number, size + 1 if paging.cursor is not None else size)
        elif (last := store.find(cursor)) is not None:
            tasks = store.older(last, size + 1)
        else:
            violation = Violation(f"?{paging.cursor}", shown(cursor), "the cursor of an earlier page", "cursor", "", "")
            raise violated(self.program, compiled, [violation])
        return tasks[:size], tasks[size - 1].id if len(tasks) > size else None

    def _check_rate(self, call: Call, scenario: Scenario, befallen: Befallen | None) -> None:
        if (usage := call.world.capacity.usage(scenario)) is not None:
            shortage = usage.request(call.compiled.role, call.compiled.task_type, call.world.clock)
            if shortage is not None:
                raise short(shortage, scenario, befallen, default=self.scenarios.default)

    # What goes wrong

    def _spoiled(self, world: World, incoming: Incoming, head: Head, answer: Answer, befallen: Befallen) -> Answer:
        assert head.compiled is not None
        told = {"journal": world.journal.next_number, **(answer.explanation or {}), **befallen.told}
        own = tuple(header for header in answer.reply.headers if header[0] != HEADER)
        reply = msgspec.structs.replace(answer.reply, headers=(*own, *self._headers(told)))
        reply = restated(reply, befallen.happening, world.clock)
        template = head.compiled.replies[befallen.scenario.dialect or self._dialect]
        places = template.places("$task.status")
        reply = spoiled(reply, befallen, around(world, befallen.role, incoming, places, head.base_url))
        return msgspec.structs.replace(answer, reply=reply, explanation=told)

    def _refusal(self, world: World, refused: Refused) -> Answer:
        problem, template = self.program.problem_for(refused.event, refused.dialect or self._dialect)
        explanation = {
            "journal": world.journal.next_number,
            "problem": problem.name,
            "about": problem.about,
            **refused.explanation,
        }
        body = template.render(ProblemScene(refused.detail or problem.about, world.request_id()))
        reply = Reply(problem.status, body, (*refused.headers, *self._headers(explanation)))
        return Answer(reply, refused.task_id, explanation, refused.befallen, refused.first)

    def _crash(self, world: World, incoming: Incoming, error: Exception) -> Answer:
        self.crashes += 1
        told = redacted_traceback(error, world, incoming, self.auth.header)
        log.error("the endpoint crashed; this is a defect of omnimock, please report it\n%s", told)
        refused = Refused("crash", {"what": "omnimock itself crashed; this is a defect, please report it"})
        answer = self._refusal(world, refused)
        explanation = {**(answer.explanation or {}), "traceback": traceback.format_exception(error)}
        return msgspec.structs.replace(answer, explanation=explanation)

    def _hints(
        self, world: World, notes: list[str], warnings: list[Violation], scenario: Scenario | None
    ) -> dict[str, Any]:
        return {
            "journal": world.journal.next_number,
            **({"scenario": scenario.name} if scenario is not None else {}),
            "notes": notes,
            "warnings": list(map(msgspec.structs.asdict, warnings)),
        }

    def _headers(self, explanation: dict[str, Any] | None) -> tuple[tuple[bytes, bytes], ...]:
        return ((HEADER, to_header(explanation)),) if explanation is not None and self._explain else ()
