"""Numbers in a text: age, sex, vital signs with their units, pain, durations.

Pure and total. Units are converted (°F to °C, g/L and mg/dL to mmol/L, cmHg to mmHg); a number
outside of what a living body shows is left alone; of several values the worst one is taken.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from triage.words import fold

_MOST_LETTERS: Final = 8000


class _Range(msgspec.Struct, frozen=True):
    """What a living body shows, both ends included; anything else is another number."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a value lies inside."""
        return self.low <= value <= self.high


_PULSE: Final = _Range(15, 300)
_BREATHING: Final = _Range(2, 120)
_SYSTOLIC_MMHG: Final = _Range(30, 300)
_DIASTOLIC_MMHG: Final = _Range(10, 200)
_CENTIMETRES: Final = _Range(3, 29.9)
"""A blood pressure so low is told in cmHg, as in "14/8"."""
_OXYGEN: Final = _Range(40, 100)
_CELSIUS: Final = _Range(25, 45)
_FAHRENHEIT: Final = _Range(94, 110)
_MMOL: Final = _Range(0.3, 60)
_MG_FROM: Final = 35.0
"""A glucose of so many can only be mg/dL."""
_GRAMS_BELOW: Final = 7.0
"""A French "dextro" below it is in g/L."""


class Measure(msgspec.Struct, frozen=True):
    """A number read: which input it answers, in the input's unit, and the words it stands in."""

    input: str
    value: float | str
    words: str


