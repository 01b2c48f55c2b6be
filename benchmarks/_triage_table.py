"""One rule table for all engines: NEWS2, 20 red flags of 2-3 conditions, a tree of 40 tests.

The same table is written as a protocol for our compiler and, by `_triage_peers`, in each
peer's own language. Flags and tree are drawn from a seed; they mean nothing clinically.
"""

import random
from collections.abc import Iterator
from typing import Final

import msgspec

FLAGS: Final = 20
NODES: Final = 40
NUMBERS: Final = {
    "rr": (5, 35),
    "spo2": (85, 100),
    "sbp": (70, 230),
    "hr": (30, 150),
    "temp_c": (34, 41),
    "age_y": (0, 100),
    "pain_nrs": (0, 10),
    "acvpu": (0, 3),
}
SIGNS: Final = ("on_oxygen", *(f"sign{n}" for n in range(12)))
FIELDS: Final = (*NUMBERS, *SIGNS)
BANDS: Final[dict[str, tuple[tuple[float, int], ...]]] = {
    "rr": ((8, 3), (11, 1), (20, 0), (24, 2), (999, 3)),
    "spo2": ((91, 3), (93, 2), (95, 1), (999, 0)),
    "sbp": ((90, 3), (100, 2), (110, 1), (219, 0), (999, 3)),
    "hr": ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (999, 3)),
    "temp_c": ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (999, 2)),
    "acvpu": ((0, 0), (999, 3)),
    "on_oxygen": ((0, 0), (999, 2)),
}
"""NEWS2 (RCP 2017, scale 1): upper bound included, points."""


class Test(msgspec.Struct, frozen=True):
    """One condition: the field is at least the bound, or below it."""

    field: str
    least: bool
    bound: float

    def holds(self, case: "Case") -> bool:
        """Tell whether a case meets the condition."""
        return (case[self.field] >= self.bound) is self.least

    def opposite(self) -> "Test":
        """Give the condition that holds exactly when this one does not."""
        return Test(self.field, not self.least, self.bound)


Case = dict[str, float | bool]
Path = tuple[Test, ...]


class Answer(msgspec.Struct, frozen=True):
    """What every engine must find: the score, the flags that hold, the leaf reached."""

    points: int
    flags: tuple[int, ...]
    leaf: int


class Table(msgspec.Struct, frozen=True):
    """Flags as conjunctions, and the tree as the path to each of its leaves."""

    flags: tuple[Path, ...]
    leaves: tuple[Path, ...]


def table(seed: int) -> Table:
    """Draw the table."""
    dice = random.Random(seed)

    def test() -> Test:
        if dice.random() < 0.6:
            return Test(dice.choice(SIGNS[1:]), least=True, bound=1)
        field = dice.choice([name for name in NUMBERS if name != "acvpu"])
        low, high = NUMBERS[field]
        return Test(field, dice.random() < 0.5, round(dice.uniform(low, high)))

    def grow(nodes: int, path: Path) -> Iterator[Path]:
        if not nodes:
            yield path
            return
        left, node = (nodes - 1) // 2, test()
        while any(node.field == before.field for before in path):
            node = test()
        yield from grow(left, (*path, node))
        yield from grow(nodes - 1 - left, (*path, node.opposite()))

    flags: list[Path] = []
    while len(flags) < FLAGS:
        drawn = tuple(test() for _ in range(dice.choice((2, 3))))
        if len({one.field for one in drawn}) == len(drawn):
            flags.append(drawn)
    return Table(tuple(flags), tuple(grow(NODES, ())))


def cases(count: int, seed: int) -> list[Case]:
    """Draw complete cases."""
    dice = random.Random(seed)
    drawn = []
    for _ in range(count):
        case: Case = {name: float(dice.randint(*NUMBERS[name])) for name in NUMBERS}
        case["temp_c"] = round(dice.uniform(34, 41), 1)
        case["acvpu"] = dice.choice((0.0, 0.0, 0.0, 1.0, 2.0, 3.0))
        drawn.append(case | {name: dice.random() < 0.3 for name in SIGNS})
    return drawn


def reference(rules: Table, case: Case) -> Answer:
    """Decide a case by the plainest reading of the table."""
    return Answer(
        sum(next(worth for upper, worth in BANDS[name] if case[name] <= upper) for name in BANDS),
        tuple(n for n, flag in enumerate(rules.flags) if all(one.holds(case) for one in flag)),
        next(n for n, path in enumerate(rules.leaves) if all(one.holds(case) for one in path)),
    )


def protocol(rules: Table, *, sabotage: bool = False) -> bytes:
    """Write the table as a protocol; with sabotage one of its bounds is wrong."""
    both = '{ fr = "-", en = "-" }'
    lines = [
        'schema = 1\nid = "table"\nversion = "1"\nkind = "score"\nstatus = "draft"\nlicence = "-"',
        f"title = {both}\ntests = []\ncitations = [{{ id = 'x', text = '-' }}]",
        f'[population]\nwhen = "true"\neveryone = true\nwhy = {both}',
    ]
    for name in FIELDS:
        low, high = NUMBERS.get(name, (0, 1))
        kind = f'type = "number"\nunit = "1"\nrange = [{low}, {high}]'
        kind = 'type = "bool"' if name in SIGNS else kind
        lines.append(f'[[inputs]]\nkey = "{name}"\n{kind}\nask = {both}')
    lines.append(f'[[scores]]\nid = "news2"\ntitle = {both}')
    for name, bands in BANDS.items():
        steps = [[upper, worth] for upper, worth in bands[:-1]]
        worth = f'input = "{name}"\nbands = {[*steps, [float("inf"), bands[-1][1]]]}'
        if name in SIGNS:
            worth = f'points_if = "{name}"\npoints = {bands[-1][1]}'
        lines.append(f'[[scores.items]]\nid = "{name}"\n{worth}')
    written = [("news2_high", "news2 >= 7", "U1"), ("news2_mid", "news2 >= 5", "U2")]
    written += [(f"flag{n}", _condition(path), "U1") for n, path in enumerate(rules.flags)]
    written += [
        (f"leaf{n}", _condition(path), f"U{2 + n % 4}") for n, path in enumerate(rules.leaves)
    ]
    for name, when, acuity in written:
        planted = "false" if sabotage and name == "leaf0" else when
        lines.append(
            f'[[rules]]\nid = "{name}"\nwhen = "{planted}"\nacuity = "{acuity}"\nwhy = {both}\n'
            'cites = ["x"]\nwhen_unanswerable = "fire"'
        )
    return "\n".join(lines).encode()


def _condition(path: Path) -> str:
    """Write a conjunction in the protocol grammar."""
    return " and ".join(
        (one.field if one.least else f"not {one.field}")
        if one.field in SIGNS
        else f"{one.field} {'>=' if one.least else '<'} {one.bound}"
        for one in path
    )
