import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mock_server.callback_faults import Spoiling
from mock_server.lifecycle import Plan, Step
from mock_server.outbox import Delivery, Outbox
from mock_server.task import Task

STATUSES = ("submitted", "processing", "succeed")
TASK = Task(
    "866889456698785798",
    None,
    "omni-video",
    10,
    Plan(tuple(map(Step, STATUSES)), (10, 20, 30)),
    b"{}",
    (),
    None,
    "http://twin.test",
)
URL = "http://127.0.0.1:9/hook"
dues = st.lists(st.integers(0, 20), max_size=30)


def booked(dues_ms: list[int]) -> tuple[Outbox, list[Delivery]]:
    outbox = Outbox()
    deliveries = [Delivery(str(number), TASK, 0, URL, due) for number, due in enumerate(dues_ms)]
    for delivery in deliveries:
        outbox.book(delivery)
    return outbox, deliveries


def in_order(deliveries: list[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=lambda each: each.due_ms)


@given(dues=dues, looks=st.lists(st.integers(0, 25)).map(sorted))
def test_each_delivery_is_handed_out_once_when_it_is_due_and_in_order(dues: list[int], looks: list[int]) -> None:
    outbox, deliveries = booked(dues)
    handed: list[Delivery] = []
    for now in looks:
        handed += outbox.take_due(now)
        assert handed == in_order([each for each in deliveries if each.due_ms <= now])
    assert len(outbox) == len(deliveries) - len(handed)


@given(dues=dues)
def test_taking_all_empties_the_outbox_in_the_order_of_due_and_booking(dues: list[int]) -> None:
    outbox, deliveries = booked(dues)
    assert outbox.take_all() == in_order(deliveries)
    assert (len(outbox), outbox.take_all(), outbox.next_due_ms) == (0, [], None)


@given(dues=dues)
def test_the_next_due_is_the_earliest(dues: list[int]) -> None:
    outbox, _ = booked(dues)
    assert outbox.next_due_ms == min(dues, default=None)


@given(dues=dues)
def test_somebody_is_told_exactly_when_the_earliest_changes(dues: list[int]) -> None:
    outbox, told = Outbox(), list[int | None]()
    outbox.on_earlier = lambda: told.append(outbox.next_due_ms)
    for number, due in enumerate(dues):
        outbox.book(Delivery(str(number), TASK, 0, URL, due))
    records = [due for index, due in enumerate(dues) if due < min(dues[:index], default=due + 1)]
    assert told == records


@given(dues=dues, now=st.integers(0, 25), at_most=st.integers(0, 40))
def test_of_what_is_due_no_more_is_handed_out_than_is_asked_for(dues: list[int], now: int, at_most: int) -> None:
    outbox, deliveries = booked(dues)
    due = in_order([each for each in deliveries if each.due_ms <= now])
    assert outbox.take_due(now, at_most) + outbox.take_due(now) == due


@given(dues=dues, wanted=st.sets(st.integers(0, 40).map(str)))
def test_deliveries_are_handed_out_by_id_and_the_rest_stays_in_order(dues: list[int], wanted: set[str]) -> None:
    outbox, deliveries = booked(dues)
    assert outbox.take(wanted) == in_order([each for each in deliveries if each.id in wanted])
    assert outbox.take_all() == in_order([each for each in deliveries if each.id not in wanted])


@given(dues=dues, after=st.integers(-1, 2))
def test_dropping_forgets_the_later_steps_of_one_task_alone(dues: list[int], after: int) -> None:
    outbox, _ = booked(dues)
    task = msgspec.structs.replace(TASK, id="1")
    outbox.book_all(Delivery(f"1-{step}", task, step, URL, step * 10) for step in range(3))
    outbox.drop("1", after)
    kept = [each for each in outbox.take_all() if each.task.id == "1"]
    assert [each.step for each in kept] == list(range(after + 1))


def test_dropping_leaves_the_rest_in_order() -> None:
    outbox, _ = booked([20, 3, 9, 12])
    task = msgspec.structs.replace(TASK, id="1")
    outbox.book_all(Delivery(f"1-{step}", task, step, URL, step * 10) for step in range(3))
    outbox.drop("1", -1)
    assert [each.due_ms for each in outbox.take_all()] == [3, 9, 12, 20]


def test_dropping_forgets_a_stale_callback_whatever_step_it_tells() -> None:
    """It comes with the end, and the end will be another."""
    outbox = Outbox()
    outbox.book(Delivery("stale", TASK, 0, URL, 40, spoiling=Spoiling(("stale",))))
    outbox.drop(TASK.id, 2)
    assert len(outbox) == 0
