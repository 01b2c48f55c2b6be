"""Findings: the answers of a case as they came in, stand, grow too old, and are corrected."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from kernel import errors, ids
from kernel.actor import Actor
from kernel.database import Tx
from triage.finding import Finding
from triage.library import Library
from triage.model import Case
from triage.plausibility import ToConfirm, clash, doubt
from triage.protocol import Answer, Observer, Unanswerable

Source: TypeAlias = Observer | Literal["recogniser", "record"]
_MOST: Final = 200


class GivenFinding(Finding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer as it is given.

    Attributes:
        confirmed: It was asked again: an odd value counts as it is.
    """

    confirmed: bool = False


class RecordedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it stands in the case.

    Attributes:
        valid_until: From then on it is too old; None when it does not age.
        expired: It is too old now, by the database's clock: ask again.
    """

    input: str
    value: Answer | None
    unanswerable: Unanswerable | None
    observer: Source
    recorded_by: UUID
    recorded_at: datetime
    valid_until: datetime | None
    expired: bool

    def finding(self) -> Finding:
        """Give what the engine takes."""
        return Finding(input=self.input, value=self.value, unanswerable=self.unanswerable)


class Sifted(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that count, and those that count once they are confirmed."""

    counting: tuple[Finding, ...]
    to_confirm: tuple[ToConfirm, ...]


def sift(given: Sequence[Finding], standing: Sequence[RecordedFinding]) -> Sifted:
    """Set aside answers that are to be asked again; refuse those that can't be true together.

    Args:
        given: Checked before; a `GivenFinding` may be confirmed.
        standing: What was recorded before; what is too old clashes with nothing.

    Raises:
        Invalid: `finding_refused` with `path`, `value`, `reason` and what is `allowed`.
    """
    beside: dict[str, Answer | None] = {one.input: one.value for one in standing if not one.expired}
    beside |= {one.input: one.value for one in given}
    counting: list[Finding] = []
    to_confirm: list[ToConfirm] = []
    for index, one in enumerate(given):
        path = f"$.findings[{index}]"
        impossible = clash(one, beside)
        if impossible is not None:
            raise _refused(one, path, "impossible_pair", impossible.allowed)
        odd = None if getattr(one, "confirmed", False) else doubt(one, path)
        if odd is not None:
            to_confirm.append(odd)
        else:
            counting.append(
                Finding(input=one.input, value=one.value, unanswerable=one.unanswerable)
            )
    return Sifted(counting=tuple(counting), to_confirm=tuple(to_confirm))


def check(library: Library, given: Sequence[Finding]) -> None:
    """Refuse answers that no input accepts.

    Args:
        library: Declares the inputs.
        given: As they came in.

    Raises:
        Invalid: `finding_refused`, `finding_twice`, `too_many_findings`.
    """
    if len(given) > _MOST:
        code = "too_many_findings"
        raise errors.Invalid(code, "At most 200 findings at a time.")
    for index, one in enumerate(given):
        for refused in library.refusals([one]):
            raise _refused(one, f"$.findings[{index}]", refused.reason, refused.allowed)
    if len({one.input for one in given}) != len(given):
        code = "finding_twice"
        raise errors.Invalid(code, "An input is answered twice.")


def _refused(one: Finding, path: str, reason: str, allowed: str) -> errors.Invalid:
    """Build the refusal; a number is repeated, a text never: it could hold anything."""
    value = one.value
    shown: float | bool | str | None = None if isinstance(value, str) else value
    if isinstance(shown, float) and not math.isfinite(shown):
        shown = str(shown)
    known = "" if reason == "unknown_input" else one.input
    return errors.Invalid(
        "finding_refused",
        "An answer is not acceptable.",
        path=path,
        input=known,
        value=shown,
        reason=reason,
        allowed=allowed,
    )


async def write(
    tx: Tx,
    actor: Actor,
    case: Case,
    findings: Sequence[Finding],
    *,
    observer: Source,
    library: Library,
) -> None:
    """Write findings beside those they replace, and keep age and sex of the case in step.

    Args:
        tx: The transaction, holding the case's lock.
        actor: Who writes.
        case: The case.
        findings: Checked before.
        observer: Who observed them.
        library: Says how long each answer counts.
    """
    if not findings:
        return
    await tx.execute(SUPERSEDE, case.id, [finding.input for finding in findings])
    await tx.executemany(
        INSERT_FINDING,
        [
            (
                ids.uuid7(),
                case.id,
                case.territory_id,
                finding.input,
                None if finding.value is None else msgspec.json.encode(finding.value).decode(),
                finding.unanswerable,
                observer,
                actor.id,
                validity(library, finding.input),
            )
            for finding in findings
        ],
    )
    known = {finding.input: finding.value for finding in findings}
    await tx.execute(KEEP_IN_STEP, case.id, known.get("age_y"), known.get("sex"))


def validity(library: Library, key: str) -> int | None:
    """Give for how many minutes an answer counts: the shortest that any protocol says.

    Args:
        library: The protocols.
        key: The input.

    Returns:
        Minutes; None when it does not age.
    """
    found = (protocol.input(key) for protocol in library.protocols)
    return min(
        (one.valid_for_min for one in found if one is not None and one.valid_for_min is not None),
        default=None,
    )


async def current(tx: Tx, case_id: UUID) -> tuple[RecordedFinding, ...]:
    """List the findings that stand, by input; those too old are marked.

    Args:
        tx: The transaction.
        case_id: The case.
    """
    rows = await tx.fetch(SELECT_FINDINGS, case_id)
    return tuple(
        RecordedFinding(
            input=row["input"],
            value=None if row["value"] is None else _ANSWER.decode(row["value"]),
            unanswerable=row["unanswerable"],
            observer=row["observer"],
            recorded_by=row["recorded_by"],
            recorded_at=row["recorded_at"],
            valid_until=row["valid_until"],
            expired=row["expired"],
        )
        for row in rows
    )


_ANSWER: Final = msgspec.json.Decoder(bool | float | str)

SUPERSEDE: Final = """
update triage.finding set superseded_at = kernel.regul_now()
where case_id = $1 and input = any ($2::text[]) and superseded_at is null
"""
INSERT_FINDING: Final = """
insert into triage.finding
    (id, case_id, territory_id, input, value, unanswerable, observer, recorded_by, valid_until)
values ($1, $2, $3, $4, $5::jsonb, $6, $7, $8,
    kernel.regul_now() + make_interval(mins => $9::integer))
"""
KEEP_IN_STEP: Final = """
update triage.case_file
set age_years = coalesce($2::double precision, age_years), sex = coalesce($3::text, sex),
    heard_at = kernel.regul_now()
where id = $1
"""
SELECT_FINDINGS: Final = """
select input, value, unanswerable, observer, recorded_by, recorded_at, valid_until,
       coalesce(valid_until <= kernel.regul_now(), false) as expired
from triage.finding
where case_id = $1 and superseded_at is null
order by input
"""
