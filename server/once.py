"""`demo --once`: the three journeys headless against freshly started servers.

Prints the timeline. Exit 0 only when each step was observed from outside: in an answer of the
API, or as an event received over NATS.
"""

import asyncio
import contextlib
import time
from typing import Final

from server import cli, replay_run
from server import seed as seeding
from server.accounts import LOGINS
from server.centre import Centre
from server.demo import DEMO, Instance
from server.journey_call import CallJourney
from server.journey_clinic import ClinicJourney
from server.journey_partner import PartnerJourney
from server.replay_run import Where
from server.report import Figure, Report, machine, show
from server.stack import Stack, throw_away_home
from server.subscriber import following
from server.timeline import Timeline, UnobservedError

NOT_OBSERVED: Final = 1


def main(*, json: bool, seed: int) -> int:
    """Run the journeys and report.

    Args:
        json: One JSON object instead of lines.
        seed: Breaks equals among offers.

    Returns:
        0 when every step was observed, else 1.
    """
    timeline = Timeline(quiet=json)
    started_s = asyncio.run(_run(timeline, seed))
    if json:
        figures = [
            Figure(name="servers_started", value=round(started_s, 2), unit="s"),
            *timeline.figures(),
        ]
        report = Report(
            name="demo --once",
            version=cli.version(),
            machine=machine(),
            seed=seed,
            runs=1,
            figures=figures,
        )
        show(report, json=True)
    else:
        missed = sum(bool(step.missed) for step in timeline.steps)
        print(f"{len(timeline.steps)} steps, {missed} not observed")
    return 0 if timeline.complete else NOT_OBSERVED


def where_of(stack: Stack) -> Where:
    """Give the addresses of a seeded stack and the keys of every demo account.

    Args:
        stack: Entered.
    """
    key_file = stack.layout.keys / "master.key"
    return Where(
        base_url=stack.base_url,
        nats_url=stack.nats_url,
        keys={login: seeding.key(key_file, login) for login in LOGINS},
    )


async def journeys(where: Where, timeline: Timeline, number: int) -> None:
    """Run the three journeys against a seeded service; a journey that fails ends, others go on.

    Args:
        where: The service.
        timeline: Where steps are written.
        number: Seed.
    """
    centre = Centre(where.base_url, where.keys)
    places = await asyncio.to_thread(seeding.organisations)
    try:
        watcher = await replay_run.subscribed(centre, where)
        async with following(watcher):
            with contextlib.suppress(UnobservedError):
                await CallJourney(timeline, centre, watcher, number).run()
            with contextlib.suppress(UnobservedError):
                await ClinicJourney(timeline, centre, watcher).run(places["clinic"][0])
            with contextlib.suppress(UnobservedError):
                partners = PartnerJourney(timeline, centre, where)
                await partners.run(places["partner-a"][0], places["partner-b"][0])
    finally:
        await centre.close()


async def _run(timeline: Timeline, number: int) -> float:
    began = time.monotonic()
    with throw_away_home() as home:
        instance = Instance()
        async with Stack(home, throw_away=True, settings=DEMO, seed=instance.fill) as stack:
            started_s = time.monotonic() - began
            await journeys(where_of(stack), timeline, number)
    return started_s
