"""How old what a source tells may be: the supervisor's page of sources and their limits."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency

from console import agreement, forms
from console.reader import Reader
from directory import source_limits
from directory.source_limits import Limit, SourceLimit
from kernel import errors
from kernel.actor import may
from kernel.database import Tx

_HOUR_S: Final = 3600
_SHORTEST_S: Final = 60


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One source with its limits as they are typed, in hours."""

    limit: SourceLimit
    marked: str
    refused: str


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The page; `sets` when the reader may change it."""

    rows: Sequence[Row]
    sets: bool
    done: str = ""
    problem: str = ""
    at: str = ""
    wrong: Mapping[str, str] = MappingProxyType({})


def hours(seconds: int) -> str:
    """Write seconds as hours: `1`, `1.5`."""
    return f"{seconds / _HOUR_S:g}"


async def _answer(who: Reader, template: str, tried: Sources | None = None) -> Response[str]:
    actor = who.edge.actor
    found = await who.edge.run(lambda tx: source_limits.every(tx, actor))
    rows = [
        Row(limit=one, marked=hours(one.marked_after_s), refused=hours(one.refused_after_s))
        for one in found
    ]
    shown = Sources(
        rows=rows,
        sets=may(actor, "source_limit.set"),
        done=tried.done if tried else "",
        problem=tried.problem if tried else "",
        at=tried.at if tried else "",
        wrong=tried.wrong if tried else {},
    )
    return who.fragment(template, sources=shown)


@get("/sources", include_in_schema=False)
async def page(who: NamedDependency[Reader]) -> Response[str]:
    """Show all sources."""
    return await _answer(who, "sources.html")


@post("/sources", include_in_schema=False, status_code=200)
async def change(request: Request[Any, Any, Any], who: NamedDependency[Reader]) -> Response[str]:
    """Set or take away the limits of a source."""
    sent = await forms.read(request)
    source = sent.text("source")
    limit: Limit | None = None
    if sent.text("verb") != "common":
        marked, refused = (_seconds(sent.text(name)) for name in ("marked", "refused"))
        wrong = {
            name: "hours_unreadable"
            for name, value in (("marked", marked), ("refused", refused))
            if value is None
        }
        if marked is None or refused is None:
            tried = Sources(rows=(), sets=True, at=source, wrong=wrong)
            return await _answer(who, "sources_list.html", tried)
        limit = Limit(marked_after_s=marked, refused_after_s=refused)

    async def act(tx: Tx) -> None:
        await source_limits.set_to(tx, who.edge.actor, source, limit)

    try:
        await who.edge.run(act)
        tried = Sources(rows=(), sets=True, at=source, done=who.words.t("sources.done"))
    except errors.Unavailable:
        raise
    except errors.RegulError as refusal:
        tried = Sources(rows=(), sets=True, at=source, problem=refusal.code)
    return await _answer(who, "sources_list.html", tried)


def _seconds(text: str) -> int | None:
    found = agreement.hours(text, source_limits.LONGEST_S)
    return found if found is not None and found >= _SHORTEST_S else None


ROUTES: Final = [page, change]
