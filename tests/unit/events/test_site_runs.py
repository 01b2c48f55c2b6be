"""What the bridge of a site stores, whatever arrives: an unbroken run that follows the mark."""

from collections.abc import Sequence

import hypothesis
import hypothesis.strategies as st

from events import cloudevents, site_bridge
from events.site_bridge import Arrived, Mark, following, known


def event(number: int, epoch: int = 0, kind: str = "regul.handoff.requested") -> Arrived:
    return Arrived(id=f"{epoch}.{number}", type=kind, number=number, epoch=epoch)


ARRIVED = st.lists(st.builds(event, st.integers(1, 12), st.integers(0, 2)), max_size=20)
MARKS = st.builds(Mark, epoch=st.integers(-1, 2), number=st.integers(0, 12))


@hypothesis.given(MARKS, ARRIVED)
def test_a_run_follows_the_mark_and_whatever_else_is_new_is_a_gap(
    mark: Mark, arrived: Sequence[Arrived]
) -> None:
    run, missed = following(mark, arrived)
    assert [one.number for one in run] == [mark.number + 1 + index for index in range(len(run))]
    assert all(one.epoch == mark.epoch and one in arrived for one in run)
    stored = {(one.epoch, one.number) for one in run}
    new = {
        (one.epoch, one.number)
        for one in arrived
        if not known(mark, one) and (one.epoch, one.number) not in stored
    }
    assert missed == bool(new)


@hypothesis.given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_order_and_repetitions_of_arrival_change_nothing(order: list[int], number: int) -> None:
    mark = Mark(epoch=0, number=number)
    twice = [event(one) for one in (*order, *order)]
    run, missed = following(mark, twice)
    assert [one.number for one in run] == list(range(number + 1, 9))
    assert not missed


def test_an_empty_site_reads_the_record_first() -> None:
    assert following(Mark(), [event(1)]) == ([], True)


def test_a_restored_feed_is_read_from_the_record() -> None:
    mark = Mark(epoch=1, number=57)
    assert following(mark, [event(58, epoch=2)]) == ([], True)
    assert not known(mark, event(41, epoch=2))
    assert known(mark, event(41, epoch=1))


def test_a_test_event_takes_no_number() -> None:
    test = event(3, kind=f"regul.{cloudevents.TEST}")
    assert test.is_test
    assert following(Mark(epoch=0, number=3), [test]) == ([], False)


def test_an_event_is_read_with_its_whole_body() -> None:
    body = b'{"id":"a","type":"regul.case.opened","number":4,"epoch":2,"data":{}}'
    one = site_bridge.read(body)
    assert (one.id, one.number, one.epoch, one.body) == ("a", 4, 2, body)
