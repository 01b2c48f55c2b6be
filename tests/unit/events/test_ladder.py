"""The ladder: nobody off duty is told, every step reaches somebody, the last is the centre."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ladder
from events.fact import Acuity
from events.ladder import Colleague, Ladder, Post

SHIPPED = ladder.shipped()
ROLES = ("operator", "osnp", "physician", "ioa", "supervisor")
PEOPLE = tuple(UUID(int=number) for number in range(1, 7))
acuities = st.sampled_from(("U0", "U1", "U2", "U3", "U4", "U5"))
staff = st.lists(
    st.builds(Colleague, id=st.sampled_from(PEOPLE), role=st.sampled_from(ROLES)),
    max_size=5,
    unique_by=lambda one: one.id,
)
posts = st.lists(
    st.one_of(
        st.builds(Post, level=st.integers(1, 3), actor_id=st.sampled_from(PEOPLE)),
        st.builds(Post, level=st.integers(1, 3), role=st.sampled_from(ROLES)),
    ),
    max_size=3,
    unique_by=lambda one: one.level,
)


@given(acuities, st.integers(0, 9), posts, staff)
def test_only_who_is_not_off_duty_is_told(
    acuity: Acuity, level: int, roster: list[Post], there: list[Colleague]
) -> None:
    step = ladder.climb(SHIPPED, level, acuity, roster, there)
    assert (step.role is None) != (step.actor_id is None)
    assert step.actor_id is None or step.actor_id in {one.id for one in there}
    assert step.role is None or step.role in {ladder.CENTRE, *(one.role for one in there)}


@given(acuities, posts, staff)
def test_the_ladder_climbs_to_the_whole_centre_and_stays_there(
    acuity: Acuity, roster: list[Post], there: list[Colleague]
) -> None:
    level, seen = 0, []
    for _ in range(5):
        level = ladder.climb(SHIPPED, level, acuity, roster, there).level
        seen.append(level)
    assert seen == sorted(seen)
    assert seen[-1] == len(SHIPPED.levels)


def test_an_actor_off_duty_is_passed_over_at_once() -> None:
    roster = [Post(level=1, actor_id=PEOPLE[0])]
    physician = Colleague(id=PEOPLE[1], role="physician")
    step = ladder.climb(SHIPPED, 0, "U0", roster, [physician])
    assert (step.level, step.role) == (2, "physician")


def test_with_nobody_there_the_centre_is_told() -> None:
    step = ladder.climb(SHIPPED, 0, "U0", [], [])
    assert (step.level, step.role) == (3, ladder.CENTRE)


def test_a_message_on_its_way_is_told_to_a_human_within_a_minute() -> None:
    assert max(SHIPPED.deliver_within_s.values()) < 60


def test_the_more_urgent_the_sooner() -> None:
    delays = [SHIPPED.answer_within_s, SHIPPED.deliver_within_s, SHIPPED.hold_within_s]
    delays += [one.wait_s for one in SHIPPED.levels]
    for one in delays:
        assert list(one.values()) == sorted(one.values())


@pytest.mark.parametrize("text", ['role = "centre"', "U3 = 3600"])
def test_a_ladder_with_a_hole_is_refused(text: str) -> None:
    broken = ladder.LADDER_FILE.read_text("utf-8").replace(text, text.replace("centre", "x")[:0])
    with pytest.raises((ValueError, msgspec.ValidationError)):
        msgspec.toml.decode(broken, type=Ladder)