_N = r"(\d{1,3}(?:[.,]\d{1,2})?)"
_IS = (
    r"(?:\s*(?:(?:of|is|was|are|at|to|a|de|est|environ|about|around|on|room|air|level|"
    r"mesuree?|reading|current|in|sous)\b|[=:~-]))*[\s=:(]*"
)
"""Words that may stand between the name of a vital sign and its number."""
_HEART: Final = re.compile(
    rf"\b(?:hr|heart rate|heart beat|pulse(?: rate)?|pouls|fc|frequence cardiaque|rythme|"
    rf"tachycard\w*|bradycard\w*|bat){_IS}(\d{{2,3}})\b(?!\s*[/.,%]\s*\d)"
)
_BPM: Final = re.compile(r"\b(\d{2,3})\s*(?:bpm|beats(?: per |/)min\w*|batt\w*(?: par |/)min\w*)")
_BREATHS: Final = re.compile(
    rf"\b(?:rr|resp(?:iratory)?(?: rate)?|respirations?|breathing rate|fr|frequence respiratoire)"
    rf"{_IS}(\d{{1,3}})\b(?!\s*[/.,%]\s*\d)"
)
_BREATHS_AFTER: Final = re.compile(r"\b(\d{2,3})\s*(?:breaths|cycles|respirations)\b")
_PRESSURE: Final = re.compile(
    rf"\b(?:bp|ta|pa|tension(?: arterielle)?|blood pressure|pression(?: arterielle)?){_IS}"
    r"(\d{1,3})\s*(?:/|sur|over)\s*(\d{1,3})"
)
_PRESSURE_UNIT: Final = re.compile(r"\b(\d{2,3})\s*/\s*(\d{2,3})\s*(?:mm\s*hg)")
_SYSTOLIC: Final = re.compile(
    rf"\b(?:sbp|pas|tas|systolic(?: blood)?(?: pressure)?|systolique|systole|"
    rf"tension (?:a|de)|bp|blood pressure){_IS}(\d{{1,3}})\b(?!\s*(?:/|sur|over)\s*\d)"
)
_SATURATION: Final = re.compile(
    r"\b(?:spo2|sao2|o2 ?sat\w*|sats?|saturation|saturations|oxygen saturation|sature|satur\w*|"
    r"pulse ox\w*|oximet\w*)(?:[^\d\n.;]|o2|\bon \d+ ?l\b){0,30}?(\d{2,3})\s*%?(?!\s*[/\d])"
)
_TEMPERATURE: Final = re.compile(
    r"\b(?:temp\w*|t|tc|fever|fevre|fievre|febrile|pyrexia|hyperthermie|hypothermi\w*)"
    r"(?:\s*(?:(?:of|is|was|up|to|at|a|de|est|oral|orally|rectal|rectale|high|reaching)\b|[=:]))*"
    r"[\s=:(°]*(\d{2,3}(?:[.,]\d{1,2})?)\s*(?:°|º|degres?|degrees?|deg)?\s*"
    r"(c\b|f\b|celsius|fahrenheit)?"
    r"(?!\s*(?:/|%|ans|jours?|h\b|mois|years?|days?|hours?|min|bpm|weeks?|sem))"
)
_DEGREES: Final = re.compile(
    r"\b(\d{2,3}(?:[.,]\d{1,2})?)\s*"
    r"(?:(?:°|º|degres?\b|degrees?\b|deg\b)\s*(c\b|f\b|celsius|fahrenheit)?"
    r"|(c|f|celsius|fahrenheit)\b)"
)
_DEGREES_FRENCH: Final = re.compile(r"\b(3[4-9]|4[0-2])\s*(?:°|c|degres?)\s*(\d)\b")
_OF_FEVER: Final = re.compile(
    r"\b(3\d|4[0-3])(?:[.,](\d))?\s*(?:de |d')?(?:fievre|temperature|temp)\b"
)
_GLUCOSE: Final = re.compile(
    r"\b(glucose|glycemi\w*|gly|glyc|dextro|dxt|hgt|bm|cbg|blood sugar|sugar|sucre|capillaire)"
    r"(?:[^\d\n;]){0,20}?(\d{1,3}(?:[.,]\d{1,2})?)\s*(g/l|g\b|mg/?\s?dl|mg\b|mmol(?:/l)?)?"
)
_PAIN: Final = re.compile(
    r"\b(?:eva|en|evs|nrs|vas|pain(?: score| scale| level)?|douleur|dlr|intensite)"
    r"(?:[^\d\n.;]){0,15}?(10|\d)(?:\s*(?:/|sur|out of|on)\s*10)"
)
_PAIN_SCALE: Final = re.compile(
    r"\b(?:eva|evs|nrs|vas|pain score|pain scale)\s*(?:a|de|at|of|is|:|=)?\s*(10|\d)\b"
)
_OUT_OF_TEN: Final = re.compile(r"(?<![\d/])(10|\d)\s*(?:/|out of)\s*10\b(?!\s*/)")
_COMA: Final = re.compile(
    r"\b(?:gcs|glasgow|cgs)(?: score)?(?: coma scale)?\s*(?:of|is|was|a|=|:)?\s*(\d{1,2})\b"
)
_REFILL: Final = re.compile(
    r"\b(?:crt|trc|cap\w* refill\w*|temps de recoloration)[^\d\n.;]{0,15}(\d(?:[.,]\d)?)\s*s"
)
_WEEKS: Final = re.compile(
    r"\b(\d{1,2})\s*(?:sa\b|semaines? d'? ?amenorrhee|weeks?[' ]+(?:pregnant|gestation)"
    r"|wks? pregnant|weeks? (?:of )?gestation)"
)
_UNIT_HOURS: Final = {
    "m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0, "o": 730.0, "y": 8760.0,
}  # fmt: skip
_DURATION: Final = re.compile(
    r"(?:\b(?:for|since|depuis|x|past|last|over|il y a|of|duree|onset)\s+"
    r"(?:the (?:past|last) )?(?:environ |about )?)?"
    r"\b(\d{1,3})[ -]?(min(?:ute)?s?|mn|h(?:r|eure|our)?s?|j(?:our)?s?|d(?:ay)?s?|sem(?:aine)?s?"
    r"|w(?:ee)?ks?|mois|months?|years?|ans?)\b'?"
    r"(\s*(?:history|duration|of duration|ago|plus tot|earlier))?"
)
_SINCE: Final = re.compile(r"^(?:for|since|depuis|x|past|last|over|il y a|duree|onset)\b")


def read(text: str) -> tuple[Measure, ...]:
    """Read every number that answers an input.

    Args:
        text: Anything.

    Returns:
        One measure per input at most, by input. SpO2 in %, temperature in Cel, pressures in
        mm[Hg], rates in /min, glucose in mmol/L, duration in h, gestation in weeks.
    """
    plain = fold(text[:_MOST_LETTERS]).replace("’", "'").replace("′", "'")
    found: dict[str, Measure] = {}
    for key, reader, worse in _READERS:
        values = list(reader(plain))
        if values:
            value, words = max(values, key=lambda pair: worse(pair[0]))
            found[key] = Measure(key, value, words)
    return tuple(found[key] for key in sorted(found))


def _number(text: str) -> float:
    """Read a number with a decimal point or comma."""
    return float(text.replace(",", "."))


_Values = Iterator[tuple[float, str]]


def _simple(*patterns: re.Pattern[str], within: _Range) -> Callable[[str], _Values]:
    """Build a reader of the first group of each pattern within a range."""

    def values(text: str) -> _Values:
        for pattern in patterns:
            for match in pattern.finditer(text):
                value = _number(match.group(1))
                if within.holds(value):
                    yield value, match.group().strip()

    return values


def _millimetres(value: float) -> float:
    """Convert a pressure told in cmHg."""
    return value * 10 if _CENTIMETRES.holds(value) else value


