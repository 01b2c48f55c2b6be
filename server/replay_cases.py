"""Recorded cases of a replay file: decoding, broken lines, and the place drawn for each case.

Each line is one JSON object with the fields of `RecordedCase`, every one nullable. Labels of the
source (`gold`, `reference`) have no field here: they are gone before any code could look at them.
"""

import csv
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

Avpu: TypeAlias = Literal["A", "C", "V", "P", "U"]
"""Alert, new confusion, responds to voice, to pain, unresponsive."""

_COMMUNES: Final = Path(__file__).parent.parent / "directory" / "data" / "somme" / "communes.csv"


class RecordedCase(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded of one visit; nothing that is absent is ever guessed.

    Attributes:
        id: Name of the case in its source.
        site: Which hospital recorded it.
        age_y: Age in completed years.
        sex: As recorded.
        arrival: How the patient came.
        injury: Whether an injury brought the patient.
        complaint_text: Chief complaint in the words of the record.
        avpu: Level of consciousness.
        pain_present: Whether there is pain.
        pain_nrs: Pain on the numeric scale, 0 to 10.
        sbp: Systolic blood pressure, mmHg.
        dbp: Diastolic blood pressure, mmHg.
        hr: Heart rate, beats a minute.
        rr: Breaths a minute.
        temp_c: Body temperature, degrees Celsius.
        spo2: Oxygen saturation, per cent.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    site: int | None = None
    age_y: Annotated[int, msgspec.Meta(ge=0, le=130)] | None = None
    sex: Literal["F", "M", "O"] | None = None
    arrival: str | None = None
    injury: bool | None = None
    complaint_text: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    avpu: Avpu | None = None
    pain_present: bool | None = None
    pain_nrs: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    sbp: Annotated[float, msgspec.Meta(ge=30, le=300)] | None = None
    dbp: Annotated[float, msgspec.Meta(ge=10, le=200)] | None = None
    hr: Annotated[float, msgspec.Meta(ge=0, le=300)] | None = None
    rr: Annotated[float, msgspec.Meta(ge=0, le=80)] | None = None
    temp_c: Annotated[float, msgspec.Meta(ge=25, le=45)] | None = None
    spo2: Annotated[float, msgspec.Meta(ge=20, le=100)] | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded answer as the API takes it; what stands in a record is not asked again."""

    input: str
    value: float | bool | str
    confirmed: bool = True


INPUTS: Final[dict[str, str]] = {
    "age_y": "age_y",
    "sex": "sex",
    "injury": "injury",
    "avpu": "acvpu",
    "pain_present": "pain_now",
    "pain_nrs": "pain_nrs",
    "sbp": "sbp",
    "dbp": "dbp",
    "hr": "hr",
    "rr": "rr",
    "temp_c": "temp_c",
    "spo2": "spo2",
}
"""Field of a recorded case -> input of the protocols. Every other input stays open."""


class BrokenLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is no recorded case.

    Attributes:
        number: Line number, from 1.
        reason: What is wrong with it, without the values of the line.
    """

    number: int
    reason: str


class Commune(msgspec.Struct, frozen=True, kw_only=True):
    """A place calls come from; population in inhabitants, position in WGS84 degrees."""

    insee: str
    name: str
    population: int
    lon: float
    lat: float


def read(lines: Iterable[bytes]) -> Iterator[RecordedCase | BrokenLine]:
    """Decode lines one by one; a broken one is told and the rest goes on.

    Args:
        lines: Of a file opened in binary mode; empty lines are skipped.

    Yields:
        A case or a broken line, in the order of the file.
    """
    decoder = msgspec.json.Decoder(RecordedCase)
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            case = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield BrokenLine(number=number, reason=_reason(error))
            continue
        if (first := seen.setdefault(case.id, number)) != number:
            yield BrokenLine(number=number, reason=f"the id of line {first} again")
            continue
        yield case


def findings(case: RecordedCase) -> list[Recorded]:
    """Give what was recorded as findings; what is null is left out and stays open.

    Args:
        case: Decoded line.

    Returns:
        In the order of `INPUTS`; a diastolic pressure that is not below the systolic is no record.
    """
    if case.sbp is not None and case.dbp is not None and case.dbp >= case.sbp:
        case = msgspec.structs.replace(case, dbp=None)
    values = ((name, getattr(case, field)) for field, name in INPUTS.items())
    found = ((name, "other" if value == "O" else value) for name, value in values)
    return [Recorded(input=name, value=value) for name, value in found if value is not None]


def communes(path: Path = _COMMUNES) -> tuple[Commune, ...]:
    """Read the communes of the demonstration territory.

    Args:
        path: CSV with columns insee, name, population, lon, lat.

    Returns:
        In the order of the file.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Commune(
                insee=row["insee"],
                name=row["name"],
                population=int(row["population"]),
                lon=float(row["lon"]),
                lat=float(row["lat"]),
            )
            for row in csv.DictReader(file)
        )


class Places:
    """Draws communes by population, reproducibly."""

    def __init__(self, choices: tuple[Commune, ...]) -> None:
        """Prepare the draw.

        Args:
            choices: Not empty; weighted by their inhabitants.
        """
        self._choices = choices
        self._cumulated = list(itertools.accumulate(one.population for one in choices))

    def of(self, seed: int, name: str) -> Commune:
        """Give the commune of a case: the same for the same seed and name, in any order.

        Args:
            seed: Of the run.
            name: Id of the case.
        """
        chosen = random.Random(f"{seed}/{name}")
        return chosen.choices(self._choices, cum_weights=self._cumulated)[0]


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return str(error)
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "not a JSON object in UTF-8"
