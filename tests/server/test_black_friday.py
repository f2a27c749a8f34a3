"""`omnimock serve --scenario black-friday` is a provider under load, the same every time."""

import msgspec

from mock_server.exchange import Reply
from mock_server.transport import twin_transport
from tests.support import MINIMAL, Caller, booked_by, without_real_time

CALLBACK = {"callback_url": "http://127.0.0.1:9/callback"}


PROBLEMS = frozenset({429, 500, 503})


def day(seed: int) -> tuple[str, list[Reply], Caller]:
    """Spend 20 minutes with it: a burst of submits every 10 s, and each task is asked for now and then."""
    transport = twin_transport(scenario="black-friday; parallel=3; requests=4", seed=seed)
    caller, replies, tasks = Caller(transport.twin), list[Reply](), list[str]()
    for turn in range(120):
        for _ in range(5 if turn % 4 == 0 else 1):
            replies.append(caller.submit({**MINIMAL, **CALLBACK}))
            if replies[-1].status == 200:
                tasks.append(msgspec.json.decode(replies[-1].body)["data"]["task_id"])
        replies += [caller.query(each) for each in tasks[turn % 3 :: 7][-2:]]
        transport.advance("10s", key=caller.key)
    journal = [without_real_time(each) for each in caller.journal.entries]
    booked = [without_real_time(each) for each in booked_by(caller.world)]
    plans = [each.plan for each in caller.world.store.tasks()]
    return repr([replies, journal, booked, plans]), replies, caller


def test_it_is_the_same_every_time() -> None:
    assert day(7)[0] == day(7)[0] != day(8)[0]


def test_it_has_everything_that_goes_wrong_under_load() -> None:
    _, replies, caller = day(0)
    statuses = [each.status for each in replies]
    assert set(statuses) - {200} == PROBLEMS
    assert statuses.count(200) > len(statuses) / 2
    throttled = [dict(each.headers) for each in replies if each.status == 429]
    assert all(b"retry-after" in each for each in throttled)
    delays = sorted(each.wire.delay_ms for each in replies if each.wire is not None)
    assert delays[len(delays) // 2] < 1_000 < delays[-1]
    plans = [each.plan for each in caller.world.store.tasks()]
    waits = [plan.at_ms[1] - plan.at_ms[0] for plan in plans]
    usual = caller.twin.program.spec.task_types["omni-video"].pace_ms["submitted"][1]
    assert max(waits[:3]) <= usual < max(waits)
    ends = {plan.steps[-1].final for plan in plans}
    assert ends == {"success", "failure"}


def test_its_brown_outs_come_every_five_minutes() -> None:
    caller = Caller(twin_transport(scenario="black-friday; errors=0").twin)
    began_ms, down = caller.clock.now_ms(), set[int]()
    for second in range(0, 900, 2):
        caller.clock.move_to(began_ms + second * 1_000)
        if any(caller.query("x").status == 503 for _ in range(5)):
            down.add(second)
    assert down <= {second for start in (120, 420, 720) for second in range(start, start + 20)}
    assert len(down) > 20