def _pressures(text: str, index: int) -> _Values:
    """Read systolic (0) or diastolic (1) of the pairs; 14/8 is in centimetres."""
    for pattern in (_PRESSURE, _PRESSURE_UNIT):
        for match in pattern.finditer(text):
            upper, lower = _number(match.group(1)), _number(match.group(2))
            if _CENTIMETRES.holds(upper):
                upper, lower = upper * 10, lower * 10
            plausible = _SYSTOLIC_MMHG.holds(upper) and _DIASTOLIC_MMHG.holds(lower)
            if plausible and lower < upper:
                yield (upper, lower)[index], match.group().strip()


def _systolic(text: str) -> _Values:
    """Read systolic pressures, of a pair or alone."""
    yield from _pressures(text, 0)
    for match in _SYSTOLIC.finditer(text):
        value = _millimetres(_number(match.group(1)))
        if _SYSTOLIC_MMHG.holds(value):
            yield value, match.group().strip()


def _temperature(text: str) -> _Values:
    """Read temperatures; degrees Fahrenheit when named so, or between 94 and 110."""
    for pattern in (_TEMPERATURE, _DEGREES):
        for match in pattern.finditer(text):
            unit = next((group for group in match.groups()[1:] if group), "")
            value = _celsius(_number(match.group(1)), unit)
            if _CELSIUS.holds(value):
                yield round(value, 1), match.group().strip()
    for pattern in (_DEGREES_FRENCH, _OF_FEVER):
        for match in pattern.finditer(text):
            yield _number(f"{match.group(1)}.{match.group(2) or 0}"), match.group().strip()


def _celsius(value: float, unit: str) -> float:
    """Convert to degrees Celsius."""
    fahrenheit = unit.startswith("f") or (not unit and _FAHRENHEIT.holds(value))
    return (value - 32) / 1.8 if fahrenheit else value


def _glucose(text: str) -> _Values:
    """Read glucose; without a unit only where name and size leave no doubt."""
    for match in _GLUCOSE.finditer(text):
        name, value, unit = match.group(1), _number(match.group(2)), match.group(3) or ""
        if unit.startswith("mmol"):
            mmol = value
        elif unit.startswith("mg") or (not unit and value >= _MG_FROM):
            mmol = value / 18
        elif unit.startswith("g") or (
            name.startswith(("gly", "dextro", "hgt", "dxt")) and value < _GRAMS_BELOW
        ):
            mmol = value * 5.55
        elif name in {"bm", "cbg"}:
            mmol = value
        else:
            continue
        if _MMOL.holds(mmol):
            yield round(mmol, 1), match.group().strip()


def _pain(text: str) -> _Values:
    """Read a pain scale from 0 to 10."""
    yield from _simple(_PAIN, _PAIN_SCALE, _OUT_OF_TEN, within=_Range(0, 10))(text)


def _duration(text: str) -> _Values:
    """Read how long it has lasted, in hours: "depuis 2 h", "3-day history", "for 5 days"."""
    for match in _DURATION.finditer(text):
        unit = match.group(2)
        said = match.group().strip()
        if not (_SINCE.match(said) or match.group(3)):
            continue
        letter = (
            "o" if unit.startswith("mo") else {"j": "d", "s": "w", "a": "y"}.get(unit[0], unit[0])
        )
        yield float(match.group(1)) * _UNIT_HOURS[letter], said


def _away(middle: float) -> Callable[[float], float]:
    """Rank by distance from the middle of the healthy range."""
    return lambda value: abs(value - middle)


_Reader = tuple[str, Callable[[str], _Values], Callable[[float], float]]
_READERS: Final[tuple[_Reader, ...]] = (
    ("hr", _simple(_HEART, _BPM, within=_PULSE), _away(80)),
    ("rr", _simple(_BREATHS, _BREATHS_AFTER, within=_BREATHING), _away(16)),
    ("sbp", _systolic, _away(125)),
    ("dbp", lambda text: _pressures(text, 1), _away(75)),
    ("spo2", _simple(_SATURATION, within=_OXYGEN), lambda value: -value),
    ("temp_c", _temperature, _away(37)),
    ("glucose_mmol_l", _glucose, _away(6)),
    ("pain_nrs", _pain, lambda value: value),
    ("crt_s", _simple(_REFILL, within=_Range(0, 30)), lambda value: value),
    ("gcs", _simple(_COMA, within=_Range(3, 15)), lambda value: -value),
    ("gestation_weeks", _simple(_WEEKS, within=_Range(3, 44)), lambda value: value),
    ("hours_since_onset", _duration, lambda value: -value),
)
