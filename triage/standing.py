"""The level in force: it rises with an assessment at once, and falls only by a human's word; pure.

An assessment says what the answers give. What queue, decisions and events go by is the level in
force: never milder than it was, unless somebody entitled confirmed the milder one. Answers that
grew too old lower nothing either: the milder level that may be confirmed is the one that holds
with them and without them.
"""

import msgspec

from triage.acuity import Acuity, most_severe


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """What is assured and what is proposed; None = no level yet, milder than any."""

    assured: Acuity | None = None
    proposed: Acuity | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The levels of a case after an assessment.

    Attributes:
        assured: In force.
        worst: The worst level not excluded; never milder than `assured`.
        proposed: In force.
        lower: The milder levels that wait for a confirmation; None when nothing waits.
    """

    assured: Acuity | None
    worst: Acuity | None
    proposed: Acuity | None
    lower: Levels | None = None


def stand(before: Levels, fresh: Levels, whole: Levels, worst: Acuity | None) -> Standing:
    """Give the levels in force after an assessment.

    Args:
        before: In force until now.
        fresh: Said by the answers that still count.
        whole: Said by the same answers with those that grew too old.
        worst: The worst level that the answers that still count leave possible.

    Returns:
        The levels in force and, when the answers say less, what may be confirmed.
    """
    said = Levels(
        assured=most_severe(fresh.assured, whole.assured),
        proposed=most_severe(fresh.proposed, whole.proposed),
    )
    assured = most_severe(before.assured, said.assured)
    proposed = most_severe(before.proposed, said.proposed)
    milder = (assured, proposed) != (said.assured, said.proposed)
    return Standing(
        assured=assured,
        worst=most_severe(worst, assured),
        proposed=proposed,
        lower=said if milder else None,
    )
