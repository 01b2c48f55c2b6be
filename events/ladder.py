"""The ladder of escalation: who is told next when nobody answers; pure, from the centre's file.

A step is given to nobody who is off duty. A step with nobody to reach is passed over at once; the
last one always reaches the centre's board, and is repeated until a named human takes the patient.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from events.catalogue import Acuity

LADDER_FILE: Final = Path(__file__).with_name("ladder.toml")
CENTRE: Final = "centre"
"""The role of a step that stands for every member of the staff."""

Channel = Literal["console", "feed", "phone"]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Delays = dict[Acuity, Seconds]


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step.

    Attributes:
        name: Code of the step.
        role: Who stands on it when the territory's roster says nothing.
        channels: How it is told.
        wait_s: Seconds until the next step, by acuity.
    """

    name: str
    role: str
    channels: tuple[Channel, ...]
    wait_s: Delays


class Ladder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The centre's file.

    Attributes:
        answer_within_s: How long a receiver may stay silent, by acuity.
        deliver_within_s: How long a message may be on its way.
        hold_within_s: How long somebody on duty may go on with what they took.
        levels: The steps, the first first; at least one.
    """

    answer_within_s: Delays
    deliver_within_s: Delays
    hold_within_s: Delays
    levels: Annotated[tuple[Level, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a ladder that leaves an acuity without a delay or whose last step reaches few."""
        delays = [self.answer_within_s, self.deliver_within_s, self.hold_within_s]
        delays += [one.wait_s for one in self.levels]
        if any(len(one) < len(_ACUITIES) for one in delays):
            message = "every acuity needs its delays"
            raise ValueError(message)
        if self.levels[-1].role != CENTRE:
            message = "the last step is the whole centre"
            raise ValueError(message)

    def answer_within(self, acuity: Acuity) -> timedelta:
        """Give how long a receiver may stay silent.

        Args:
            acuity: Of the handoff.
        """
        return timedelta(seconds=self.answer_within_s[acuity])


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands on a step of a territory: a role or an actor, as its roster says.

    Attributes:
        level: Step, from 1.
        role: Whoever has it; or
        actor_id: this actor.
    """

    level: int
    role: str | None = None
    actor_id: UUID | None = None


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """One of the centre's staff who is not off duty."""

    id: UUID
    role: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told now.

    Attributes:
        level: Step reached, from 1.
        role: Whoever has it, or `centre`; or
        actor_id: this actor.
        channels: How.
        wait_s: Seconds until the next step.
    """

    level: int
    role: str | None
    actor_id: UUID | None
    channels: tuple[Channel, ...]
    wait_s: int


_ACUITIES: Final[tuple[Acuity, ...]] = ("U0", "U1", "U2", "U3", "U4", "U5")


@cache
def shipped() -> Ladder:
    """Read the centre's file, once a process."""
    return msgspec.toml.decode(LADDER_FILE.read_bytes(), type=Ladder)


def climb(
    ladder: Ladder,
    from_level: int,
    acuity: Acuity,
    roster: Sequence[Post],
    reachable: Sequence[Colleague],
) -> Step:
    """Say who is told next.

    Args:
        ladder: The steps.
        from_level: Step reached before; 0 at first. Beyond the last step it is repeated.
        acuity: Of the handoff.
        roster: Of the territory.
        reachable: Its staff who are not off duty.

    Returns:
        The next step that reaches somebody; the last one when none does.
    """
    posts: Mapping[int, Post] = {one.level: one for one in roster}
    last = len(ladder.levels)
    for number in range(min(from_level + 1, last), last):
        level = ladder.levels[number - 1]
        post = posts.get(number) or Post(level=number, role=level.role)
        if _reaches(post, reachable):
            return _step(level, post, acuity)
    end = ladder.levels[-1]
    named = posts.get(last)
    if named is None or not _reaches(named, reachable):
        named = Post(level=last, role=end.role)
    return _step(end, named, acuity)


def _reaches(post: Post, reachable: Sequence[Colleague]) -> bool:
    if post.actor_id is not None:
        return any(one.id == post.actor_id for one in reachable)
    return any(post.role in {CENTRE, one.role} for one in reachable)


def _step(level: Level, post: Post, acuity: Acuity) -> Step:
    return Step(
        level=post.level,
        role=post.role,
        actor_id=post.actor_id,
        channels=level.channels,
        wait_s=level.wait_s[acuity],
    )
