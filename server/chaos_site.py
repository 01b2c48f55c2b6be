"""`chaos site`: a site is cut off from the centre; does it get each handoff, once and in order?

Two nats-servers with the configuration of `deploy/`, joined as a leaf node over TLS, and the bridge
between them. The bridge dies at its worst moments, the site's server is killed, everything is sent
again, and the line is cut: silently, then with refusals. Afterwards stream SITE is read by the
site's own user and held against the centre's record.
"""

import argparse
import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from kernel import telemetry
from server import chaos_world, cli
from server.chaos_site_world import FEW, SABOTAGES, Site, centre
from server.report import Figure, Report, against_goal, machine, show
from server.stack import throw_away_home

SECONDS: Final = 60.0
HEALED_S: Final = 2.0
WRONG: Final = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        handoffs: Asked for.
        missing: Of these, not in SITE.
        twice: Messages beyond the first of an event.
        out_of_order: Neighbours in SITE whose numbers do not follow each other.
        early: Receipts that the centre had for events that SITE did not hold.
        cut: Asked for while the line was cut.
        first_s: For each cut, from healing to the first event in SITE; -1 = none came.
        all_s: For each cut, from healing to the last one.
    """

    handoffs: int
    missing: int
    twice: int
    out_of_order: int
    early: int
    cut: int = 0
    first_s: Sequence[float] = ()
    all_s: Sequence[float] = ()

    @property
    def held(self) -> bool:
        """Say whether each came, once, in order, and was never confirmed too early."""
        wrong = self.missing or self.twice or self.out_of_order or self.early
        return not wrong and min(self.all_s, default=0.0) >= 0


async def judged(site: Site, early: int) -> Outcome:
    """Hold what the site has against the centre's record.

    Args:
        site: Running, after everything.
        early: Receipts too early.
    """
    kept = await site.kept()
    ours, theirs = set(await site.record()), {one.id for one in kept}
    return Outcome(
        handoffs=site.asked,
        missing=site.asked - len(ours & theirs),
        twice=len(kept) - len(theirs),
        out_of_order=sum(1 for _ in chaos_world.runs([0, *(one.number for one in kept)])),
        early=early,
    )


async def troubled(site: Site, seconds: float) -> Outcome:
    """Let everything happen to a site.

    Args:
        site: Running.
        seconds: Of the silent cut; the other lasts a fifth.
    """
    await site.ask(FEW)
    await site.until_stored(FEW)
    await site.sent_again()
    early = await site.dies("holding") + await site.dies("stored")
    await site.killed()
    before = site.asked
    cuts = [await site.cut("silent", seconds), await site.cut("refused", seconds / 5)]
    return msgspec.structs.replace(
        await judged(site, early),
        cut=site.asked - before,
        first_s=[first for first, _ in cuts],
        all_s=[last for _, last in cuts],
    )


async def sabotaged(site: Site, sabotage: str) -> Outcome:
    """Let happen to a site what its sabotaged bridge can't bear.

    Args:
        site: Running.
        sabotage: One of `SABOTAGES`.
    """
    await site.ask(FEW)
    await site.until_stored(FEW)
    if sabotage == "no-numbers":
        await site.sent_again()
        return await judged(site, 0)
    return await judged(site, await site.dies("holding"))


async def run(seconds: float, sabotages: Sequence[str] = ()) -> dict[str, Outcome]:
    """Run once on throw-away servers, then once for each sabotage, without a cut.

    Args:
        seconds: How long the silent cut lasts; 0 = only the sabotages.
        sabotages: Of `SABOTAGES`.

    Returns:
        Sabotage -> what was seen; the empty name is the run without.
    """
    found = {}
    with throw_away_home() as home:
        async with centre(home) as made:
            for name in ([""] if seconds else []) + list(sabotages):
                site = Site(made, home.parent / f"site{name}", name)
                async with site.running():
                    act = sabotaged(site, name) if name else troubled(site, seconds)
                    found[name] = await act
    return found


def figures(outcome: Outcome) -> Sequence[Figure]:
    """Give what is reported.

    Args:
        outcome: Of a run.
    """
    goal = f"<= {HEALED_S:g}"
    took = list(zip(("silent", "refused"), outcome.first_s, outcome.all_s, strict=False))
    return [
        Figure(name="handoffs", value=outcome.handoffs, unit="handoffs"),
        Figure(name="while_cut", value=outcome.cut, unit="handoffs"),
        against_goal("missing", outcome.missing, "handoffs", "== 0"),
        against_goal("twice", outcome.twice, "messages", "== 0"),
        against_goal("out_of_order", outcome.out_of_order, "messages", "== 0"),
        against_goal("confirmed_early", outcome.early, "handoffs", "== 0"),
        *(Figure(name=f"first.{how}", value=round(first, 2), unit="s") for how, first, _ in took),
        *(against_goal(f"all.{how}", round(last, 2), "s", goal) for how, _, last in took),
    ]


def parser() -> argparse.ArgumentParser:
    """Describe the options."""
    made = argparse.ArgumentParser(prog="regul chaos site", description=__doc__)
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    made.add_argument("--seconds", type=float, default=SECONDS, help="of the silent cut")
    made.add_argument("--sabotage", nargs="?", const="all", choices=("all", *SABOTAGES))
    return made


def main(arguments: list[str]) -> int:
    """Run and report.

    Args:
        arguments: See `regul chaos site --help`.

    Returns:
        0: each handoff came, once, in order, soon enough; 1: not, or every planted fault was found.
    """
    options = parser().parse_args(arguments)
    telemetry.configure("error")
    if options.sabotage:
        wanted = SABOTAGES if options.sabotage == "all" else (options.sabotage,)
        seen = asyncio.run(run(0, wanted))
        found = {name: not outcome.held for name, outcome in seen.items()}
        told = [Figure(name=f"found.{k}", value=v, goal="true", met=v) for k, v in found.items()]
        code = WRONG if all(found.values()) else 0
    else:
        outcome = asyncio.run(run(options.seconds))[""]
        told = list(figures(outcome))
        code = 0 if outcome.held and max(outcome.all_s) <= HEALED_S else WRONG
    name = f"chaos site{' --sabotage' if options.sabotage else ''}"
    show(
        Report(name=name, version=cli.version(), machine=machine(), figures=told),
        json=options.json,
    )
    return code
