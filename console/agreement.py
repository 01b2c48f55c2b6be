"""What a clinic agrees to, on its page: consent of a diary, being away, how far it is trusted."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from console import forms, week
from console.reader import Reader
from directory import absences, agreements, service, standings
from directory.absences import Absence, Absent
from directory.consent import LARGEST_QUOTA, LONGEST_HOLD_BACK_S, Consent
from directory.standings import Objection, Trusted
from directory.store import DiaryView
from kernel import errors
from kernel.database import Tx

_HOUR_S: Final = 3600
_DIARIES: Final = 500


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """The consent form, as typed; empty is no limit.

    Attributes:
        quota: Places a day.
        hours: Hold-back in hours.
        clock: Release time, `18:00`.
    """

    paused: bool = False
    quota: str = ""
    hours: str = ""
    clock: str = ""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """The panel.

    Attributes:
        diary: The diary whose consent it is.
        trusted: The figure of its organisation.
        percent: That figure of a hundred, rounded.
        away: Absences of the diary that are not over.
        objections: Codes that may be given against it.
    """

    diary: DiaryView
    typed: Typed
    trusted: Trusted
    percent: int
    away: Sequence[Absence] = ()
    objections: tuple[str, ...] = tuple(one.value for one in Objection)


def typed(diary: DiaryView) -> Typed:
    """Write the consent of a diary as its form shows it."""
    before = "" if diary.release_before_s is None else f"{diary.release_before_s / _HOUR_S:g}"
    at = diary.release_min
    return Typed(
        paused=diary.paused,
        quota="" if diary.quota_per_day is None else str(diary.quota_per_day),
        hours=before,
        clock="" if at is None else f"{at // 60:02d}:{at % 60:02d}",
    )


def understand(given: Typed) -> tuple[Consent | None, Mapping[str, str]]:
    """Understand a consent form.

    Args:
        given: As typed.

    Returns:
        The consent, or None with the code of what is wrong for each field.
    """
    wrong: dict[str, str] = {}
    quota = week.whole_number(given.quota, 0, LARGEST_QUOTA)
    if given.quota and quota is None:
        wrong["quota"] = "quota_unreadable"
    before_s = hours(given.hours, LONGEST_HOLD_BACK_S)
    if given.hours and before_s is None:
        wrong["hours"] = "hours_unreadable"
    at_min = week.clock_minutes(given.clock)
    if given.clock and (at_min is None or at_min >= 24 * 60):
        wrong["clock"] = "time_unreadable"
    if wrong:
        return None, wrong
    agreed = Consent(
        paused=given.paused, quota_per_day=quota, release_before_s=before_s, release_min=at_min
    )
    return agreed, {}


def hours(text: str, longest_s: int) -> int | None:
    """Read hours such as `24`, `1,5` or `0.5` as whole seconds; None when it is none.

    Args:
        text: As typed.
        longest_s: More seconds than this can't be read.
    """
    whole, _, part = text.replace(",", ".").partition(".")
    if not (whole + part).isascii() or not whole.isdecimal() or not (part or "0").isdecimal():
        return None
    seconds = round(float(f"{whole[:6]}.{part[:4] or '0'}") * _HOUR_S)
    return seconds if seconds <= longest_s else None


async def show(who: Reader, schedule_id: UUID, given: Typed | None = None) -> Agreement | None:
    """Read the panel of a diary of the reader; None when it is none of theirs.

    Args:
        who: The reader.
        schedule_id: Which diary.
        given: What was typed and not understood; the stored consent otherwise.
    """
    actor = who.edge.actor

    async def read(tx: Tx) -> Agreement | None:
        found = await service.diaries(tx, actor, None, (None, _DIARIES))
        diary = next((one for one in found if one.id == schedule_id), None)
        if diary is None:
            return None
        trusted = await standings.of_organisation(tx, actor, diary.organisation_id)
        return Agreement(
            diary=diary,
            typed=given or typed(diary),
            trusted=trusted,
            percent=round(100 * trusted.acceptance),
            away=await absences.standing(tx, actor, schedule_id),
        )

    return await who.edge.run(read)


async def _answer(
    who: Reader,
    schedule_id: UUID,
    act: Callable[[Tx], Awaitable[str]] | None,
    given: Typed | None = None,
    wrong: Mapping[str, str] = MappingProxyType({}),
) -> Response[str]:
    """Act, then give the panel as it stands with what was done or refused."""
    done, problem = "", ""
    if act is not None:
        try:
            done = await who.edge.run(act)
        except errors.Unavailable:
            raise
        except errors.RegulError as refusal:
            problem = refusal.code
    return who.fragment(
        "agreement.html",
        agreement=await show(who, schedule_id, given),
        wrong=wrong,
        done=done,
        problem=problem,
    )


@post("/cabinet/accord", include_in_schema=False, status_code=200)
async def agree(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Set the consent of a diary."""
    sent = await forms.read(request)
    schedule_id = sent.id("schedule")
    given = Typed(
        paused=sent.flag("paused"), quota=sent.text("quota"), hours=sent.text("hours"),
        clock=sent.text("clock"),
    )  # fmt: skip
    wanted, wrong = understand(given)
    if wanted is None:
        return await _answer(who, schedule_id, None, given, wrong)

    async def act(tx: Tx) -> str:
        await agreements.agree(tx, who.edge.actor, schedule_id, wanted)
        return who.words.t("consent.done")

    return await _answer(who, schedule_id, act)


@post("/cabinet/absence", include_in_schema=False, status_code=200)
async def leave(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Empty the days on which the practitioner is away."""
    sent = await forms.read(request)
    schedule_id = sent.id("schedule")
    since = _day(sent.text("since"))
    until = _day(sent.text("until")) if sent.text("until") else since
    if since is None or until is None:
        field = "since" if since is None else "until"
        return await _answer(who, schedule_id, None, wrong={field: "day_unreadable"})

    async def act(tx: Tx) -> str:
        command = Absent(since=since, until=until, schedule_id=schedule_id)
        emptied = await absences.be_absent(tx, who.edge.actor, command)
        return who.words.t("absence.done", withdrawn=emptied.withdrawn, displaced=emptied.displaced)

    return await _answer(who, schedule_id, act)


@post("/cabinet/absence/fin", include_in_schema=False, status_code=200)
async def come_back(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """End an absence: what was published for its days since is shown again."""
    sent = await forms.read(request)
    absence_id = sent.id("absence")

    async def act(tx: Tx) -> str:
        await absences.end(tx, who.edge.actor, absence_id)
        return who.words.t("absence.ended")

    return await _answer(who, sent.id("schedule"), act)


@post("/cabinet/contester", include_in_schema=False, status_code=200)
async def contest(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Object to the figure of one's own organisation."""
    sent = await forms.read(request)
    schedule_id, organisation_id = sent.id("schedule"), sent.id("organisation")
    try:
        reason = Objection(sent.text("reason"))
    except ValueError:
        raise forms.unreadable() from None

    async def act(tx: Tx) -> str:
        await standings.contest(tx, who.edge.actor, organisation_id, reason)
        return who.words.t("trust.contested")

    return await _answer(who, schedule_id, act)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


ROUTES: Final = [agree, leave, come_back, contest]
