"""How much of what is stored a run of a feed would change, before anything is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from directory import feed_offers, feed_store, feed_writing
from directory.feed_doctor import Fault
from directory.feed_offers import Offers, Survey
from directory.feed_store import Alias, Feed, RunState
from kernel.database import Tx

TOO_MUCH: Final = 0.3
"""A run that changes a larger part of what is stored is held."""
FEW: Final = 10
"""Where less than this is stored no share is looked at."""


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run before it starts.

    Attributes:
        share: Part of what is stored that it changes, 0 to 1.
        tallies: Rows and faults, by name.
        faults: Those that are kept one by one.
    """

    share: float
    tallies: Mapping[str, int]
    faults: Sequence[Fault]

    @property
    def state(self) -> RunState:
        """Give the state in which such a run begins."""
        return "held" if self.share > TOO_MUCH else "running"


async def survey(tx: Tx, feed: Feed, offers: Offers, now: datetime) -> float:
    """Give the largest share that taking a feed in changes: of its places, diaries or slots."""
    places = await feed_store.aliases(tx, feed.id, "location")
    diaries = await feed_store.aliases(tx, feed.id, "schedule")
    stored = await feed_writing.mirrors(tx, [one.id for one in diaries.values()])
    surveys = (
        _surveyed(places, {one.key: one.fingerprint for one in offers.places}),
        _surveyed(diaries, {one.key: one.fingerprint for one in offers.diaries}),
        feed_offers.survey_slots(
            offers.diaries, {key: mirror.slots for key, mirror in stored.items()}, now
        ),
    )
    return max(map(weight, surveys))


def weight(survey: Survey) -> float:
    """Give the share that counts: none where any change is a large part."""
    return survey.share if survey.stored >= FEW else 0.0


def _surveyed(known: Mapping[str, Alias], published: Mapping[str, bytes]) -> Survey:
    return feed_offers.survey_rows({key: one.fingerprint for key, one in known.items()}, published)
