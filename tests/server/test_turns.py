"""Turns: whoever waits goes as soon as there is room, and never more than may."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mock_server.turns import Turns

RECEIVERS = ("a", "b", "c")
IN_ALL, PER_RECEIVER = 4, 2


class Waiting(RuleBasedStateMachine):
    """Beside the turns, what was asked for and has begun is noted down."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns(self.began, in_all_max=IN_ALL, per_receiver_max=PER_RECEIVER)
        self.waiting: list[tuple[str, int]] = []
        self.going: list[tuple[str, int]] = []
        self.asked = 0

    def began(self, item: tuple[str, int]) -> None:
        first = next(each for each in self.waiting if each[0] == item[0])
        assert item == first, "those of one receiver go in the order they came"
        self.waiting.remove(item)
        self.going.append(item)

    @rule(receiver=st.sampled_from(RECEIVERS))
    def ask(self, receiver: str) -> None:
        self.asked += 1
        item = (receiver, self.asked)
        self.waiting.append(item)
        self.turns.ask(receiver, item)

    @precondition(lambda self: self.going)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.going))
        self.going.remove(item)
        self.turns.end(item[0])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.sampled_from(self.waiting)))
        self.waiting = [each for each in self.waiting if each not in gone]
        self.turns.withdraw(lambda item: item in gone)

    @invariant()
    def no_more_than_may(self) -> None:
        by_receiver = Counter(receiver for receiver, _ in self.going)
        assert len(self.going) <= IN_ALL
        assert all(count <= PER_RECEIVER for count in by_receiver.values())

    @invariant()
    def nobody_waits_where_there_is_room(self) -> None:
        by_receiver = Counter(receiver for receiver, _ in self.going)
        if len(self.going) < IN_ALL:
            assert all(by_receiver[receiver] == PER_RECEIVER for receiver, _ in self.waiting)


TestWaiting = Waiting.TestCase


@given(st.integers(1, 20))
def test_receivers_are_served_in_turn(count: int) -> None:
    began: list[str] = []
    turns = Turns(began.append, in_all_max=1, per_receiver_max=1)
    for _ in range(count):
        for receiver in RECEIVERS:
            turns.ask(receiver, receiver)
    for _ in range(count * len(RECEIVERS) - 1):
        turns.end(began[-1])
    assert began == list(RECEIVERS) * count
