"""Needs answered a second on the Somme snapshot, against judging every care service in a loop.

The loop is what people write first: for each care service of the territory ask the same pure
judge, slots scanned from the beginning. Both must find the same eligible places; a difference
breaks an invariant (exit 1). `--sabotage` hides one eligible place and must be found.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from directory import eligibility, places, snapshot, somme
from directory.model import CareServiceId, Intake, Modality, Need
from server import report
from server.cli import version

START = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
SERVICES = ("general_practice", "emergency_department", "paediatrics", "cardiology")


def build(seed: int) -> tuple[snapshot.Snapshot, float]:
    """Generate the Somme and freeze it; also give the seconds that the freeze took."""
    rows = somme.generate(START, UUID(int=80), number=seed)
    slots: dict[UUID, list[snapshot.OpenSlot]] = defaultdict(list)
    for slot in rows.slots:
        slots[slot.schedule_id].append(
            snapshot.OpenSlot(
                id=slot.id,
                schedule_id=slot.schedule_id,
                start=slot.start,
                end=slot.end,
                kind=slot.kind,
                modality=slot.modality,
                visibility=slot.visibility,
                capacity=slot.capacity,
                free=slot.capacity,
            )
        )
    diaries = [
        snapshot.Diary(
            schedule=schedule,
            slots=tuple(sorted(slots[schedule.id], key=lambda slot: (slot.start, slot.id))),
        )
        for schedule in rows.schedules
    ]
    began = time.perf_counter()
    frozen = snapshot.freeze(1, rows.rows, diaries)
    return frozen, time.perf_counter() - began


def needs(dice: random.Random, count: int) -> list[Need]:
    """Draw needs over the communes by population."""
    communes = places.communes()
    drawn = dice.choices(communes, weights=[one.population for one in communes], k=count)
    return [
        Need(
            service=dice.choice(SERVICES),
            earliest=NOW,
            deadline=NOW + timedelta(hours=dice.choice((12, 48))),
            age_months=dice.randrange(12 * 90),
            lon=one.lon,
            lat=one.lat,
            radius_m=dice.choice((15_000, 30_000)),
        )
        for one in drawn
    ]


def loop(frozen: snapshot.Snapshot, need: Need) -> set[CareServiceId]:
    """Judge every care service one by one; give the eligible ones."""
    found = set()
    for service, location in zip(frozen.services, frozen.locations, strict=True):
        if service.service != need.service:
            continue
        first: dict[Modality, datetime] = {}
        if service.intake is not Intake.REFERRAL:
            for slot in frozen.bookable(service.id, need, NOW):
                first[slot.modality] = min(slot.start, first.get(slot.modality, slot.start))
        if eligibility.judge(need, service, location, first).eligible:
            found.add(service.id)
    return found


def measure(seed: int, runs: int, *, sabotage: bool) -> tuple[list[report.Figure], int]:
    """Measure in turns; give the figures and how many needs were answered differently."""
    frozen, froze = build(seed)
    asked = needs(random.Random(seed), 100)
    times: dict[str, list[float]] = {"search": [], "loop": []}
    different = 0
    for _ in range(runs):
        for need in asked:
            began = time.perf_counter()
            answer = {one.service.id for one in frozen.search(need, NOW).eligible}
            middle = time.perf_counter()
            wanted = loop(frozen, need)
            times["search"].append((middle - began) * 1000)
            times["loop"].append((time.perf_counter() - middle) * 1000)
            if sabotage and answer:
                answer.pop()
            different += answer != wanted
    ratio = statistics.median(times["search"]) / statistics.median(times["loop"])
    figures = [
        report.Figure(
            name="search_p50",
            value=report.percentile(times["search"], 0.5),
            unit="ms",
            against={"loop": ratio},
        ),
        report.Figure(name="search_p99", value=report.percentile(times["search"], 0.99), unit="ms"),
        report.Figure(name="freeze", value=froze, unit="s"),
        report.Figure(name="care_services", value=len(frozen.services)),
        report.against_goal("different_answers", different, "needs", "== 0"),
    ]
    return figures, different


def main(arguments: list[str]) -> int:
    """Measure and report; 1 when the two ways disagree."""
    parser = argparse.ArgumentParser(prog="regul bench directory", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sabotage", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    figures, different = measure(options.seed, options.runs, sabotage=options.sabotage)
    report.show(
        report.Report(
            name="bench directory",
            version=version(),
            machine=report.machine(),
            seed=options.seed,
            runs=options.runs,
            figures=figures,
        ),
        json=options.json,
    )
    return 1 if different else 0
